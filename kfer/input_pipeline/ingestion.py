"""From dataset names to records for a pipeline, or straight to decoded examples without one."""

import dataclasses
import glob
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import filelock
import tensorflow as tf
import tensorflow_datasets as tfds

from kfer import datasets, files, knowledge, listing, source_code, spec
from kfer.fingerprints import Read
from kfer.input_pipeline import records
from kfer.input_pipeline.decoded import Decoded, load_decoded, write_decoded
from kfer.input_pipeline.sources import (
    assign_identities,
    num_examples,
    read_pairs,
    read_source,
    to_global,
    with_names,
)
from kfer.progress import progress
from kfer.settings import DataSettings, LabelSettings, SourceSettings

Labels = Mapping[str, LabelSettings]


def further(labels: Labels) -> dict[str, LabelSettings]:
    """Returns the labels besides expression and identity, which every example carries."""
    return {name: label for name, label in labels.items() if name not in (spec.EXPRESSION, spec.IDENTITY)}


def reads(data: DataSettings, data_dir: str | Path, prepared_dir: Path) -> list[Read]:
    """Returns all files and folders that the sources are prepared from, or that are looked for.

    Args:
        data: The sources.
        data_dir: Folder with what the user downloaded; empty for none.
        prepared_dir: Folder for prepared TFDS datasets.

    Raises:
        FileNotFoundError: If files that a builder needs first are missing.
        ValueError: If a dataset is unknown.
    """
    return [
        each
        for source in data.sources
        for name in (source.dataset, *([source.pairs_dataset] if source.pairs else []))
        for each in datasets.reads(_builder(name, source, prepared_dir), data_dir)
    ]


def write_sources(
    folder: Path,
    data: DataSettings,
    labels: Labels,
    data_dir: str | Path,
    prepared_dir: Path,
    afresh: bool = False,
) -> dict[str, Any]:
    """Prepares every source and writes all examples as records, images still encoded.

    Args:
        folder: Gets ``Split-train``, ``Split-validation``, ``Split-test`` (empty where no source has
            one) and, where sources bring pairs, ``Split-pairs``.
        data: The sources.
        labels: What examples carry, by feature.
        data_dir: Folder with what the user downloaded; empty for none.
        prepared_dir: Folder for prepared TFDS datasets.
        afresh: Whether to prepare again what was prepared of the same files.

    Returns:
        {"labels": {feature: {"kind", "names"}}, "sources": their datasets' names,
        with "_2" and so on where a dataset comes again, "versions": their datasets' names, configs and
        versions, "num_identities": people trained on, "num_examples": {split: count}, "num_pairs":
        count, "left_out": what the sources' folders hold and datasets do not, a list of {"source",
        "reason", "count", "names" (the first)}, "digest": of all that was written}.

    Raises:
        FileNotFoundError: If files that the user must download are missing.
        ValueError: If a dataset, split, feature or label is unknown.
    """
    prepared = _Prepared(data_dir, prepared_dir, afresh)
    builders = [prepared(source.dataset, source) for source in data.sources]
    identities, num_identities = assign_identities(builders, data.sources)
    labels = with_names(builders, data.sources, labels)
    clips = data.frames > 0

    def examples(split: str) -> Iterator[dict[str, Any]]:
        for index, (builder, source) in enumerate(zip(builders, data.sources, strict=True)):
            if split in source.splits:
                own = read_source(builder, source.splits[split], source, labels, clips)
                yield from to_global(own, index, identities)

    counts = {}
    for split in spec.SPLITS:
        total = sum(
            num_examples(builder, source.splits[split], source)
            for builder, source in zip(builders, data.sources, strict=True)
            if split in source.splits
        )
        written = progress(examples(split), f"{split} examples written", total)
        counts[split] = records.write_examples(written, folder / f"Split-{split}", further(labels), clips)
    num_pairs = 0
    if any(source.pairs for source in data.sources):
        num_pairs = records.write_pairs(_pairs(data, prepared), folder / "Split-pairs")
    return {
        "labels": {feature: dataclasses.asdict(label) for feature, label in labels.items()},
        "sources": _names(data.sources),
        "versions": [*map(_version, builders, data.sources)],
        "num_identities": num_identities,
        "num_examples": counts,
        "num_pairs": num_pairs,
        "digest": _digest(folder),
        listing.LEFT_OUT: [
            {"source": name, **each}
            for name, builder in zip(_names(data.sources), builders, strict=True)
            for each in (builder.info.metadata or {}).get(listing.LEFT_OUT, ())
        ],
    }


def _version(builder: tfds.core.DatasetBuilder, source: SourceSettings) -> str:
    """The dataset's name and version, with how many images of its training splits are generated."""
    counts = (builder.info.metadata or {}).get(knowledge.NUM_GENERATED, {})
    parts = source.splits.get(spec.TRAIN, "").split("+")
    splits = {part.partition("[")[0].strip() for part in parts} & set(builder.info.splits)
    total = sum(builder.info.splits[split].num_examples for split in splits)
    generated = sum(counts.get(split, 0) for split in splits)
    return knowledge.with_generated(builder.info.full_name, generated, total)


def _names(sources: Sequence[SourceSettings]) -> list[str]:
    datasets = [source.dataset for source in sources]
    counts = [datasets[: index + 1].count(dataset) for index, dataset in enumerate(datasets)]
    return [
        dataset if count == 1 else f"{dataset}_{count}"
        for dataset, count in zip(datasets, counts, strict=True)
    ]


def decode_source(
    builder: tfds.core.DatasetBuilder,
    split: str,
    source: SourceSettings,
    data: DataSettings,
    labels: Labels,
    cache_dir: str | Path,
) -> Decoded:
    """Examples of a prepared dataset, ready for the network, without any pipeline.

    They are decoded into a folder of their own in `cache_dir`, and taken from there the next time.
    Identities are numbered over all of the source's splits, so those of two calls agree.

    Args:
        builder: A prepared dataset.
        split: kfer's name of the split, a key of `source.splits`.
        source: Says how its splits, features and labels are named, and how images are cropped.
        data: The size and channels of images.
        labels: What examples carry, by feature.
        cache_dir: Folder for decoded examples.

    Raises:
        ValueError: If a split, feature or label is unknown, or more images than
            `data.max_bad_image_share` do not decode.
    """
    if data.frames:
        raise ValueError("clips (data.frames) come from a pipeline's Transform, not from decode_source")
    own = source.splits[split]
    labels = with_names([builder], [source], labels)
    asked = (builder.info.full_name, own, source, labels, data.image_size, data.channels)
    prepared = Path(builder.data_dir) / "dataset_info.json"
    what = (builder.data_dir, prepared.stat().st_mtime_ns, source_code.digest(Path(__file__)))
    name = f"{builder.name}-{split}-{_short(asked)}"
    folder = Path(cache_dir) / f"{name}-{_short(what)}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(folder.with_name(f".{name}.lock")):
        if not (folder / "images.npy").exists():
            _decode(builder, own, source, data, labels, folder)
        files.hold(folder)
        for other in folder.parent.glob(f"{glob.escape(name)}-*"):
            # Of what was prepared before, or decoded by other code.
            if other != folder:
                files.remove_unused(other)
    return load_decoded(folder, data.memory_budget_gb)


def _builder(name: str, source: SourceSettings, prepared_dir: Path) -> tfds.core.DatasetBuilder:
    is_same = name.partition("/")[0] == source.dataset.partition("/")[0]
    return datasets.builder(name, prepared_dir, **(source.arguments if is_same else {}))


def _short(asked: object) -> str:
    return hashlib.sha256(repr(asked).encode()).hexdigest()[:16]


def _decode(
    builder: tfds.core.DatasetBuilder,
    own: str,
    source: SourceSettings,
    data: DataSettings,
    labels: Labels,
    folder: Path,
) -> None:
    """Writes the examples of a dataset's own split, decoded, into a folder."""
    identities, _ = assign_identities([builder], [source])
    others = further(labels)
    examples = tf.data.Dataset.from_generator(
        lambda: to_global(read_source(builder, own, source, labels), 0, identities),
        output_signature={
            spec.IMAGE: tf.TensorSpec([], tf.string),
            spec.EXPRESSION: tf.TensorSpec([], tf.int64),
            spec.IDENTITY: tf.TensorSpec([], tf.int64),
            spec.SOURCE: tf.TensorSpec([], tf.int64),
            spec.FILENAME: tf.TensorSpec([], tf.string),
            **{
                feature: tf.TensorSpec([], tf.int64)
                if label.is_integer
                else tf.TensorSpec([len(label.names)], tf.float32)
                for feature, label in others.items()
            },
        },
    )
    count = num_examples(builder, own, source)
    crops = (source.crop,)
    bad = write_decoded(folder, examples, data.image_size, data.channels, crops, count, others)
    if bad > data.max_bad_image_share * count:
        (folder / "images.npy").unlink()
        raise ValueError(
            f"{bad} of {count} images of {builder.info.full_name} do not decode; at most "
            f"{data.max_bad_image_share:.0%} may (DataSettings.max_bad_image_share)"
        )


class _Prepared:
    """Prepares datasets, each once: what is a source twice is read as it was the first time."""

    def __init__(self, data_dir: str | Path, prepared_dir: Path, afresh: bool) -> None:
        self._data_dir, self._prepared_dir, self._afresh = data_dir, prepared_dir, afresh
        self._builders: dict[tuple[object, ...], tfds.core.DatasetBuilder] = {}

    def __call__(self, name: str, source: SourceSettings) -> tfds.core.DatasetBuilder:
        builder = _builder(name, source, self._prepared_dir)
        asked = (builder.data_dir, repr(sorted(source.arguments.items())))
        if asked not in self._builders:
            datasets.prepare(builder, self._data_dir, self._afresh)
            self._builders[asked] = builder
        return self._builders[asked]


def _digest(folder: Path) -> str:
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            found.update(path.relative_to(folder).as_posix().encode())
            with path.open("rb") as file:
                found.update(hashlib.file_digest(file, "sha256").digest())
    return found.hexdigest()


def _pairs(data: DataSettings, prepared: _Prepared) -> Iterator[dict[str, Any]]:
    for index, source in enumerate(data.sources):
        if source.pairs:
            builder = prepared(source.pairs_dataset, source)
            for split in source.pairs:
                total = num_examples(builder, split, source)
                pairs = progress(read_pairs(builder, split, source), f"pairs of {split} written", total)
                for pair in pairs:
                    yield {**pair, spec.SOURCE: index}

"""From dataset names to records for a pipeline, or straight to decoded examples without one."""

import dataclasses
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf
import tensorflow_datasets as tfds

from kfer import datasets, listing, spec
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


def write_sources(
    folder: Path, data: DataSettings, labels: Labels, data_dir: str | Path, prepared_dir: Path
) -> dict[str, Any]:
    """Prepares every source and writes all examples as records, images still encoded.

    Args:
        folder: Gets ``Split-train``, ``Split-validation``, ``Split-test`` (empty where no source has
            one) and, where sources bring pairs, ``Split-pairs``.
        data: The sources.
        labels: What examples carry, by feature.
        data_dir: Folder with what the user downloaded; empty for none.
        prepared_dir: Folder for prepared TFDS datasets.

    Returns:
        {"labels": {feature: {"kind", "names"}}, "sources": their datasets' names,
        with "_2" and so on where a dataset comes again, "versions": their datasets' names, configs and
        versions, "num_identities": people trained on, "num_examples": {split: count}, "num_pairs":
        count, "left_out": what the sources' folders hold and datasets do not, a list of {"source",
        "reason", "count", "names" (the first)}}.

    Raises:
        FileNotFoundError: If files that the user must download are missing.
        ValueError: If a dataset, split, feature or label is unknown.
    """
    builders = [_prepared(source.dataset, source, data_dir, prepared_dir) for source in data.sources]
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
        num_pairs = records.write_pairs(_pairs(data, data_dir, prepared_dir), folder / "Split-pairs")
    return {
        "labels": {feature: dataclasses.asdict(label) for feature, label in labels.items()},
        "sources": _names(data.sources),
        "versions": [builder.info.full_name for builder in builders],
        "num_identities": num_identities,
        "num_examples": counts,
        "num_pairs": num_pairs,
        listing.LEFT_OUT: [
            {"source": name, **each}
            for name, builder in zip(_names(data.sources), builders, strict=True)
            for each in (builder.info.metadata or {}).get(listing.LEFT_OUT, ())
        ],
    }


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
    asked = (builder.data_dir, own, source, labels, data.image_size, data.channels)
    digest = hashlib.sha256(repr(asked).encode()).hexdigest()[:16]
    folder = Path(cache_dir) / f"{builder.name}-{split}-{digest}"
    if not (folder / "images.npy").exists():
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
        crops = (source.central_crop,)
        bad = write_decoded(folder, examples, data.image_size, data.channels, crops, count, others)
        if bad > data.max_bad_image_share * count:
            (folder / "images.npy").unlink()
            raise ValueError(
                f"{bad} of {count} images of {builder.info.full_name} do not decode; at most "
                f"{data.max_bad_image_share:.0%} may (DataSettings.max_bad_image_share)"
            )
    return load_decoded(folder, data.memory_budget_gb)


def _prepared(
    name: str, source: SourceSettings, data_dir: str | Path, prepared_dir: Path
) -> tfds.core.DatasetBuilder:
    is_same = name.partition("/")[0] == source.dataset.partition("/")[0]
    builder = datasets.builder(name, prepared_dir, **(source.arguments if is_same else {}))
    datasets.prepare(builder, data_dir)
    return builder


def _pairs(data: DataSettings, data_dir: str | Path, prepared_dir: Path) -> Iterator[dict[str, Any]]:
    for index, source in enumerate(data.sources):
        if source.pairs:
            builder = _prepared(source.pairs_dataset, source, data_dir, prepared_dir)
            for split in source.pairs:
                total = num_examples(builder, split, source)
                pairs = progress(read_pairs(builder, split, source), f"pairs of {split} written", total)
                for pair in pairs:
                    yield {**pair, spec.SOURCE: index}

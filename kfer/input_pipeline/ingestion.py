"""From dataset names to records for a pipeline, or straight to decoded examples without one."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf
import tensorflow_datasets as tfds

from kfer import datasets, spec
from kfer.input_pipeline import records
from kfer.input_pipeline.decoded import Decoded, load_decoded, write_decoded
from kfer.input_pipeline.sources import (
    assign_identities,
    num_examples,
    read_pairs,
    read_source,
    to_global,
)
from kfer.progress import progress
from kfer.settings import DataSettings, SourceSettings


def write_sources(
    folder: Path, data: DataSettings, data_dir: str | Path, prepared_dir: Path
) -> dict[str, Any]:
    """Prepares every source and writes all examples as records, images still encoded.

    Args:
        folder: Gets ``Split-train``, ``Split-validation``, ``Split-test`` (empty where no source has
            one) and, where sources bring pairs, ``Split-pairs``.
        data: The sources and the expressions.
        data_dir: Folder with what the user downloaded; empty for none.
        prepared_dir: Folder for prepared TFDS datasets.

    Returns:
        {"expressions": names, "sources": names, "num_identities": people trained on, "num_examples":
        {split: count}, "num_pairs": count}.

    Raises:
        FileNotFoundError: If files that the user must download are missing.
        ValueError: If a dataset, split, feature or label is unknown.
    """
    builders = [_prepared(source.dataset, source, data_dir, prepared_dir) for source in data.sources]
    identities, num_identities = assign_identities(builders, data.sources)

    def examples(split: str) -> Iterator[dict[str, Any]]:
        for index, (builder, source) in enumerate(zip(builders, data.sources, strict=True)):
            if split in source.splits:
                own = read_source(builder, source.splits[split], source, data.expressions)
                yield from to_global(own, index, identities)

    counts = {}
    for split in spec.SPLITS:
        total = sum(
            num_examples(builder, source.splits[split], source)
            for builder, source in zip(builders, data.sources, strict=True)
            if split in source.splits
        )
        written = progress(examples(split), f"{split} examples written", total)
        counts[split] = records.write_examples(written, folder / f"Split-{split}")
    num_pairs = 0
    if any(source.pairs for source in data.sources):
        num_pairs = records.write_pairs(_pairs(data, data_dir, prepared_dir), folder / "Split-pairs")
    return {
        "expressions": list(data.expressions),
        "sources": [source.dataset for source in data.sources],
        "num_identities": num_identities,
        "num_examples": counts,
        "num_pairs": num_pairs,
    }


def decode_source(
    builder: tfds.core.DatasetBuilder,
    split: str,
    source: SourceSettings,
    data: DataSettings,
    cache_dir: str | Path,
) -> Decoded:
    """Examples of a prepared dataset, ready for the network, without any pipeline.

    They are decoded into a folder of their own in `cache_dir`, and taken from there the next time.
    Identities are numbered over all of the source's splits, so those of two calls agree.

    Args:
        builder: A prepared dataset.
        split: kfer's name of the split, a key of `source.splits`.
        source: Says how its splits, features and labels are named, and how images are cropped.
        data: The expressions, and the size and channels of images.
        cache_dir: Folder for decoded examples.

    Raises:
        ValueError: If a split, feature or label is unknown, or more images than
            `data.max_bad_image_share` do not decode.
    """
    own = source.splits[split]
    asked = (builder.data_dir, own, source, data.expressions, data.image_size, data.channels)
    digest = hashlib.sha256(repr(asked).encode()).hexdigest()[:16]
    folder = Path(cache_dir) / f"{builder.name}-{split}-{digest}"
    if not (folder / "images.npy").exists():
        identities, _ = assign_identities([builder], [source])
        examples = tf.data.Dataset.from_generator(
            lambda: to_global(read_source(builder, own, source, data.expressions), 0, identities),
            output_signature={
                spec.IMAGE: tf.TensorSpec([], tf.string),
                spec.EXPRESSION: tf.TensorSpec([], tf.int64),
                spec.IDENTITY: tf.TensorSpec([], tf.int64),
                spec.SOURCE: tf.TensorSpec([], tf.int64),
                spec.FILENAME: tf.TensorSpec([], tf.string),
            },
        )
        count = num_examples(builder, own, source)
        crops = (source.central_crop,)
        bad = write_decoded(folder, examples, data.image_size, data.channels, crops, count)
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

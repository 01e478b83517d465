"""ExampleGen: datasets to examples of one form, split into train, validation, test and pairs."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kfer.pipeline.artifacts import Examples
from kfer.pipeline.component import Output, component
from kfer.settings import DataSettings, LabelSettings

_DEPTH = 3


def _raw_data(values: Mapping[str, Any]) -> str:
    """Names, sizes and times of what lies in the data folder and in sources' paths, to a fixed depth.

    A deeper file that is added or removed shows in its folder's time; one that is overwritten in place
    does not.
    """
    roots = [values["data_dir"]] + [
        str(value)
        for source in values["data"].sources
        for value in source.arguments.values()
        if isinstance(value, str) and Path(value).exists()
    ]
    return "\n".join(line for root in roots if root for line in _looked_at(Path(root)))


def _looked_at(root: Path) -> Iterator[str]:
    if root.is_dir():
        yield from _entries(str(root), _DEPTH)
    else:
        status = root.stat()
        yield f"{root} {status.st_size} {status.st_mtime_ns}"


def _entries(folder: str, depth: int) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            status = entry.stat()
            yield f"{entry.path} {status.st_size} {status.st_mtime_ns}"
            if depth > 1 and entry.is_dir():
                yield from _entries(entry.path, depth - 1)


@component(fingerprint=_raw_data)
def example_gen(
    examples: Output[Examples],
    data: DataSettings,
    labels: Mapping[str, LabelSettings],
    data_dir: str,
    prepared_dir: str,
) -> str:
    """Prepares every source as a TFDS dataset and writes its examples, images still encoded."""
    from kfer import input_pipeline

    facts = input_pipeline.write_sources(examples.path, data, labels, data_dir, Path(prepared_dir))
    examples.write_labels(facts)
    counts = ", ".join(f"{count:,} {split}" for split, count in facts["num_examples"].items())
    return f"{counts} examples, {facts['num_pairs']:,} pairs, {facts['num_identities']:,} people"

"""ExampleGen: datasets to examples of one form, split into train, validation, test and pairs."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kfer import files, fingerprints, source_code
from kfer.fingerprints import Read
from kfer.pipeline.artifacts import Examples
from kfer.pipeline.component import Afresh, Output, component
from kfer.pipeline.metadata import canonical_json, plain
from kfer.settings import DataSettings, LabelSettings

_ASKED = ".reads"


def _sources(values: Mapping[str, Any]) -> str:
    """The fingerprint of all that is read of the sources.

    Only builders know what they read, and to import them takes longer than a cached run may. They are
    asked once, and again when anything of what they said, or the code, has changed.
    """
    data, data_dir, prepared_dir = values["data"], values["data_dir"], Path(values["prepared_dir"])
    of = [plain(data.sources), data_dir, str(Path.cwd()), source_code.digest(Path(__file__))]
    name = hashlib.sha256(canonical_json(of).encode()).hexdigest()[:16]
    file = prepared_dir / _ASKED / f"{name}.json"
    if file.exists():
        try:
            known = files.read_json(file)
            digest = fingerprints.take(Read.of(each) for each in known["reads"]).digest
            if digest == known["digest"]:
                return digest
        except (OSError, ValueError, KeyError, TypeError):
            pass  # The builders are asked again.
    from kfer import input_pipeline

    reads = input_pipeline.reads(data, data_dir, prepared_dir)
    digest = fingerprints.take(reads).digest
    file.parent.mkdir(parents=True, exist_ok=True)
    files.write_json(file, {"digest": digest, "reads": [plain(each) for each in reads]})
    return digest


@component(fingerprint=_sources)
def example_gen(
    examples: Output[Examples],
    data: DataSettings,
    labels: Mapping[str, LabelSettings],
    data_dir: str,
    prepared_dir: str,
    afresh: Afresh,
) -> str:
    """Prepares every source as a TFDS dataset and writes its examples, images still encoded."""
    from kfer import input_pipeline

    facts = input_pipeline.write_sources(
        examples.path, data, labels, data_dir, Path(prepared_dir), afresh
    )
    examples.write_labels(facts)
    counts = ", ".join(f"{count:,} {split}" for split, count in facts["num_examples"].items())
    return f"{counts} examples, {facts['num_pairs']:,} pairs, {facts['num_identities']:,} people"

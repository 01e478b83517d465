"""Whose a folder of results is: `study.json`."""

from pathlib import Path

from kfer import files
from kfer.documents.fields import Name
from kfer.documents.reading import Document, read

_STUDY = "study.json"
_ADVICE = "restore it from a copy, or give another --output-dir"


class Claim(Document):
    """`study.json`: the study that a folder belongs to."""

    name: Name


def claim(output_dir: Path, kind: str, name: str) -> None:
    """Makes a folder of results the own one of a study; it is made where it is missing.

    Args:
        output_dir: The folder.
        kind: What sort of study it is, for the error's words.
        name: The study's name.

    Raises:
        ValueError: The folder is another one's, or what says whose it is is damaged.
    """
    path = output_dir / _STUDY
    output_dir.mkdir(parents=True, exist_ok=True)
    with files.locked(output_dir):
        if not path.exists():
            files.write_json(path, {"name": name})
    found = read(path, Claim, _ADVICE).name
    if found != name:
        raise ValueError(
            f"{output_dir} holds the {kind} {found!r}, this one is {name!r}: give another --output-dir"
        )

"""Whether the files of an export are those that its description lists."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from kfer.documents.models import PushedFile
from kfer.files import DamagedError

# What TensorFlow reads of a SavedModel's folder.
_OF_SAVED_MODEL = ("saved_model.pb", "saved_model.pbtxt", "saved_model.cpb", "fingerprint.pb")
_FOLDERS_OF_SAVED_MODEL = ("variables", "assets")


def names_of(export: Path) -> list[str]:
    """Returns the names, within its folder, of the files that native code reads of an export.

    Args:
        export: The `.tflite` file, or the folder of the SavedModel.
    """
    if not export.is_dir():
        return [export.name]
    found = [export / name for name in _OF_SAVED_MODEL]
    found += [file for name in _FOLDERS_OF_SAVED_MODEL for file in (export / name).rglob("*")]
    return sorted(file.relative_to(export).as_posix() for file in found if file.is_file())


def check(export: Path, known: Mapping[str, PushedFile], described_by: str, advice: str) -> bool:
    """Compares the files of an export with what is known of them, before native code sees them.

    Args:
        export: The `.tflite` file, or the folder of the SavedModel.
        known: The digest and size of each file by its name in the export's folder.
        described_by: The name of the file that says so.
        advice: What the user can do.

    Returns:
        Whether it is known: False where no file of it is listed.

    Raises:
        DamagedError: A file has changed, is missing, or is not listed beside others that are.
    """
    folder = export if export.is_dir() else export.parent
    names = names_of(export)
    listed = [name for name in known if export.is_dir() and _is_of_saved_model(name)]
    listed += [export.name] if export.name in known and not export.is_dir() else []
    if not listed:
        return False
    for name in dict.fromkeys([*listed, *names]):
        if name not in known:
            raise DamagedError(
                f"{folder / name} is not among the files that {described_by} lists: {advice}"
            )
        _compare(folder / name, known[name], described_by, advice)
    return True


def _is_of_saved_model(name: str) -> bool:
    return name in _OF_SAVED_MODEL or name.partition("/")[0] in _FOLDERS_OF_SAVED_MODEL


def _compare(file: Path, known: PushedFile, described_by: str, advice: str) -> None:
    if not file.is_file():
        raise DamagedError(f"{file} is missing, which {described_by} lists: {advice}")
    size = file.stat().st_size
    if size == known.bytes:
        with file.open("rb") as content:
            if hashlib.file_digest(content, "sha256").hexdigest() == known.sha256:
                return
    told = "its SHA-256" if size == known.bytes else f"its size of {size:,} bytes"
    raise DamagedError(
        f"{file} is damaged, or of another model: {told} is not that in {described_by}: {advice}"
    )

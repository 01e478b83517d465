"""What mobile developers get: one ZIP of a pushed model, without what only servers need."""

import zipfile
from pathlib import Path

from kfer.files import check_new, replacing

# A SavedModel's own.
_OF_SERVERS = ("saved_model.pb", "fingerprint.pb", "variables", "assets", "assets.extra")
# Of every file, so that the same model gives the same bytes.
_DATE = (1980, 1, 1, 0, 0, 0)


def write_bundle(model: Path, path: Path) -> None:
    """Writes the ZIP, all at once.

    Args:
        model: The folder of a model that was pushed.
        path: The ZIP. In it all lies in a folder named as the model and its version.

    Raises:
        FileExistsError: Something is at the path.
        ValueError: The path does not end in ".zip".
        FileNotFoundError: The folder has no model.json, or no TFLite file.
        DiskFullError: There is no room; nothing is left of the ZIP.
        OSError: The ZIP cannot be written; likewise.
    """
    check_new(path, ".zip")
    if not (model / "model.json").is_file() or not list(model.glob("*.tflite")):
        raise FileNotFoundError(f"{model} is no pushed model with TFLite files and a model.json")
    files = [
        file
        for file in sorted(model.rglob("*"))
        if file.is_file() and file.relative_to(model).parts[0] not in _OF_SERVERS
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as new, zipfile.ZipFile(new, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            name = Path(f"{model.parent.name}-{model.name}", file.relative_to(model)).as_posix()
            entry = zipfile.ZipInfo(name, _DATE)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, file.read_bytes())

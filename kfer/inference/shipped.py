"""The models that ship with kfer.

In a checkout they lie in its saved_models/; a wheel has them inside the package (setup.py).
"""

from importlib import resources
from pathlib import Path

#: The versions that ship. The first one is the default model.
VERSIONS = ("faces/1", "faces_small/1")
#: What their users are told of where they come from.
ORIGIN = "shipped with kfer"
#: The export that they answer with by default: the only one in a wheel.
VARIANT = "int8"


def folder() -> Path:
    """Returns the folder of the shipped models; it may be missing."""
    package = Path(str(resources.files("kfer")))
    return package / "saved_models" if is_packaged() else package.parent / "saved_models"


def is_packaged() -> bool:
    """Returns whether the models are part of an installed package, which is not the user's to change."""
    return (Path(str(resources.files("kfer"))) / "saved_models").is_dir()


def versions() -> list[Path]:
    """Returns the folders of the shipped versions that are there, the default first."""
    return [place for place in map(folder().joinpath, VERSIONS) if (place / "model.json").is_file()]


def is_shipped(version: Path) -> bool:
    """Returns whether a version's folder is that of a shipped model, or a checkout's copy of it."""
    return any(_is_same(version.resolve(), each.resolve()) for each in versions())


def _is_same(version: Path, one: Path) -> bool:
    if version == one:
        return True
    # A package that was installed from a checkout has the models a second time.
    description = version / "model.json"
    return (
        version.parts[-2:] == one.parts[-2:]
        and description.is_file()
        and description.read_bytes() == (one / "model.json").read_bytes()
    )

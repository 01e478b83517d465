"""What `generator.json` says of a generator on disk."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kfer import documents, spec
from kfer.documents.models import GeneratorDescription, PushedFile
from kfer.listing import is_hidden

#: Where pipelines push to, below the folder that they run in.
FOLDER = Path("saved_models")
#: Of a version's folder: what describes it, and what LiteRT runs.
FILE, TFLITE = "generator.json", "generator.tflite"
#: What describes a network that reads faces.
OF_READERS = "model.json"
#: What to do about a generator that is damaged.
ADVICE = "copy the generator's whole folder again"
_NO_GENERATOR = "`python -m kfer.generation SETTINGS --data-dir DIR` trains one and pushes it there"


@dataclass(frozen=True)
class Description:
    """A generator that was exported.

    Attributes:
        place: The version's folder, whose SavedModel draws, or the `.tflite` file that does.
        name: What it is called.
        image_size: Height and width of its images in pixels.
        channels: Of its images: 1, grey, or 3, RGB.
        noise_size: Numbers of noise that an image is drawn from.
        classes: By condition, such as "expression", the names of its classes in their order.
        digest: Of its weights: that of no other generator, and of both of its exports.
        files: By their path in the version's folder, the digest and size of each file.
    """

    place: Path
    name: str
    image_size: int
    channels: int
    noise_size: int
    classes: Mapping[str, tuple[str, ...]]
    digest: str
    files: Mapping[str, PushedFile]

    @property
    def expressions(self) -> tuple[str, ...]:
        """The expressions that it can be told; empty where it is told none."""
        return self.classes.get(spec.EXPRESSION, ())

    def marks(self, seed: int) -> dict[str, str]:
        """Returns what a file with an image says of itself, that nobody takes it for a photograph."""
        return {
            "generated": "true",
            "Software": "kfer",
            "generator": self.name,
            "digest": self.digest,
            "seed": str(seed),
        }

    def check_condition(self, condition: str) -> None:
        """Checks that the generator is told this of what it draws.

        Raises:
            ValueError: It is not.
        """
        if condition not in self.classes:
            raise ValueError(
                f"the generator {self.name} is told {' and '.join(self.classes)} alone, no {condition}"
            )

    def check_class(self, condition: str, name: str) -> int:
        """Returns the number of a class.

        Raises:
            ValueError: The generator is told no such condition, or knows no such class.
        """
        self.check_condition(condition)
        known = self.classes[condition]
        if name not in known:
            lowered = {each.lower(): each for each in known}
            near = difflib.get_close_matches(str(name).lower(), lowered, n=1)
            suggestion = f". Did you mean {lowered[near[0]]!r}?" if near else ""
            raise ValueError(
                f"{condition} is {name!r}; the generator {self.name} draws {', '.join(known)}{suggestion}"
            )
        return known.index(name)


def find(generator: Path | str | None = None, folder: Path = FOLDER) -> Path:
    """Returns the place of a generator, as `read` and `load` take it.

    Args:
        generator: A path, or a name in `folder` ("faces_gan", or "faces_gan/2" for that version); None
            for the version that was pushed last of all in `folder`.
        folder: Where generators are pushed to.

    Raises:
        FileNotFoundError: There is none.
    """
    pushed = [
        path
        for path in folder.glob(f"*/*/{FILE}")
        if path.parent.name.isdecimal() and not is_hidden(path.parents[1].name)
    ]
    if generator is None:
        if not pushed:
            raise FileNotFoundError(f"there is no generator in {folder}: {_NO_GENERATOR}")
        newest = max(pushed, key=lambda path: (path.stat().st_mtime_ns, int(path.parent.name)))
        return newest.parent
    path = Path(generator)
    if not path.exists() and not path.is_absolute() and (folder / path).exists():
        return folder / path
    if not path.exists():
        known = ", ".join(sorted({each.parent.parent.name for each in pushed}))
        raise FileNotFoundError(
            f"there is no generator {str(generator)!r}, neither as a path nor in {folder}"
            + (f", which has {known}" if known else f"; {_NO_GENERATOR}")
        )
    return path


def read(path: Path | str) -> Description:
    """Returns what is known of a generator, without loading it.

    Args:
        path: The folder of a version, or of a generator's versions, of which the newest is taken; or the
            `.tflite` file in a version's folder.

    Raises:
        FileNotFoundError: There is nothing at this path.
        ValueError: What is there is no generator, or what describes it is damaged.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no generator at {path}")
    if path.is_dir() and not (path / FILE).is_file():
        path = _newest_version(path)
    folder = path if path.is_dir() else path.parent
    if not (folder / FILE).is_file():
        if any(file.is_file() for file in (folder / OF_READERS, *folder.glob(f"*/{OF_READERS}"))):
            raise ValueError(f"{path} is a network that reads faces; `kfer analyze` takes it")
        raise ValueError(f"{path} is no generator: expected a {FILE} in {folder}, as an export writes it")
    file = folder / FILE
    content = documents.read(file, GeneratorDescription, ADVICE)
    return Description(
        place=path,
        name=content.name,
        image_size=content.image_size,
        channels=content.channels,
        noise_size=content.noise_size,
        classes={condition: tuple(names) for condition, names in content.classes.items()},
        digest=content.weights,
        files=content.files,
    )


def _newest_version(path: Path) -> Path:
    versions = [file.parent for file in path.glob(f"*/{FILE}") if file.parent.name.isdecimal()]
    return max(versions, key=lambda version: int(version.name), default=path)

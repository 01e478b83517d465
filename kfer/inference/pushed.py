"""The models that were pushed or ship with kfer: which one answers, and what is known of it."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kfer import knowledge, spec
from kfer.documents.models import ModelDescription
from kfer.files import DamagedError
from kfer.inference import shipped, thresholds
from kfer.inference.alignment import Crop
from kfer.inference.proof import DESCRIPTION, description
from kfer.inference.streaming import STEP_FILE
from kfer.inference.thresholds import Threshold
from kfer.listing import is_hidden

#: Where pipelines push to, below the folder that they run in.
FOLDER = Path("saved_models")
#: The environment variable that names the default model.
VARIABLE = "KFER_MODEL"
# Of a generator, which reads no faces and has a SavedModel too.
_OF_GENERATORS = "generator.json"
_SAVED_MODEL = "saved_model.pb"
# What is run of a version where nothing is asked for: exact, and without TensorFlow's start.
_PREFERRED = ("float32", "float16", "int8", "dynamic_range")
#: What to do where there is none.
NO_MODEL = (
    "`python -m kfer.pipeline SETTINGS --data-dir DIR` trains one and pushes it there where it is good "
    "enough"
)


@dataclass(frozen=True)
class Model:
    """An exported model on disk.

    Attributes:
        path: The `.tflite` file or the folder of the SavedModel.
        name: What it is called, with its version where it has one: "fer2013_lfw/2".
        fingerprint: The same of every export of the same weights, so that their embeddings can be
            compared; of no others.
        tasks: By name, the "kind" of each output but the embedding and the "names" of its numbers.
        thresholds: Those that `kfer calibrate` found on its user's pairs, and the one that the Evaluator
            chose; the first is taken where nobody asks for another.
        crop: What of a face's surroundings its training images show.
        image_size: Height and width of its input in pixels; None where nothing says so.
        clip_frames: Frames of the clips that it was trained on; 0 where it takes images.
        trained_on: The share of each kind of training images, "photographs", "drawn" or "generated";
            empty where it is unknown.
        origin: Where it was found, in words: "shipped with kfer"; empty where nobody searched.
    """

    path: Path
    name: str
    fingerprint: str
    tasks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    thresholds: tuple[Threshold, ...] = ()
    crop: Crop = field(default_factory=Crop)
    image_size: int | None = None
    clip_frames: int = 0
    trained_on: Mapping[str, float] = field(default_factory=dict)
    origin: str = field(default="", compare=False)

    @property
    def export(self) -> str:
        """The name of the export: "int8" of int8.tflite, or "saved_model"."""
        return "saved_model" if self.path.is_dir() else self.path.stem

    @property
    def told(self) -> str:
        """The line that answers begin with: "faces/1 (int8), shipped with kfer"."""
        named = self.name if self.name == self.path.name else f"{self.name} ({self.export})"
        return f"{named}, {self.origin}" if self.origin else named

    @property
    def folder(self) -> Path:
        """Where it is, and what describes it."""
        return self.path if self.path.is_dir() else self.path.parent

    @property
    def expressions(self) -> tuple[str, ...]:
        """The names of the expressions in the order of their probabilities; empty where unknown."""
        return tuple(self.tasks.get(spec.EXPRESSION, {}).get("names", ()))

    @property
    def saved_model(self) -> Path | None:
        """The folder of the SavedModel: itself, or what lies beside it in its version's folder."""
        return self.folder if (self.folder / _SAVED_MODEL).is_file() else None

    @property
    def warning(self) -> str | None:
        """What must be said with its answers; None where its training images were photographs alone."""
        return knowledge.warning(self.name, self.trained_on)

    @property
    def threshold(self) -> Threshold | None:
        """The one that is taken where nobody asks for another; None where there is none."""
        return self.thresholds[0] if self.thresholds else None

    def check_output(self, output: str) -> None:
        """Checks that the model has an output, where its description says which it has.

        Args:
            output: "embedding", or the name of another task.

        Raises:
            ValueError: It has others.
        """
        known = {
            spec.EMBEDDING if its.get("kind") == "embedding" else task for task, its in self.tasks.items()
        }
        if known and output not in known:
            raise ValueError(f"{self.name} gives no {output}: its tasks are {', '.join(self.tasks)}")

    def threshold_or(self, similarity: float | None, false_accept_rate: float | None = None) -> Threshold:
        """Returns the threshold that is asked for, or the model's own.

        Args:
            similarity: In [-1, 1]; None where it is not what is asked for.
            false_accept_rate: The rate that a threshold was chosen for, in [0, 1]; None likewise.

        Raises:
            ValueError: There is none, or none that was chosen for this rate.
        """
        if similarity is not None:
            return Threshold(similarity)
        if self.threshold is None:
            raise ValueError(
                f"{self.name} says no threshold: give the similarity, in [-1, 1], from which on two "
                "faces are one person's, or let `kfer calibrate` find it on pairs of pictures"
            )
        if false_accept_rate is None:
            return self.threshold
        for each in self.thresholds:
            if each.chosen_for == false_accept_rate:
                return each
        known = ", ".join(f"{each.chosen_for:g}" for each in self.thresholds if each.chosen_for)
        raise ValueError(
            f"{self.name} has no threshold for a false accept rate of {false_accept_rate:g}, but for "
            f"{known or 'none'}: `kfer calibrate` finds it on pairs of pictures"
        )


def find(model: Path | str | None = None, variant: str | None = None, folder: Path = FOLDER) -> Model:
    """Returns a model by its place or its name, or the default one.

    The default is what the environment variable KFER_MODEL names. Without it, it is the version that was
    pushed last to `folder`, unless none of its training images were photographs; else "faces", which
    ships with kfer. `Model.origin` says which of these it was.

    Args:
        model: A `.tflite` file, a version's folder, the folder of a model's versions, or a name in
            `folder` or of a shipped model, of which the newest version is taken ("faces", or "faces/2"
            for that one); None for the default.
        variant: Which export of a version's folder: "saved_model", or a TFLite file's name without its
            ending; None for float32 or, where there is no such file, what comes nearest. Of shipped
            models None is int8.
        folder: Where models are pushed to.

    Raises:
        FileNotFoundError: There is none, or not this variant of it.
        ValueError: It is a generator, what describes it is damaged, or `variant` comes with a file.
    """
    named = os.environ.get(VARIABLE) if model is None else None
    if model is None and not named:
        version, origin = _default(folder)
        return _described(_export(version, variant), version, origin)
    by_variable = f" ({VARIABLE})" if named else ""
    path = _place(Path(model or named or ""), folder, by_variable)
    if any(file.is_file() for file in _descriptions_of_generators(path)):
        raise ValueError(
            f"{path} is a generator, which draws faces and reads none; `kfer generate` takes it"
        )
    if path.is_file():
        if variant is not None:
            raise ValueError(f"{path} is one export already; it has no variant {variant!r}")
        return _described(path, path.parent, _origin(path.parent, folder) + by_variable)
    version = path if _is_version(path) else _highest(path)
    return _described(_export(version, variant), version, _origin(version, folder) + by_variable)


def _default(folder: Path) -> tuple[Path, str]:
    """The version that answers where nobody names a model, and why it does."""
    own = [version for version in _versions_of_all(folder) if not shipped.is_shipped(version)]
    others, newest = shipped.versions(), max(own, key=_pushed_at, default=None)
    if newest is None and not others:
        raise FileNotFoundError(f"there is no model in {folder}: {NO_MODEL}")
    if newest is None:
        return others[0], shipped.ORIGIN
    described = description(newest)
    kinds = described.kinds if described else {}
    if not others or not kinds or kinds.get(knowledge.PHOTOGRAPHS):
        return newest, f"the last pushed to {folder}"
    passed_over = f"{newest.parent.name}/{newest.name}"
    return others[0], f"{shipped.ORIGIN} ({passed_over}, the last pushed to {folder}, saw no photographs)"


def _place(model: Path, folder: Path, by_variable: str) -> Path:
    """Where a model is that was named by its place or its name."""
    places = [model] if model.is_absolute() else [model, folder / model, shipped.folder() / model]
    there = [place for place in places if place.exists()]
    if not there:
        known = [*_versions_of_all(folder), *shipped.versions()]
        names = ", ".join(sorted({each.parent.name for each in known}))
        raise FileNotFoundError(
            f"there is no model {str(model)!r}{by_variable}, neither as a path nor in {folder}"
            + (f"; there are {names}" if names else f"; {NO_MODEL}")
        )
    # A folder of photographs may have the name of a model.
    return next(filter(_holds_model, there), there[0])


def _holds_model(path: Path) -> bool:
    return (
        path.is_file()
        or _is_version(path)
        or any(file.is_file() for file in _descriptions_of_generators(path))
        or bool(_versions(path))
    )


def _origin(version: Path, folder: Path) -> str:
    if shipped.is_shipped(version):
        return shipped.ORIGIN
    return f"from {folder if version.parent.parent == folder else version}"


def all_models(
    folder: Path | None = None,
) -> tuple[list[tuple[Path, ModelDescription | None]], dict[Path, str]]:
    """Returns the versions in a folder and what describes each, and why others cannot be read.

    Args:
        folder: Where models are pushed to; None for `FOLDER` and the models that ship with kfer.

    Returns:
        The versions, the last that was pushed first and shipped ones last, with None where nothing
        describes one; and by the version, what is wrong with its description.
    """
    found, damaged = [], {}
    versions = sorted(_versions_of_all(folder or FOLDER), key=_pushed_at, reverse=True)
    if folder is None:
        versions = [each for each in versions if not shipped.is_shipped(each)] + shipped.versions()
    for version in versions:
        try:
            found.append((version, description(version)))
        except (DamagedError, OSError) as error:
            damaged[version] = str(error)
    return found, damaged


def _versions_of_all(folder: Path) -> list[Path]:
    return [
        path
        for path in folder.glob("*/*")
        if path.name.isdecimal() and not is_hidden(path.parent.name) and _is_version(path)
    ]


def _is_version(path: Path) -> bool:
    if (path / _OF_GENERATORS).is_file():
        return False
    return (path / DESCRIPTION).is_file() or (path / _SAVED_MODEL).is_file()


def _descriptions_of_generators(path: Path) -> list[Path]:
    """Where one would be, of an export, a version's folder or that of all versions."""
    if path.is_file():
        return [path.with_name(_OF_GENERATORS)]
    return [path / _OF_GENERATORS, *path.glob(f"*/{_OF_GENERATORS}")]


def _pushed_at(version: Path) -> tuple[float, int]:
    described = version / DESCRIPTION
    file = described if described.is_file() else version / _SAVED_MODEL
    return file.stat().st_mtime, int(version.name)


def _highest(path: Path) -> Path:
    """The newest version of a model, by its number."""
    versions = _versions(path)
    if not versions:
        raise FileNotFoundError(f"{path} holds no model: neither {DESCRIPTION} nor versions with one")
    return max(versions, key=lambda version: int(version.name))


def _versions(path: Path) -> list[Path]:
    return [each for each in path.iterdir() if each.name.isdecimal() and _is_version(each)]


def _export(version: Path, variant: str | None) -> Path:
    files = {file.stem: file for file in sorted(version.glob("*.tflite")) if file.name != STEP_FILE}
    if (version / _SAVED_MODEL).is_file():
        files["saved_model"] = version
    if variant is None:
        first = (shipped.VARIANT,) if shipped.is_shipped(version) else ()
        order = (*first, *_PREFERRED, "saved_model")
        variant = next((name for name in order if name in files), None)
    if variant not in files:
        raise FileNotFoundError(
            f"{version} has no export {variant!r}; it has {', '.join(sorted(files)) or 'none'}"
        )
    return files[variant]


def _described(path: Path, folder: Path, origin: str) -> Model:
    found = description(folder)
    if found is None:
        fingerprint = _digest(path)
        known = thresholds.calibrated(folder, fingerprint)
        return Model(path=path, name=path.name, fingerprint=fingerprint, thresholds=known, origin=origin)
    chosen = (thresholds.of_evaluator(found.verification),) if found.verification else ()
    return Model(
        path=path,
        name=f"{found.name}/{folder.name}",
        fingerprint=found.weights,
        tasks={name: each.content() for name, each in found.tasks.items()},
        thresholds=(*thresholds.calibrated(folder, found.weights), *chosen),
        crop=Crop(found.alignment.margin, found.alignment.shift),
        image_size=found.image_size,
        clip_frames=found.clip.frames if found.clip else 0,
        trained_on=found.kinds,
        origin=origin,
    )


def _digest(path: Path) -> str:
    """Of an export that says nothing of its weights: it is taken for the only one that has them."""
    files = sorted(path.rglob("variables/*")) if path.is_dir() else [path]
    digest = hashlib.sha256()
    for each in files:
        with each.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()

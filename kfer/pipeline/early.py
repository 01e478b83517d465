"""What a later component would refuse, found before the first one runs.

Names are looked up in the files of kfer and of Keras, which are read and not imported: a run whose
results are all cached never waits for TensorFlow.
"""

import ast
import functools
import importlib.util
import os
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from kfer import files, fingerprints, public_weights, ranges
from kfer.arguments import nearest
from kfer.fingerprints import Read
from kfer.settings import ModelSettings, PipelineSettings, SourceSettings, active
from kfer.settings.tasks import EMBEDDING, check_loss_arguments

_KFER = Path(__file__).parent.parent
# Of the files of weights that `kfer.pretrained` reads.
_WEIGHTS = (".weights.h5", ".keras", ".pth", ".pt", ".safetensors", ".dat")
_RECIPES = ("imagenet", "imagenet-v2", "dlib")
# Datasets that read all of a folder.
_FOLDERS = ("image_folder", "clip_folder")
# What TFDS's own builders take.
_OF_TFDS = ("config", "version", "file_format")


def check(settings: PipelineSettings, root: Path) -> None:
    """Checks what settings name, and that what they write to can be written.

    Args:
        settings: Of the pipeline.
        root: Of its runs.

    Raises:
        OSError: A file or folder is not there, or cannot be written.
        ValueError: A name is unknown, and the message has the nearest; or a folder that is written
            lies in one that is read.
    """
    check_names(settings)
    for name, task in active(settings.tasks).items():
        for number, teacher in enumerate(task.teachers):
            with _named(f"tasks.{name}.teachers.{number}"):
                files.newest(teacher)
    for name, folder in (("pipeline_root", root), ("serving_dir", Path(settings.serving_dir))):
        _check_writable(folder, name)
        with _named(name):
            fingerprints.check_apart(folder, _own_folders(settings))


def _own_folders(settings: PipelineSettings) -> list[Read]:
    """The user's folders, which are read as datasets."""
    return [
        fingerprints.read(str(source.arguments["path"]), tells=True)
        for source in settings.data.sources
        if source.dataset in _FOLDERS and source.arguments.get("path")
    ]


def check_names(settings: PipelineSettings) -> None:
    """Checks what settings name: datasets, the backbone, losses' arguments and metrics.

    Raises:
        FileNotFoundError: The backbone's file of weights is not there.
        ValueError: A name is unknown; the message has the nearest.
    """
    for number, source in enumerate(settings.data.sources):
        _check_dataset(source, f"data.sources.{number}")
    check_backbone(settings.model, "model")
    for name, task in active(settings.tasks).items():
        with _named(f"tasks.{name}"):
            check_loss_arguments(task)
    check_metrics(settings)


def check_backbone(model: ModelSettings, where: str) -> None:
    """Checks a backbone's name, its arguments' names and its file of weights.

    Raises:
        FileNotFoundError: There is no such file of weights.
        ValueError: A name is unknown.
    """
    name, own, of_keras = model.backbone.lower(), _own_backbones(), _applications()
    known = [*own, *sorted(of_keras.keys() - own.keys())]
    if name not in known:
        raise ValueError(
            f"{where}.backbone: no backbone is called {ranges.shown(model.backbone)}"
            f"{nearest(name, known) or '.'} There are {', '.join(own)} and those of keras.applications"
        )
    parameters = own[name] if name in own else _parameters(*of_keras[name])
    given = {"image_shape", "weights", "include_top", "input_shape", "input_tensor"}
    allowed = [each for each in parameters if each not in given]
    _check_known(model.backbone_arguments, allowed, f"{where}.backbone_arguments", f"the backbone {name}")
    if model.weights is None:
        return
    if model.weights == "dlib":
        with _named(f"{where}.weights"):
            public_weights.dlib()
    if model.weights.endswith(_WEIGHTS):
        if not Path(model.weights).is_file():
            raise FileNotFoundError(f"{where}.weights: there is no file of weights {model.weights}")
    elif model.weights not in _RECIPES and not Path(model.weights).is_file():
        raise ValueError(
            f"{where}.weights must be {', '.join(_RECIPES)} or a file that ends in "
            f"{', '.join(_WEIGHTS)}; got {ranges.shown(model.weights)}"
        )


def check_metrics(settings: PipelineSettings) -> None:
    """Checks the names of the figures that epochs and trials are compared by.

    Raises:
        ValueError: No epoch can have such a figure.
    """
    learned = active(settings.tasks)
    of_validation = [
        f"val_{'verification' if task.kind == EMBEDDING else name}_{metric}"
        for name, task in learned.items()
        for metric in task.validated_by()
    ]
    of_training = ["loss", *(f"{name}_{each}" for name in learned for each in ("loss", "accuracy"))]
    wanted = settings.training.stop_metric
    if wanted and wanted not in (*of_training, *of_validation):
        raise ValueError(
            f"training.stop_metric must be a figure that an epoch has; got {ranges.shown(wanted)}"
            f"{nearest(wanted, [*of_validation, *of_training]) or '.'} There are "
            f"{', '.join([*of_training, *of_validation])}"
        )
    for name in settings.tuning.objective if settings.tuning.trials else ():
        if name not in of_validation:
            raise ValueError(
                f"tuning.objective: expected metrics that trials report; got {ranges.shown(name)}"
                f"{nearest(name, of_validation) or '.'} There are {', '.join(of_validation)}"
            )


def _check_dataset(source: SourceSettings, where: str) -> None:
    for given, field in ((source.dataset, "dataset"), (source.pairs_dataset, "pairs_dataset")):
        name = given.partition("/")[0]
        if given and name not in _datasets() and not _is_of_tfds(name.removeprefix("tfds:")):
            raise ValueError(
                f"{where}.{field}: no dataset of kfer or TFDS is called {ranges.shown(given)}"
                f"{nearest(name, _datasets()) or '.'} Of kfer are {', '.join(sorted(_datasets()))}"
            )
    taken = _datasets().get(source.dataset.partition("/")[0])
    if taken is None:
        return
    _check_known(
        source.arguments,
        list(dict.fromkeys([*taken, *_OF_TFDS])),
        f"{where}.arguments",
        f"the dataset {source.dataset}",
    )
    for name, value in source.arguments.items():
        if taken.get(name) == "int":
            ranges.check_number(value, f"{where}.arguments.{name}", int, "at least 0")


def _check_known(given: Mapping[str, Any], allowed: Collection[str], where: str, what: str) -> None:
    for name in given:
        if name not in allowed and "**" not in allowed:
            raise ValueError(
                f"{where}: {what} has no argument {ranges.shown(name)}{nearest(name, allowed) or '.'} "
                f"It has {', '.join(allowed) or 'none'}"
            )


def _check_writable(folder: Path, name: str) -> None:
    place = folder.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        raise NotADirectoryError(f"{name} must be a folder; {place} is a file")
    if not os.access(place, os.W_OK | os.X_OK):
        raise PermissionError(f"{name}: {place} cannot be written; name another folder")


class _named:  # noqa: N801
    """Names the setting that an error is about."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if isinstance(error, OSError | ValueError):
            raise type(error)(f"{self._name}: {error}") from error


def _modules(package: str) -> Iterator[tuple[str, ast.Module]]:
    """The modules of a package of kfer, by name; where it is loaded, of all folders that it has."""
    loaded = sys.modules.get(f"kfer.{package}")
    for folder in map(Path, getattr(loaded, "__path__", [_KFER / package])):
        for file in sorted(folder.glob("*.py")):
            yield file.stem, ast.parse(file.read_bytes())


@functools.cache
def _own_backbones() -> dict[str, list[str]]:
    """The parameters of each module's function `build`."""
    found = {}
    for name, module in _modules("backbones"):
        builds = [each for each in module.body if isinstance(each, ast.FunctionDef)]
        for each in builds:
            if each.name == "build" and name != "__init__":
                found[name] = _names(each.args)
    return found


@functools.cache
def _datasets() -> dict[str, dict[str, str]]:
    """The parameters of each builder, and of what it is made of, with their annotations."""
    own: dict[str, dict[str, str]] = {}
    needs: dict[str, set[str]] = {}
    builders = []
    for name, module in _modules("datasets"):
        own[name] = {
            argument.arg: ast.unparse(argument.annotation) if argument.annotation else ""
            for each in ast.walk(module)
            if isinstance(each, ast.FunctionDef) and each.name == "__init__"
            for argument in (*each.args.args, *each.args.kwonlyargs)
            if argument.arg not in ("self", "data_dir")
        }
        needs[name] = {
            alias.name
            for each in ast.walk(module)
            if isinstance(each, ast.ImportFrom) and each.module == "kfer.datasets"
            for alias in each.names
        }
        if any(isinstance(each, ast.ClassDef) and _is_builder(each) for each in module.body):
            builders.append(name)
    return {
        name: {key: hint for each in (*needs[name], name) for key, hint in own.get(each, {}).items()}
        for name in builders
    }


def _is_builder(found: ast.ClassDef) -> bool:
    has_info = any(isinstance(each, ast.FunctionDef) and each.name == "_info" for each in found.body)
    return found.name.startswith("Kfer") or (has_info and bool(found.bases))


def _is_of_tfds(name: str) -> bool:
    """Whether TFDS has a dataset; it is asked only about names that are not kfer's."""
    import tensorflow_datasets as tfds

    return name.partition(":")[0] in tfds.list_builders(with_community_datasets=False) or ":" in name


@functools.cache
def _applications() -> dict[str, tuple[str, str]]:
    """The networks of `keras.applications`: module and function by the name in lower case."""
    found = importlib.util.find_spec("keras")
    if found is None or found.origin is None:
        return {}
    module = ast.parse((Path(found.origin).parent / "applications" / "__init__.py").read_bytes())
    return {
        alias.name.lower(): (each.module or "", alias.name)
        for each in ast.walk(module)
        if isinstance(each, ast.ImportFrom)
        for alias in each.names
        if alias.name[:1].isupper()
    }


def _parameters(module: str, function: str) -> list[str]:
    """The parameters of a function of Keras; "**" where they cannot be read."""
    found = importlib.util.find_spec("keras")
    assert found is not None
    assert found.origin is not None
    file = Path(found.origin).parent.parent.joinpath(*module.split(".")).with_suffix(".py")
    for each in ast.parse(file.read_bytes()).body if file.is_file() else ():
        if isinstance(each, ast.FunctionDef) and each.name == function:
            return _names(each.args)
    return ["**"]


def _names(arguments: ast.arguments) -> list[str]:
    names = [each.arg for each in (*arguments.args, *arguments.kwonlyargs)]
    return [*names, "**"] if arguments.kwarg else names

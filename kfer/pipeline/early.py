"""What a later component would refuse, found before the first one runs.

Names are looked up in the files of kfer and of Keras, which are read and not imported: a run whose
results are all cached never waits for TensorFlow.
"""

import ast
import functools
import importlib.util
import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from kfer import files, fingerprints, public_weights, ranges, spec
from kfer.arguments import nearest
from kfer.fingerprints import Read
from kfer.pipeline import declared
from kfer.settings import ModelSettings, PipelineSettings, SourceSettings, active
from kfer.settings.tasks import CLASSES, EMBEDDING, check_loss_arguments

# Of the files of weights that `kfer.pretrained` reads.
_WEIGHTS = (".weights.h5", ".keras", ".pth", ".pt", ".safetensors", ".dat")
_RECIPES = ("imagenet", "imagenet-v2", "dlib")
# Datasets that read all of a folder.
_FOLDERS = ("image_folder", "clip_folder")
# Texts and classes that are no attributes of examples.
_NO_SLICES = (spec.IDENTITY, spec.FILENAME)
# What TFDS's own builders take; a config is part of the dataset's name.
_OF_TFDS = ("version", "file_format")


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
    for name, folder in (("pipeline_root", root), ("serving_dir", Path(settings.serving_dir))):
        _check_writable(folder, name)
        with _named(name):
            fingerprints.check_apart(folder, _own_folders(settings))
    check_names(settings)
    for name, task in active(settings.tasks).items():
        for number, teacher in enumerate(task.teachers):
            with _named(f"tasks.{name}.teachers.{number}"):
                files.newest(teacher)


def _own_folders(settings: PipelineSettings) -> list[Read]:
    """The user's folders, which are read as datasets."""
    return [
        fingerprints.read(str(source.arguments["path"]), tells=True)
        for source in settings.data.sources
        if source.dataset in _FOLDERS and source.arguments.get("path")
    ]


def check_names(settings: PipelineSettings) -> None:
    """Checks what settings name: datasets, features, the backbone, losses' arguments and metrics.

    Raises:
        FileNotFoundError: The backbone's file of weights is not there.
        ValueError: A name is unknown; the message has the nearest.
    """
    for number, source in enumerate(settings.data.sources):
        _check_dataset(source, f"data.sources.{number}")
        _check_splits(source, f"data.sources.{number}")
    _check_features(settings)
    check_backbone(settings.model, "model")
    _check_stages(settings)
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
        config = given.partition("/")[2]
        if config and name in _datasets() and config not in declared.configs(name):
            raise ValueError(
                f"{where}.{field}: {name} has no config {ranges.shown(config)}"
                f"{nearest(config, declared.configs(name)) or '.'} "
                f"It has {', '.join(declared.configs(name)) or 'none, but arguments'}"
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


def _check_splits(source: SourceSettings, where: str) -> None:
    """Checks names of splits, also in slices such as "train[:9%]", where they do not depend on data."""
    wanted = [
        (f"{where}.splits.{split}", source.dataset, part.partition("[")[0].strip())
        for split, own in source.splits.items()
        for part in own.split("+")
    ]
    wanted += [
        (f"{where}.pairs", source.pairs_dataset, split.partition("[")[0]) for split in source.pairs
    ]
    for field, dataset, name in wanted:
        known = declared.splits(dataset, source.arguments)
        if known is not None and name not in (*known, "all"):
            raise ValueError(
                f"{field}: {dataset} has no split {ranges.shown(name)}{nearest(name, known) or '.'} "
                f"It has {', '.join(known) or 'none'}; data.sources.N.splits may leave splits out"
            )


def _check_features(settings: PipelineSettings) -> None:
    """Checks the features that sources map, that the evaluation slices by and that training balances."""
    found: dict[str, bool] | None = {}
    for number, source in enumerate(settings.data.sources):
        own = dict(declared.features(source.dataset.partition("/")[0]))
        if source.pairs_dataset:
            of_pairs = declared.features(source.pairs_dataset.partition("/")[0])
            own = {**of_pairs, **own} if own and of_pairs else {}
        for key, name in source.features.items():
            if own and name not in own:
                raise ValueError(
                    f"data.sources.{number}.features.{key}: {source.dataset} has no feature "
                    f"{ranges.shown(name)}{nearest(name, own) or '.'} It has {', '.join(own)}"
                )
        if not own:
            found = None  # of a dataset of TFDS's
        elif found is not None:
            mapped = {key: own[name] for key, name in source.features.items()}
            for key, has_classes in {**own, **mapped}.items():
                found[key] = found.get(key, False) or has_classes
    labels = settings.labels()
    classes = [key for key, has_classes in (found or {}).items() if has_classes and key not in _NO_SLICES]
    named = [key for key, label in labels.items() if label.kind == CLASSES and label.names]
    for name in settings.evaluation.slices:
        is_class = labels[name].kind == CLASSES and name not in _NO_SLICES
        if not is_class or not (name in named or found is None or name in classes):
            raise _no_feature("evaluation.slices", name, sorted({*classes, *named}))
    of_tasks = [name for name, label in labels.items() if label.is_integer]
    for name in settings.training.sampling.balance:
        allowed = [
            each
            for each in dict.fromkeys((spec.EXPRESSION, spec.IDENTITY, *of_tasks))
            if found is None or each in found
        ]
        if name not in (*allowed, spec.SOURCE):
            raise _no_feature("training.sampling.balance", name, [*allowed, spec.SOURCE])


def _no_feature(where: str, name: str, allowed: Collection[str]) -> ValueError:
    return ValueError(
        f"{where}: no source's classes and no task's are called {ranges.shown(name)}"
        f"{nearest(name, allowed) or '.'} There are {', '.join(allowed)}"
    )


def _check_stages(settings: PipelineSettings) -> None:
    """Checks the stages of the backbone that are unfrozen, or that tasks part after."""
    model, tuning = settings.model, settings.tuning
    if tuning.trials and any(name.startswith("model.backbone") for name in tuning.space):
        return  # each trial has stages of its own
    wanted = [
        (f"training.stages.{number}.unfreeze", name)
        for number, stage in enumerate(settings.training.stages)
        for name in stage.unfreeze
        if name != "all"
    ]
    wanted += [
        (f"tasks.{name}.{field}", stage)
        for name, task in active(settings.tasks).items()
        for field, stage in (("parts_after", task.parts_after), ("ends_after", task.ends_after))
        if stage
    ]
    backbone = model.backbone.lower()
    known = declared.stages(backbone, model.backbone_arguments)
    of_keras = backbone not in _own_backbones() or model.backbone_arguments.get("variant") == "keras"
    for where, name in wanted:
        if name in known if known else not of_keras or re.fullmatch(r"stage\d+|conv\d", name):
            continue
        more = ", or all; () trains the heads alone" if where.endswith("unfreeze") else ""
        raise ValueError(
            f"{where}: the backbone {model.backbone} has no stage {ranges.shown(name)}"
            f"{nearest(name, known or ()) or '.'} "
            f"It has {', '.join(known or ('stage1', 'stage2 ..., or conv1', 'conv2 ...'))}{more}"
        )


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


@functools.cache
def _own_backbones() -> dict[str, list[str]]:
    """The parameters of each module's function `build`."""
    found = {}
    for name, module in declared.modules("backbones"):
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
    for name, module in declared.modules("datasets"):
        own[name] = {
            argument.arg: ast.unparse(argument.annotation) if argument.annotation else ""
            for each in ast.walk(module)
            if isinstance(each, ast.FunctionDef) and each.name == "__init__"
            for argument in (*each.args.args, *each.args.kwonlyargs)
            if argument.arg not in ("self", "data_dir", "config")
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

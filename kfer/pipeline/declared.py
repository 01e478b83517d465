"""What kfer's own datasets and backbones declare, read from their files: nothing is imported."""

import ast
import functools
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kfer import spec
from kfer.listing import composed, is_hidden

_KFER = Path(__file__).parent.parent
# Of datasets whose splits have the same names whatever the data; a config that differs has a line.
_SPLITS: Mapping[str, tuple[str, ...]] = {
    "cmu_faces": (spec.TRAIN,),
    "cmu_faces/people": spec.SPLITS,
    "crema_d": spec.SPLITS,
    "fer2013": spec.SPLITS,
    "generated": (spec.TRAIN,),
    "lfw": spec.SPLITS,
    "lfw/pairs": ("view1_train", "view1_test", "view2"),
    "orl": (spec.TRAIN,),
    "ravdess": spec.SPLITS,
    "synthetic": spec.SPLITS,
    "synthetic_clips": spec.SPLITS,
    "vggface2": (spec.TRAIN, spec.TEST),
}
_WITH_CLASSES = ("ClassLabel", "Text")


def modules(package: str) -> Iterator[tuple[str, ast.Module]]:
    """Yields a package's modules by name; where it is loaded, of all folders that it has."""
    loaded = sys.modules.get(f"kfer.{package}")
    for folder in map(Path, getattr(loaded, "__path__", [_KFER / package])):
        for file in sorted(folder.glob("*.py")):
            yield file.stem, ast.parse(file.read_bytes())


def splits(dataset: str, arguments: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Returns the names of a dataset's splits; None where only its data know them.

    Args:
        dataset: Its name, with its config or without.
        arguments: Its builder's. A folder's splits are the folders in it.
    """
    name = dataset.partition("/")[0]
    if name in ("image_folder", "clip_folder") and not arguments.get("labels"):
        folder = Path(str(arguments.get("path", "")))
        if not arguments.get("path") or not folder.is_dir():
            return None
        return tuple(
            sorted(
                composed(each.name)
                for each in folder.iterdir()
                if each.is_dir() and not is_hidden(each.name)
            )
        )
    return _SPLITS.get(dataset, _SPLITS.get(name))


@functools.cache
def configs(dataset: str) -> tuple[str, ...]:
    """Returns the names of the configs of one of kfer's datasets, given without a config."""
    return tuple(
        str(keyword.value.value)
        for name, module in modules("datasets")
        if name == dataset
        for each in ast.walk(module)
        if isinstance(each, ast.Assign) and ast.unparse(each.targets[0]) == "BUILDER_CONFIGS"
        for call in ast.walk(each.value)
        if isinstance(call, ast.Call)
        for keyword in call.keywords
        if keyword.arg == "name" and isinstance(keyword.value, ast.Constant)
    )


@functools.cache
def features(dataset: str) -> Mapping[str, bool]:
    """Returns the features of one of kfer's datasets, of any config, and whether each has classes.

    Args:
        dataset: Its name without a config; {} of one that is not kfer's, or whose features are not all
            written out in its file.
    """
    found: dict[str, bool] = {}
    for name, module in modules("datasets"):
        if name != dataset:
            continue
        parts = [module]
        if "clips.features(" in ast.unparse(module):
            parts += [other for each, other in modules("datasets") if each == "clips"]
        for part in parts:
            own = _features(part)
            if own is None:
                return {}
            found |= own
    return found


def stages(backbone: str, arguments: Mapping[str, Any]) -> list[str] | None:
    """Returns the names of a backbone's stages, of those of kfer; None where only the network knows.

    Args:
        backbone: Its name in small letters.
        arguments: Its builder's, where they are not the default ones.
    """
    taken = {**_defaults(backbone), **arguments}
    sizes = taken.get("blocks" if backbone in ("resnet152", "densenet161") else "widths")
    if taken.get("variant") == "keras" or not isinstance(sizes, tuple | list):
        return None
    numbers = range(1, len(sizes) + 1)
    if backbone == "resnet152":
        found = ["stem", *(f"layer{number}" for number in numbers)]
    elif backbone == "densenet161":
        parts = [f"{part}{number}" for number in numbers for part in ("denseblock", "transition")]
        found = ["stem", *parts[:-1]]
    elif backbone in ("compact", "dlib_resnet"):
        found = ["stem", *(f"stage{number}" for number in numbers)]
    else:
        return None
    classifier = {"resnet152": "fc", "densenet161": "classifier"}.get(backbone)
    return [*found, classifier] if classifier and taken.get("num_classes") else found


@functools.cache
def _defaults(backbone: str) -> Mapping[str, Any]:
    for name, module in modules("backbones"):
        for each in module.body if name == backbone else ():
            if isinstance(each, ast.FunctionDef) and each.name == "build":
                given = each.args.args[len(each.args.args) - len(each.args.defaults) :]
                return {
                    argument.arg: ast.literal_eval(value)
                    for argument, value in zip(given, each.args.defaults, strict=True)
                }
    return {}


def _features(module: ast.Module) -> dict[str, bool] | None:
    """What the functions `_info` and `features` put into a mapping; None where a name is computed."""
    found = {}
    for function in ast.walk(module):
        if not (isinstance(function, ast.FunctionDef) and function.name in ("_info", "features")):
            continue
        variables: dict[str, ast.expr] = {}
        pairs: list[tuple[ast.expr | None, ast.expr]] = []
        for each in ast.walk(function):
            if isinstance(each, ast.DictComp):
                return None
            if isinstance(each, ast.Dict):
                pairs += zip(each.keys, each.values, strict=True)
            elif isinstance(each, ast.Assign) and isinstance(each.targets[0], ast.Subscript):
                pairs.append((each.targets[0].slice, each.value))
            elif isinstance(each, ast.Assign) and isinstance(each.targets[0], ast.Name):
                variables[each.targets[0].id] = each.value
        for key, value in pairs:
            made = variables.get(value.id, value) if isinstance(value, ast.Name) else value
            name = _text(key)
            if name is None:
                return None
            found[name] = isinstance(made, ast.Call) and ast.unparse(made.func).endswith(_WITH_CLASSES)
    return found


def _text(key: ast.expr | None) -> str | None:
    """The text that a constant is, or an attribute of `kfer.spec`."""
    if isinstance(key, ast.Attribute) and ast.unparse(key.value) == "spec":
        return str(getattr(spec, key.attr))
    return key.value if isinstance(key, ast.Constant) and isinstance(key.value, str) else None

"""TFDS builders, one file each, and finding and preparing them by name."""

import importlib.util
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from kfer.datasets import naming
from kfer.datasets.preparation import prepare, reads

__all__ = ["builder", "prepare", "reads"]


def builder(name: str, data_dir: str | Path, **arguments: Any) -> tfds.core.DatasetBuilder:
    """Returns the builder of a dataset, whether or not it is prepared yet.

    Args:
        name: The name of a file in this package ("fer2013"), if need be with the builder's config
            ("fer2013/six_class"); else any name that TFDS knows ("celeb_a"). "tfds:lfw" is TFDS's
            own where both have the name.
        data_dir: The folder for prepared datasets.
        arguments: Keyword arguments of the builder.

    Raises:
        ValueError: Neither kfer nor TFDS has a dataset or config of that name.
    """
    module_name, _, config = name.partition("/")
    if module_name.isidentifier() and _is_module(module_name):
        builder_class = _builder_class(module_name)
        if builder_class is not None:
            if config:
                naming.check_name(config, list(builder_class.builder_configs), f"Config of {module_name}")
            return builder_class(data_dir=str(data_dir), config=config or None, **arguments)
    tfds_name = name.removeprefix("tfds:")
    try:
        return tfds.builder(tfds_name, data_dir=str(data_dir), **arguments)
    except ValueError as error:
        if tfds_name.partition("/")[0] in tfds.list_builders():
            raise
        what = "The dataset, which TFDS does not know either,"
        raise naming.unknown_name(name, list(_own_names()), what) from error


def _is_module(name: str) -> bool:
    return importlib.util.find_spec(f"{__name__}.{name}") is not None


def _builder_class(module_name: str) -> type[tfds.core.DatasetBuilder] | None:
    module = importlib.import_module(f"{__name__}.{module_name}")
    for _, value in inspect.getmembers(module, inspect.isclass):
        is_own = value.__module__.startswith(module.__name__)
        if is_own and issubclass(value, tfds.core.DatasetBuilder) and not inspect.isabstract(value):
            return value
    return None


def _own_names() -> Iterator[str]:
    for module in pkgutil.iter_modules(__path__):
        if _builder_class(module.name) is not None:
            yield module.name

"""TFDS builders, one file each, and finding and preparing them by name."""

import contextlib
import importlib.util
import inspect
import io
import logging
import pkgutil
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from kfer.datasets import archives, naming
from kfer.files import DiskFullError, is_disk_full

_log = logging.getLogger(__name__)


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


def prepare(dataset: tfds.core.DatasetBuilder, download_dir: str | Path) -> None:
    """Generates the dataset into its `data_dir`, unless that was done before.

    TFDS writes into an incomplete folder and renames it at the end, so that what is there is whole.

    Args:
        dataset: From `builder`.
        download_dir: The folder with what the user downloaded, one subfolder a dataset.

    Raises:
        FileNotFoundError: The dataset needs files that are not there.
        ValueError: The files are damaged or hold something unexpected.
        DiskFullError: The disk is full.
    """
    if _is_whole(dataset):
        return
    instructions = dataset.MANUAL_DOWNLOAD_INSTRUCTIONS
    # An empty name means "no folder", not the working directory.
    if instructions and not (str(download_dir) and Path(download_dir).is_dir()):
        raise FileNotFoundError(
            f"{dataset.name} needs files that you download, and the data folder "
            f"{str(download_dir)!r} is not there. {instructions.strip()}"
        )
    _log.info("Preparing %s in %s", dataset.info.full_name, dataset.data_dir)
    tfds.disable_progress_bar()
    config = tfds.download.DownloadConfig(
        manual_dir=str(download_dir) if instructions else None,
        compute_stats=tfds.download.ComputeStatsMode.SKIP,
        # Writes again over a folder that lacks files, which TFDS would take as it is.
        download_mode=tfds.GenerateMode.REUSE_CACHE_IF_EXISTS,
    )
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # TFDS prints, with sizes that it does not know
            dataset.download_and_prepare(download_config=config)
    except Exception as error:
        if "No examples were yielded" in str(error):
            raise ValueError(
                f"{dataset.info.full_name} has a split without any example: {error}"
            ) from error
        place = Path(dataset.data_dir)
        if not is_disk_full(error, place):
            raise
        raise DiskFullError(place, _room_needed(dataset, Path(download_dir))) from error


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


def _is_whole(dataset: tfds.core.DatasetBuilder) -> bool:
    if not (dataset.data_path.exists() and dataset.is_prepared()):
        return False
    shards = [Path(path) for split in dataset.info.splits.values() for path in split.filepaths]
    return bool(shards) and all(shard.exists() for shard in shards)


def _room_needed(dataset: tfds.core.DatasetBuilder, download_dir: Path) -> str:
    place = Path(dataset.data_dir)
    while not place.exists():
        place = place.parent
    message = f"{shutil.disk_usage(place).free / 1e6:,.0f} MB are free"
    if dataset.MANUAL_DOWNLOAD_INSTRUCTIONS:
        folder = archives.dataset_folder(download_dir, getattr(dataset, "FOLDER", ""))
        needed = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        message += f", {dataset.info.full_name} needs about {needed / 1e6:,.0f} MB"
    return message + ". Free space, or choose another folder; what was half written is gone"

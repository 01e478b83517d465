"""Prepared datasets that follow their source.

A dataset of kfer's lies in `<data_dir>/<dataset>/<config>-<source>-<content>/<version>`. `<source>` names
where it is read from, and `<content>` what is read there (`kfer.fingerprints`) and the builder's code. So
two folders never share prepared data, and what changes is prepared again. Beside `<version>`,
`source.json` keeps what was read.

A process holds a lock on the source's name while it prepares, and the folder of what it has prepared or
found until it ends. What was prepared of an earlier state of the source is removed once no other process
holds it, and so is what a killed preparation leaves.

A builder's method `reads(download_dir)` returns `fingerprints.Read`s of all files and folders that it
reads or looks for; one without the method reads its folder, `FOLDER`. Datasets of TFDS that are not
kfer's own are prepared once, in the folder that TFDS gives them.
"""

import contextlib
import hashlib
import inspect
import io
import json
import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import filelock
import tensorflow_datasets as tfds

from kfer import files, fingerprints, source_code
from kfer.datasets import archives
from kfer.files import DiskFullError, is_disk_full
from kfer.fingerprints import Fingerprint, Read

_log = logging.getLogger(__name__)
_RECORD = "source.json"
#: Hexadecimal digits of a folder's name.
_DIGITS = 12
# How often a source is prepared that changes meanwhile.
_TRIES = 2


def prepare(dataset: tfds.core.DatasetBuilder, download_dir: str | Path, afresh: bool = False) -> None:
    """Generates the dataset, unless that was done before of the very same source.

    What was prepared is whole or not there. The builder's `data_dir` then is the folder of what was
    prepared, and other processes do not remove it until this one ends.

    Args:
        dataset: From `builder`.
        download_dir: The folder with what the user downloaded, one subfolder a dataset.
        afresh: Whether to generate it even where that was done before.

    Raises:
        FileNotFoundError: The dataset needs files that are not there.
        ValueError: The files are damaged or hold something unexpected, they change all the time, or what
            is prepared would lie among them.
        DiskFullError: The disk is full.
    """
    instructions = dataset.MANUAL_DOWNLOAD_INSTRUCTIONS
    if not _is_own(dataset):
        with _locked(Path(dataset.data_dir), dataset):
            if afresh and dataset.data_path.exists() and not files.remove_unused(Path(dataset.data_dir)):
                _log.warning("%s is in use, and taken as it is", dataset.data_dir)
            if not _is_whole(dataset):
                _check_downloads(dataset, download_dir)
                _generate(dataset, download_dir)
            files.hold(Path(dataset.data_dir))
        return
    if instructions:
        _check_downloads(dataset, download_dir)
    fingerprints.check_apart(Path(dataset.data_dir_root), reads(dataset, download_dir))
    place = _place(dataset, download_dir)
    with _locked(place, dataset):
        found = _generated(dataset, download_dir, place, afresh)
        files.hold(found)
        for other in _folders(place):
            if other != found and not files.remove_unused(other):
                _log.info("%s is out of date, and kept because another process reads it", other)


def reads(dataset: tfds.core.DatasetBuilder, download_dir: str | Path) -> list[Read]:
    """Returns all files and folders that a builder of kfer's reads or looks for.

    Args:
        dataset: From `builder`; of others than kfer's own nothing is known.
        download_dir: As for `prepare`; where it is not there, nothing is looked for in it.
    """
    if not _is_own(dataset):
        return []
    looked_for = []
    if dataset.MANUAL_DOWNLOAD_INSTRUCTIONS:
        if not str(download_dir):
            return []
        # The subfolder is taken once it is there.
        folder = Path(download_dir) / getattr(dataset, "FOLDER", "")
        looked_for = [fingerprints.read(folder, ())]
        if not Path(download_dir).is_dir():
            return looked_for
    if hasattr(dataset, "reads"):
        return [*looked_for, *dataset.reads(Path(download_dir))]
    if not dataset.MANUAL_DOWNLOAD_INSTRUCTIONS:
        return []
    return [*looked_for, fingerprints.read(archives.dataset_folder(Path(download_dir), dataset.FOLDER))]


def _is_own(dataset: tfds.core.DatasetBuilder) -> bool:
    return hasattr(dataset, "reads") or type(dataset).__module__.startswith(f"{__package__}.")


def _check_downloads(dataset: tfds.core.DatasetBuilder, download_dir: str | Path) -> None:
    instructions = dataset.MANUAL_DOWNLOAD_INSTRUCTIONS
    # An empty name means "no folder", not the working directory.
    if instructions and not (str(download_dir) and Path(download_dir).is_dir()):
        raise FileNotFoundError(
            f"{dataset.name} needs files that you download, and the data folder "
            f"{str(download_dir)!r} is not there. {instructions.strip()}"
        )


def _generated(
    dataset: tfds.core.DatasetBuilder, download_dir: str | Path, place: Path, afresh: bool
) -> Path:
    """Returns the folder of the dataset, generated where it is not there as its source is now."""
    earlier = _folders(place)
    for tries_left in reversed(range(_TRIES)):
        seen = fingerprints.take(reads(dataset, download_dir))
        code = source_code.digest(Path(inspect.getfile(type(dataset))))
        name = f"{place.name}-{_digest(seen.digest, code, str(dataset.version))}"
        if not afresh:
            for folder in earlier:
                if folder.name.partition("+")[0] == name and _is_prepared(dataset, folder):
                    return folder
        _tell(dataset, earlier, seen, code, afresh)
        folder = place.with_name(name)
        number = 1
        # Where it is in use it cannot be replaced.
        while not files.remove_unused(folder):
            number += 1
            folder = place.with_name(f"{name}+{number}")
        _move(dataset, folder)
        try:
            _generate(dataset, download_dir)
            now = fingerprints.take(reads(dataset, download_dir))
        except BaseException:
            _remove_if_empty(folder)
            raise
        if now.digest == seen.digest:
            record = {"dataset": dataset.info.full_name, "code": code, "read": seen.content()}
            files.write_json(folder / _RECORD, record)
            return folder
        changes = fingerprints.changes(seen, now) or "files come and go"
        where = ", ".join(now.places)
        files.remove_unused(folder)
        if tries_left:
            _log.warning(
                "%s has changed while it was prepared (%s): it is prepared again", where, changes
            )
    raise ValueError(
        f"{where} changes while it is prepared ({changes}): run again when what writes there has ended"
    )


def _place(dataset: tfds.core.DatasetBuilder, download_dir: str | Path) -> Path:
    """What the folders of one source are called, whatever its content."""
    if dataset.MANUAL_DOWNLOAD_INSTRUCTIONS:
        source = os.path.realpath(download_dir)
    else:
        source = next((each.path for each in reads(dataset, download_dir)), "")
    names = [dataset.builder_config.name] if dataset.builder_config else []
    return Path(dataset.data_dir_root) / dataset.name / "-".join([*names, _digest(source)])


def _digest(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:_DIGITS]


def _folders(place: Path) -> list[Path]:
    """The folders of a source, those prepared last first."""
    if not place.parent.is_dir():
        return []
    with os.scandir(place.parent) as entries:
        found = [Path(each.path) for each in entries if each.name.startswith(f"{place.name}-")]
    return sorted(found, key=_prepared_at, reverse=True)


def _prepared_at(folder: Path) -> int:
    try:
        return (folder / _RECORD).stat().st_mtime_ns
    except OSError:
        return 0


def _tell(
    dataset: tfds.core.DatasetBuilder, earlier: list[Path], seen: Fingerprint, code: str, afresh: bool
) -> None:
    """Says what has changed since the source was prepared."""
    where = f" of {', '.join(seen.places)}" if seen.places else ""
    for folder in earlier:
        try:
            record = files.read_json(folder / _RECORD)
            changes = fingerprints.changes(Fingerprint.of(record["read"]), seen)
        except (OSError, ValueError, KeyError):
            continue
        if not changes and record.get("code") != code:
            changes = "kfer's code of it is another"
        elif not changes and not afresh:
            changes = "what is looked for is another"
        reason = f"{changes} since it was prepared" if changes else "as asked"
        _log.info("%s is prepared again%s: %s", dataset.info.full_name, where, reason)
        return
    _log.info("%s is prepared%s", dataset.info.full_name, where)


def _move(dataset: tfds.core.DatasetBuilder, folder: Path) -> None:
    """Gives a builder its folder: TFDS chooses one when it makes a builder, and has seen no source."""
    dataset._data_dir = str(folder / str(dataset.version))
    # TFDS keeps the information for good; that of another folder has names of other people.
    file_format = dataset.info.file_format
    vars(dataset.info).update(vars(dataset._info()))
    dataset.info.set_file_format(file_format)


def _is_prepared(dataset: tfds.core.DatasetBuilder, folder: Path) -> bool:
    version = folder / str(dataset.version)
    if not ((folder / _RECORD).is_file() and (version / "dataset_info.json").is_file()):
        return False
    _move(dataset, folder)
    dataset.info.read_from_directory(dataset.data_dir)
    return _is_whole(dataset)


def _is_whole(dataset: tfds.core.DatasetBuilder) -> bool:
    if not (dataset.data_path.exists() and dataset.is_prepared()):
        return False
    shards = [Path(path) for split in dataset.info.splits.values() for path in split.filepaths]
    return bool(shards) and all(shard.exists() for shard in shards)


def _remove_if_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()


@contextlib.contextmanager
def _locked(place: Path, dataset: tfds.core.DatasetBuilder) -> Iterator[None]:
    """Waits until nobody else prepares the dataset, and keeps others waiting."""
    place.parent.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(place.with_name(f".{place.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        _log.info("another process prepares %s: waiting for it", dataset.info.full_name)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _generate(dataset: tfds.core.DatasetBuilder, download_dir: str | Path) -> None:
    instructions = dataset.MANUAL_DOWNLOAD_INSTRUCTIONS
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

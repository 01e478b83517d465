"""Whose settings the trials of a folder have."""

from collections.abc import Sequence
from pathlib import Path

from kfer import files
from kfer.settings import PipelineSettings

_SEARCH = "search.json"
#: What a search that goes on may have otherwise than before.
_FREE = ("tuning.trials", "tuning.study", "tuning.smaller_batches", "tuning.own_process")
_GROUPS = ("tasks", "data", "augmentation", "model", "training", "tuning")


def claim(work_dir: Path, base: PipelineSettings) -> None:
    """Makes a folder that of a search; the settings of one that is there must be the same.

    Args:
        work_dir: The folder; it is made where it is missing.
        base: The settings.

    Raises:
        ValueError: They are others, or what says so is damaged.
    """
    file = work_dir / _SEARCH
    work_dir.mkdir(parents=True, exist_ok=True)
    with files.locked(work_dir):
        if not file.exists():
            files.write_json(file, {group: files.plain(getattr(base, group)) for group in _GROUPS})
    _check_settings(base, work_dir, _FREE)


def check_settings(base: PipelineSettings, work_dir: Path) -> None:
    """Checks that the trials of a folder, if there are any, are those of some settings.

    `training.epochs` may be others, since trials have epochs of their own.

    Args:
        base: The settings.
        work_dir: The folder.

    Raises:
        ValueError: They are not; the message has the differences.
    """
    _check_settings(base, work_dir, [*_FREE, "training.epochs"])


def _check_settings(base: PipelineSettings, work_dir: Path, free: Sequence[str]) -> None:
    file = work_dir / _SEARCH
    if not file.exists():
        return
    advice = "it says what settings the trials had. Restore it from a copy, or give another folder"
    found = files.read_json(file, advice)
    different = [
        text
        for group in _GROUPS
        for text in files.differences(getattr(base, group), found.get(group), group)
        if text.split(" ")[0] not in free
    ]
    if different:
        raise ValueError(
            f"{work_dir} is of a search with other settings: {'; '.join(different)}. Set them as they "
            "were, or give another folder"
        )

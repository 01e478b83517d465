"""A candidate's folder: where it is, what it holds, and whose settings it was trained with."""

import dataclasses
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kfer.comparison.settings import ComparisonSettings
from kfer.documents.claims import claim
from kfer.files import differences, read_csv, read_json, remove_leftovers, write_json

if TYPE_CHECKING:
    import numpy as np

RESULT = "result.json"
MODEL = "model.keras"
PREDICTIONS = "test.npz"
LOCK = ".lock"
_SETTINGS = "settings.json"
_EXAMPLES = "examples.json"
_FAILURE = "failed.json"


def folder(output_dir: Path, name: str, seed: int) -> Path:
    """Where a candidate's files are."""
    return output_dir / "runs" / f"{name}-seed{seed}"


def is_finished(run: Path) -> bool:
    """Whether a candidate's folder holds its results."""
    return (run / RESULT).exists()


def note_failure(run: Path, reason: str) -> None:
    """Keeps why a candidate's training failed, for the page; an empty reason takes it back."""
    if reason:
        write_json(run / _FAILURE, {"reason": reason})
    else:
        (run / _FAILURE).unlink(missing_ok=True)


def failure(run: Path) -> str:
    """Why a candidate's training failed when it was last tried; empty where it did not."""
    if is_finished(run) or not (run / _FAILURE).exists():
        return ""
    return str(read_json(run / _FAILURE).get("reason"))


def result(run: Path) -> dict[str, Any]:
    """A finished candidate's "result.json"."""
    return read_json(run / RESULT)


def history(run: Path) -> list[dict[str, float]]:
    """The figures of each epoch so far, also of a run that is not finished; nan where one is missing."""
    places = [place for place in (run / "history.csv", run / "work" / "history.csv") if place.exists()]
    if not places:
        return []
    return [
        {name: float(text) if text else math.nan for name, text in row.items()}
        for row in read_csv(places[0])
    ]


def predictions(run: Path) -> dict[str, "np.ndarray"]:
    """What a finished candidate said of the test split.

    Returns:
        "probabilities", float32 `[n, classes]`; "labels", int32 `[n]`; "filename", unicode `[n]`.
    """
    import numpy as np

    with np.load(run / PREDICTIONS) as stored:
        return dict(stored)


def check_study(settings: ComparisonSettings, output_dir: Path) -> None:
    """Makes the output folder this comparison's own, and checks every run that is in it.

    Raises:
        ValueError: It is another comparison's, or a run in it had other settings.
    """
    claim(output_dir, "comparison", settings.name)
    for seed in settings.seeds:
        for name in settings.candidates:
            run = folder(output_dir, name, seed)
            remove_leftovers(run)
            if (run / _SETTINGS).exists():
                check_settings(run, settings, name, seed)


def check_examples(output_dir: Path, run: Path, digest: str) -> None:
    """Refuses to mix results of other examples; what older versions of kfer trained does not say.

    Raises:
        ValueError: This run, or a finished one of the comparison, is of other examples.
    """
    for place in sorted((output_dir / "runs").glob(f"*/{_EXAMPLES}")):
        counts = place.parent == run or is_finished(place.parent)
        if counts and read_json(place).get("digest") != digest:
            raise ValueError(
                f"the data have changed since {place.parent} was trained: give another --output-dir, "
                "or delete that folder to train it again"
            )
    write_json(run / _EXAMPLES, {"digest": digest})


def check_settings(run: Path, settings: ComparisonSettings, name: str, seed: int) -> None:
    """Refuses to mix results of other settings; what only the page uses may change.

    Settings that came with a later kfer than the run must have their defaults.

    Raises:
        ValueError: The folder is of a run with other settings.
    """
    groups: dict[str, Any] = {
        "model": settings.candidates[name],
        "data": settings.data,
        "augmentation": settings.augmentation,
        "training": settings.training,
        "expression": settings.expression,
    }
    path = run / _SETTINGS
    if not path.exists():
        own = {group: dataclasses.asdict(value) for group, value in groups.items()}
        write_json(path, {**own, "seed": seed})
        return
    found = read_json(path)
    different = [
        text for group, value in groups.items() for text in differences(value, found.get(group), group)
    ]
    if found.get("seed") != seed:
        different.append(f"seed was {found.get('seed')} and is {seed}")
    if different:
        raise ValueError(
            f"{run} is of a run with other settings: {'; '.join(different)}. Set them as they were, give "
            "another --output-dir, or delete that folder"
        )

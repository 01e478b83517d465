"""The state of a run after an epoch, in one file that is whole or not there."""

import csv
import dataclasses
import io
import json
import os
from pathlib import Path

import keras
import numpy as np

from kfer.settings import TrainingSettings

History = list[dict[str, float]]
_CHECKPOINT = "checkpoint.npz"
_HISTORY = "history.csv"


def save(
    work_dir: Path,
    model: keras.Model,
    settings: TrainingSettings,
    steps_per_epoch: int,
    history: History,
) -> None:
    """Writes weights, the optimizer's state, random states and history.

    Args:
        work_dir: The run's folder.
        model: A compiled network.
        settings: The run's settings; only they may go on from this checkpoint.
        steps_per_epoch: Likewise.
        history: The figures of each epoch so far.
    """
    run = {"history": history, "run": _run(settings, steps_per_epoch)}
    arrays = {f"variable_{i}": np.asarray(v) for i, v in enumerate(_variables(model))}
    content = io.BytesIO()
    np.savez(content, json=np.array(json.dumps(run)), **arrays)  # type: ignore[arg-type]
    _write(work_dir / _CHECKPOINT, content.getbuffer())
    write_history(work_dir, history)


def restore(
    work_dir: Path, model: keras.Model, settings: TrainingSettings, steps_per_epoch: int
) -> History:
    """Puts the last epoch's state into a compiled network, where there is one.

    Returns:
        The figures of each finished epoch; empty where the run starts.

    Raises:
        ValueError: The checkpoint is of other settings or of another network.
    """
    path = work_dir / _CHECKPOINT
    if not path.exists():
        return []
    with np.load(path) as stored:
        content = json.loads(str(stored["json"]))
        values = [stored[f"variable_{index}"] for index in range(len(stored.files) - 1)]
    wanted, found = _run(settings, steps_per_epoch), content["run"]
    different = [
        f"{name} was {found.get(name)!r} and is {value!r}"
        for name, value in wanted.items()
        if found.get(name) != value
    ]
    if different:
        raise ValueError(
            f"{path} is of a run with other settings: {'; '.join(different)}. Set them as they were, or "
            "delete that file to start anew"
        )
    variables = _variables(model)
    shapes = [tuple(variable.shape) for variable in variables]
    if shapes != [value.shape for value in values]:
        raise ValueError(
            f"{path} is of another network: expected {len(shapes)} variables, it has {len(values)}, "
            "or their shapes differ. Delete that file to start anew"
        )
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    # The history's file may be older, where a run was killed between the two.
    write_history(work_dir, content["history"])
    return content["history"]


def write_history(work_dir: Path, history: History) -> None:
    """Writes the figures of each epoch as CSV."""
    columns = list(dict.fromkeys(name for figures in history for name in figures))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    writer.writerows(history)
    _write(work_dir / _HISTORY, text.getvalue().encode())


def _variables(model: keras.Model) -> list[keras.Variable]:
    model.optimizer.build(model.trainable_variables)
    return [*model.variables, *model.optimizer.variables]


def _run(settings: TrainingSettings, steps_per_epoch: int) -> dict[str, object]:
    return {**dataclasses.asdict(settings), "steps_per_epoch": steps_per_epoch}


def _write(path: Path, content: bytes | memoryview) -> None:
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)

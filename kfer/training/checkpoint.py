"""The state of a run after an epoch, in one file that is whole or not there."""

import dataclasses
import io
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import keras
import numpy as np

from kfer.files import named_if_damaged, plain, replacing, write_csv
from kfer.json_text import parse_json
from kfer.settings import TrainingSettings
from kfer.settings.tasks import Tasks

History = list[dict[str, float]]
Parts = Mapping[str, Sequence[keras.Variable]]
_NETWORK = "network"
_CHECKPOINT = "checkpoint.npz"
_BEST = "best_"
_HISTORY = "history.csv"
_ADVICE = "delete it to start anew, or restore it from a copy"
# A run may go on with other devices.
_FREE = ("strategy", "worker_timeout_s")


@dataclass(frozen=True)
class Checkpoint:
    """What a run left after its last finished epoch; of a run that starts, nothing.

    Weights are read when they are asked for, and not kept.

    Attributes:
        path: The file.
        history: The figures of each finished epoch.
    """

    path: Path
    history: History = field(default_factory=list)

    def restore(self, part: str, variables: Sequence[keras.Variable]) -> None:
        """Gives variables the values that they had, those of random states too.

        Args:
            part: As it was called for `save`.
            variables: Of the same network, or of an optimizer that was built for the same stage.

        Raises:
            DamagedError: The file cannot be read.
            ValueError: The checkpoint is of another network.
        """
        _restore(self.path, part, variables)


def run_of(settings: TrainingSettings, tasks: Tasks, steps_per_epoch: int) -> dict[str, object]:
    """What a run is: only one of the same settings may go on from its checkpoint."""
    flat = {
        f"tasks.{name}.{field}": value
        for name, task in tasks.items()
        for field, value in dataclasses.asdict(task).items()
    }
    run = {**dataclasses.asdict(settings), **flat, "steps_per_epoch": steps_per_epoch}
    return {name: value for name, value in run.items() if name not in _FREE}


def save(work_dir: Path, parts: Parts, run: Mapping[str, object], history: History) -> None:
    """Writes the state of a run, and its history.

    Args:
        work_dir: The run's folder.
        parts: What the run goes on from, by name: all variables of the network, what is frozen too,
            of the optimizer and so on.
        run: What it is, by the names of settings; only such a run may go on from this checkpoint.
        history: The figures of each epoch so far.
    """
    # JSON knows no nan; a figure that is not there says the same.
    finite = [
        {name: figure for name, figure in each.items() if math.isfinite(figure)} for each in history
    ]
    content = {"history": finite, "run": run}
    _write_arrays(work_dir / _CHECKPOINT, parts, json=np.array(json.dumps(content)))
    write_history(work_dir, history)


def load(work_dir: Path, run: Mapping[str, object]) -> Checkpoint:
    """Returns what the last finished epoch left; of a run that starts, an empty checkpoint.

    Args:
        work_dir: The run's folder.
        run: As `save` took it.

    Raises:
        DamagedError: The checkpoint cannot be read.
        ValueError: It is of other settings.
    """
    path = work_dir / _CHECKPOINT
    if not path.exists():
        return Checkpoint(path)
    with named_if_damaged(path, _ADVICE), np.load(path) as stored:
        content = parse_json(str(stored["json"]).encode())
        found, history = content["run"], content["history"]
    different = [
        f"{name} was {found.get(name)!r} and is {value!r}"
        for name, value in plain(run).items()
        if found.get(name) != value
    ]
    if different:
        raise ValueError(
            f"{path} is of a run with other settings: {'; '.join(different)}. Set them as they were, or "
            "delete that file to start anew"
        )
    # The history's file may be older, where a run was killed between the two.
    write_history(work_dir, history)
    return Checkpoint(path, history)


def save_best(work_dir: Path, epoch: int, network: keras.Model) -> None:
    """Writes the weights of an epoch that is better than those before; to be called before `save`."""
    _write_arrays(_best_file(work_dir, epoch), {_NETWORK: network.variables})


def restore_best(work_dir: Path, epoch: int, network: keras.Model) -> None:
    """Gives a network the weights that it had after its best epoch.

    Raises:
        FileNotFoundError: They are not there.
    """
    _restore(_best_file(work_dir, epoch), _NETWORK, network.variables)


def remove_worse(work_dir: Path, best_epoch: int) -> None:
    """Removes the weights of all epochs but the best; to be called after `save`."""
    for file in work_dir.glob(f"{_BEST}*.npz"):
        if file != _best_file(work_dir, best_epoch):
            file.unlink()


def write_history(work_dir: Path, history: History) -> None:
    """Writes the figures of each epoch as CSV."""
    write_csv(work_dir / _HISTORY, history)


def _best_file(work_dir: Path, epoch: int) -> Path:
    return work_dir / f"{_BEST}{epoch}.npz"


def _restore(path: Path, part: str, variables: Sequence[keras.Variable]) -> None:
    with named_if_damaged(path, _ADVICE), np.load(path) as stored:
        count = sum(name.startswith(f"{part}_") for name in stored)
        values = [stored[f"{part}_{index}"] for index in range(count)]
        # NumPy gives the bytes of a member that does not begin as an array.
        if not all(isinstance(value, np.ndarray) for value in values):
            raise ValueError("it has something other than arrays")
    if [tuple(variable.shape) for variable in variables] != [value.shape for value in values]:
        raise ValueError(
            f"{path} is of another network: expected {len(variables)} variables, it has {len(values)}, "
            "or their shapes differ. Delete that file to start anew"
        )
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _write_arrays(path: Path, parts: Parts, **further: np.ndarray) -> None:
    arrays = {
        f"{part}_{index}": np.asarray(variable)
        for part, variables in parts.items()
        for index, variable in enumerate(variables)
    }
    content = io.BytesIO()
    np.savez(content, **further, **arrays)  # type: ignore[arg-type]
    _write(path, content.getbuffer())


def _write(path: Path, content: bytes | memoryview) -> None:
    with replacing(path) as new, new.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())

"""The state of a run after an epoch, in one file that is whole or not there."""

import csv
import dataclasses
import io
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import keras
import numpy as np

from kfer.settings import TrainingSettings

History = list[dict[str, float]]
_CHECKPOINT = "checkpoint.npz"
_HISTORY = "history.csv"


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

    def restore_network(self, network: keras.Model) -> None:
        """Gives a network the state that it had, random states too.

        Raises:
            ValueError: The checkpoint is of another network.
        """
        self._restore("network", network.variables)

    def restore_optimizer(self, optimizer: keras.optimizers.Optimizer) -> None:
        """Gives an optimizer, built for what trains in the same stage, the state that it had.

        Raises:
            ValueError: The checkpoint is of another network.
        """
        self._restore("optimizer", optimizer.variables)

    def _restore(self, part: str, variables: Sequence[keras.Variable]) -> None:
        with np.load(self.path) as stored:
            count = sum(name.startswith(part) for name in stored)
            values = [stored[f"{part}_{index}"] for index in range(count)]
        if [tuple(variable.shape) for variable in variables] != [value.shape for value in values]:
            raise ValueError(
                f"{self.path} is of another network: expected {len(variables)} variables, it has "
                f"{len(values)}, or their shapes differ. Delete that file to start anew"
            )
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)


def save(
    work_dir: Path,
    network: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    settings: TrainingSettings,
    steps_per_epoch: int,
    history: History,
) -> None:
    """Writes weights, the optimizer's state, random states and history.

    Args:
        work_dir: The run's folder.
        network: The whole network, what is frozen too.
        optimizer: A built optimizer.
        settings: The run's settings; only they may go on from this checkpoint.
        steps_per_epoch: Likewise.
        history: The figures of each epoch so far.
    """
    run = {"history": history, "run": _run(settings, steps_per_epoch)}
    arrays = {
        f"{part}_{index}": np.asarray(variable)
        for part, variables in (("network", network.variables), ("optimizer", optimizer.variables))
        for index, variable in enumerate(variables)
    }
    content = io.BytesIO()
    np.savez(content, json=np.array(json.dumps(run)), **arrays)  # type: ignore[arg-type]
    _write(work_dir / _CHECKPOINT, content.getbuffer())
    write_history(work_dir, history)


def load(work_dir: Path, settings: TrainingSettings, steps_per_epoch: int) -> Checkpoint:
    """Returns what the last finished epoch left; of a run that starts, an empty checkpoint.

    Raises:
        ValueError: The checkpoint is of other settings.
    """
    path = work_dir / _CHECKPOINT
    if not path.exists():
        return Checkpoint(path)
    with np.load(path) as stored:
        content = json.loads(str(stored["json"]))
    found = content["run"]
    different = [
        f"{name} was {found.get(name)!r} and is {value!r}"
        for name, value in _run(settings, steps_per_epoch).items()
        if found.get(name) != value
    ]
    if different:
        raise ValueError(
            f"{path} is of a run with other settings: {'; '.join(different)}. Set them as they were, or "
            "delete that file to start anew"
        )
    # The history's file may be older, where a run was killed between the two.
    write_history(work_dir, content["history"])
    return Checkpoint(path, content["history"])


def write_history(work_dir: Path, history: History) -> None:
    """Writes the figures of each epoch as CSV."""
    columns = list(dict.fromkeys(name for figures in history for name in figures))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    writer.writerows(history)
    _write(work_dir / _HISTORY, text.getvalue().encode())


def _run(settings: TrainingSettings, steps_per_epoch: int) -> dict[str, object]:
    run = {**dataclasses.asdict(settings), "steps_per_epoch": steps_per_epoch}
    return json.loads(json.dumps(run))  # as it comes back: tuples are lists


def _write(path: Path, content: bytes | memoryview) -> None:
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)

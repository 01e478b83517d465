"""One trial: a short training with some values, and how it ended."""

import contextlib
import dataclasses
import logging
import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import tensorflow as tf

from kfer.files import DamagedError, new_folder, read_csv, read_json, write_csv, write_json, write_text
from kfer.processes import in_fresh_process
from kfer.search.objective import Objective
from kfer.settings import PipelineSettings, TrainingSettings
from kfer.settings.space import with_values

_OUTCOME, _HISTORY, _TRAINING = "outcome.json", "history.csv", "training"
_ATTEMPTS, _MOST_ATTEMPTS = "attempts", 3
_OWNER = "owner"
_BATCH_SIZE = "training.batch_size"
_NO_MEMORY = ("STATUS_ALLOC_FAILED", "CUDA_ERROR_OUT_OF_MEMORY", "Out of memory")
_log = logging.getLogger(__name__)
History = list[dict[str, float]]


class Train(Protocol):
    """Trains a network for some settings; can be pickled, where trials have processes of their own."""

    def figures(self, settings: PipelineSettings) -> list[str]:
        """Returns the names of the validation figures that epochs will have."""

    def __call__(
        self,
        settings: PipelineSettings,
        work_dir: Path,
        score: Callable[[Mapping[str, float]], float],
        until: int,
    ) -> History:
        """Trains from the checkpoint in a folder, if there is one, until an epoch.

        Args:
            settings: What to train.
            work_dir: Of checkpoints.
            score: As `kfer.training.train` takes it.
            until: Likewise.

        Returns:
            The figures of each epoch, "val_score" among them.

        Raises:
            DamagedError: The checkpoint cannot be read.
            FloatingPointError: The loss is not a number.
            MemoryError: Memory is too short; or TensorFlow's errors that say so.
        """


@dataclass(frozen=True)
class Outcome:
    """How a trial ended.

    Attributes:
        trial: Its number, as Keras Tuner writes it.
        values: What it tried, by the dotted names of settings.
        score: None where it failed.
        failure: Why it failed; empty where it did not.
        figures: Of the epoch that is judged: its last one, with `tuning.patience` its best.
        epochs: How many it had, with those of the trial that it goes on from.
        seconds: That it took, in this process.
        batch_size: That it ended with.
        ended: When, in seconds since 1970.
        worker: Which worker ran it; empty in a search of one process.
    """

    trial: str
    values: Mapping[str, Any]
    score: float | None
    failure: str
    figures: Mapping[str, float]
    epochs: int
    seconds: float
    batch_size: int
    ended: float = 0.0
    worker: str = ""

    def judged_values(self, base: PipelineSettings) -> dict[str, Any]:
        """Returns its values, with the batch size that it was judged with if that had to be smaller.

        Args:
            base: The settings that the values change.
        """
        asked_for = self.values.get(_BATCH_SIZE, base.training.batch_size)
        smaller = {} if self.batch_size == asked_for else {_BATCH_SIZE: self.batch_size}
        return {**self.values, **smaller}


@dataclass(frozen=True)
class Plan:
    """What a trial is to do.

    Attributes:
        trial: Its number, as Keras Tuner writes it: its folder has it, and what users are told.
        values: To try, by the dotted names of settings.
        until: The epoch that it trains to, of `tuning.epochs`.
        goes_on_from: The folder of the trial that it goes on from; None where it starts anew.
        worker: Which worker runs it; empty in a search of one process.
    """

    trial: str
    values: Mapping[str, Any]
    until: int
    goes_on_from: Path | None = None
    worker: str = ""


def run(train: Train, base: PipelineSettings, objective: Objective, plan: Plan, folder: Path) -> Outcome:
    """Runs a trial, or goes on with it after its last epoch, and keeps how it ended.

    A loss that is not a number, values that do not fit each other, and too little memory end the trial
    alone; so does an epoch in which its process died three times, and an error of the training where
    other trials had none.

    Args:
        train: Trains.
        base: The settings that the values change, and those of the search.
        objective: What it is judged by.
        plan: What to do.
        folder: The trial's; of its checkpoints little is left at the end.

    Raises:
        LostTrialError: Another process has begun to run it; what it wrote stays as it is.
    """
    start = time.monotonic()
    values, tuning = plan.values, base.tuning
    batch_size = 0
    try:
        with _counted(folder):
            settings = with_values(base, values)
            batch_size = settings.training.batch_size
            for smaller in range(tuning.smaller_batches + 1):
                batch_size = max(settings.training.batch_size >> smaller, 1)
                try:
                    history = _train(train, base, settings, batch_size, objective, plan, folder)
                    break
                except (MemoryError, BrokenProcessPool) as error:
                    told = (str(error).splitlines() or ["nothing more is known"])[0]
                    reason = f"out of memory at a batch of {batch_size}: {told}"
                    if isinstance(error, BrokenProcessPool):
                        reason = (
                            f"its process was ended at a batch of {batch_size}; was memory too short?"
                        )
                    if smaller == tuning.smaller_batches:
                        raise _FailedError(reason) from error
                    _log.warning("trial %s: %s; it is tried again with half of it", plan.trial, reason)
    except (FloatingPointError, ValueError, _FailedError) as error:
        if isinstance(error, ValueError) and batch_size and not _any_scored(folder.parent):
            raise  # Of the training, not of the values, as far as is known: all trials would have it.
        outcome = Outcome(plan.trial, values, None, str(error), {}, 0, 0.0, batch_size)
    else:
        figures = max(history, key=lambda epoch: epoch["val_score"]) if tuning.patience else history[-1]
        outcome = Outcome(
            *(plan.trial, values, figures["val_score"], "", figures, len(history), 0.0, batch_size)
        )
        write_csv(folder / _HISTORY, history)
    outcome = dataclasses.replace(
        outcome, seconds=time.monotonic() - start, ended=time.time(), worker=plan.worker
    )
    write_json(folder / _OUTCOME, dataclasses.asdict(outcome))
    (folder / _OWNER).unlink(missing_ok=True)
    return outcome


@contextlib.contextmanager
def _counted(folder: Path) -> Iterator[None]:
    """Counts how often a trial's process was killed since its last whole epoch."""
    file = folder / _ATTEMPTS
    count = len(file.read_text()) if file.exists() else 0
    try:
        if count >= _MOST_ATTEMPTS:
            raise _FailedError(
                f"its process was ended {count} times within one epoch; was memory too short?"
            )
        write_text(file, "|" * (count + 1))
        yield
    finally:
        file.unlink(missing_ok=True)


def _any_scored(project: Path) -> bool:
    ended = (outcome(folder) for folder in project.glob("trial_*"))
    return any(each is not None and each.score is not None for each in ended)


class _Score:
    """The score of an epoch that the trial has lived through, while it is this process that runs it."""

    def __init__(self, objective: Objective, folder: Path) -> None:
        self._objective, self._folder = objective, folder
        self._owner, self._token = folder / _OWNER, uuid.uuid4().hex
        write_text(self._owner, self._token)

    def __call__(self, figures: Mapping[str, float]) -> float:
        # Before the epoch's checkpoint is written: a worker that was cut off from its chief for long may
        # not know yet that another one has its trial.
        if not self._owner.exists() or self._owner.read_text() != self._token:
            raise LostTrialError(f"another process has taken over the trial in {self._folder}")
        (self._folder / _ATTEMPTS).unlink(missing_ok=True)
        return self._objective.score(figures)


class LostTrialError(RuntimeError):
    """A trial that another process runs now."""


class _FailedError(Exception):
    """A trial that cannot be run."""


def _train(
    train: Train,
    base: PipelineSettings,
    settings: PipelineSettings,
    batch_size: int,
    objective: Objective,
    plan: Plan,
    folder: Path,
) -> History:
    tuning = base.tuning
    try:
        shortened = dataclasses.replace(
            _shortened(settings.training, tuning.epochs),
            batch_size=batch_size,
            stop_metric="val_score" if tuning.patience else "",
            patience=tuning.patience,
            keep_best=False,
        )
    except ValueError as error:  # The halved batch has no room for what must be in it.
        raise _FailedError(str(error)) from error
    settings = dataclasses.replace(settings, training=shortened)
    work_dir = folder / _TRAINING / str(batch_size)
    if plan.goes_on_from is not None and not work_dir.exists():
        earlier = plan.goes_on_from / _TRAINING / str(batch_size)
        if earlier.exists():
            work_dir.parent.mkdir(parents=True, exist_ok=True)
            with new_folder(work_dir) as new:
                shutil.copytree(earlier, new, dirs_exist_ok=True)
    score = _Score(objective, folder)

    def call() -> History:
        if tuning.own_process:
            return in_fresh_process(_call, train, settings, work_dir, score, plan.until)
        return _call(train, settings, work_dir, score, plan.until)

    try:
        return call()
    except DamagedError as error:
        _log.warning("trial %s starts anew: %s", plan.trial, error)
        shutil.rmtree(work_dir)
        return call()


def _call(
    train: Train,
    settings: PipelineSettings,
    work_dir: Path,
    score: Callable[[Mapping[str, float]], float],
    until: int,
) -> History:
    try:
        return train(settings, work_dir, score, until)
    except tf.errors.OpError as error:
        # TensorFlow's own cannot come back from another process. cuDNN and cuBLAS have errors that do not
        # say by their type that memory is too short.
        is_exhausted = isinstance(error, tf.errors.ResourceExhaustedError)
        if is_exhausted or any(sign in str(error) for sign in _NO_MEMORY):
            raise MemoryError(str(error)) from error
        raise


def _shortened(training: TrainingSettings, epochs: int) -> TrainingSettings:
    share = min(epochs / training.total_epochs(), 1.0)
    return dataclasses.replace(
        training,
        epochs=epochs,
        stages=tuple(dataclasses.replace(stage, epochs=epochs) for stage in training.stages[-1:]),
        warmup_epochs=training.warmup_epochs * share,
    )


def remove_checkpoints(folder: Path) -> None:
    """Deletes what a finished trial could go on from; checkpoints of large networks would fill the disk.

    Args:
        folder: The trial's.
    """
    shutil.rmtree(folder / _TRAINING, ignore_errors=True)


def history(folder: Path) -> History:
    """Returns the figures of each epoch of the trial in a folder; none where it has no score."""
    file = folder / _HISTORY
    if not file.exists():
        return []
    try:
        return [{name: float(text) for name, text in row.items() if text} for row in read_csv(file)]
    except (ValueError, TypeError) as error:
        _log.warning("%s is damaged (%s): its epochs are not shown", file, error)
        return []


def outcome(folder: Path) -> Outcome | None:
    """Returns how the trial in a folder ended; None where it did not, or its file cannot be read."""
    try:
        return Outcome(**read_json(folder / _OUTCOME))
    except (OSError, ValueError, TypeError):
        return None

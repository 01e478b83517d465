"""The training loop."""

import logging
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import tensorflow as tf

from kfer.input_pipeline import Decoded
from kfer.settings import TrainingSettings
from kfer.training import checkpoint
from kfer.training.optimization import active_tasks, trainable
from kfer.training.validation import Validation

_SECONDS_BETWEEN_LINES = 10.0
_log = logging.getLogger(__name__)

MakeBatches = Callable[[int], tf.data.Dataset]


def train(
    model: keras.Model,
    make_batches: MakeBatches,
    steps_per_epoch: int,
    validation: Decoded,
    settings: TrainingSettings,
    work_dir: str | Path,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> checkpoint.History:
    """Trains a network, or goes on after the last epoch that `work_dir` has a checkpoint of.

    Args:
        model: From `kfer.models.build`; trained in place.
        make_batches: Returns, from a step on, the endless batches of float or uint8 images
            `[n, h, w, c]` and a dict of int32 labels `[n]`, "expression" and "identity", negative
            where missing. Batches must be a function of the step: a run that was killed then ends
            as one that was not.
        steps_per_epoch: Batches an epoch.
        validation: What each epoch is validated on.
        settings: How to train.
        work_dir: Holds "checkpoint.npz", "history.csv" and TensorBoard's "logs".
        callbacks: Further Keras callbacks, called after validation.

    Returns:
        The figures of each epoch: "epoch" (from 1), "loss", "expression_loss", "identity_loss",
        "expression_accuracy", "learning_rate", "images_per_second", and those of `Validation`.

    Raises:
        ValueError: `work_dir` has a checkpoint of other settings or of another network.
        FloatingPointError: The loss is not a number.
    """
    work_dir = Path(work_dir)
    work_dir.mkdir(parents=True, exist_ok=True)
    part = trainable(model, settings, steps_per_epoch)
    history = checkpoint.restore(work_dir, part, settings, steps_per_epoch)
    if history:
        _log.info("going on after epoch %d of %d", len(history), settings.epochs)
    if len(history) == settings.epochs:
        return history
    tasks = active_tasks(model)
    batches = make_batches(len(history) * steps_per_epoch).map(
        lambda images, labels: (images, {task: labels[task] for task in tasks})
    )
    validate = Validation(model, validation, settings.validation_pairs, settings.seed)
    part.fit(
        batches,
        epochs=settings.epochs,
        initial_epoch=len(history),
        steps_per_epoch=steps_per_epoch,
        shuffle=False,
        verbose=0,
        callbacks=[
            _Epochs(settings, steps_per_epoch, validate),
            keras.callbacks.TensorBoard(work_dir / "logs", write_graph=False),
            *callbacks,
            _Record(settings, steps_per_epoch, history, work_dir),
        ],
    )
    return history


class _Epochs(keras.callbacks.Callback):
    """Watches the loss, adds an epoch's figures to Keras's logs, and says how far the run is."""

    def __init__(self, settings: TrainingSettings, steps_per_epoch: int, validate: Validation) -> None:
        super().__init__()
        self._settings, self._steps, self._validate = settings, steps_per_epoch, validate

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        self._start = time.monotonic()
        self._finished = 0

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._epoch = epoch + 1
        self._epoch_start = self._last_line = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        assert logs is not None
        if not math.isfinite(logs["loss"]):
            raise FloatingPointError(
                f"the loss is {logs['loss']} in epoch {self._epoch}, step {batch + 1}: lower "
                f"training.learning_rate (now {self._settings.learning_rate:g}) or warm up longer "
                f"(training.warmup_epochs, now {self._settings.warmup_epochs:g})"
            )
        now = time.monotonic()
        if now - self._last_line >= _SECONDS_BETWEEN_LINES:
            self._last_line = now
            speed = (batch + 1) * self._settings.batch_size / (now - self._epoch_start)
            _log.info(
                "  epoch %d of %d: %d of %d steps, loss %.3f, %.0f images a second",
                *(self._epoch, self._settings.epochs, batch + 1, self._steps, logs["loss"], speed),
            )

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        assert logs is not None
        seconds = time.monotonic() - self._epoch_start
        tasks = active_tasks(self.model)
        if len(tasks) == 1:  # Keras names figures by task only where there are several.
            logs[f"{tasks[0]}_loss"] = logs["loss"] / getattr(self._settings, f"{tasks[0]}_weight")
            if "accuracy" in logs:
                logs["expression_accuracy"] = logs.pop("accuracy")
        logs["learning_rate"] = float(self.model.optimizer.learning_rate)
        logs["images_per_second"] = self._steps * self._settings.batch_size / seconds
        logs.update(self._validate())
        self._finished += 1
        epochs_left = self._settings.epochs - self._epoch
        seconds_left = (time.monotonic() - self._start) / self._finished * epochs_left
        told = {
            name.replace("_", " "): value
            for name, value in logs.items()
            if name not in ("learning_rate", "images_per_second")
        }
        _log.info(
            "epoch %d of %d: %s; %.0f images a second, %s left",
            self._epoch,
            self._settings.epochs,
            ", ".join(f"{name} {value:.3f}" for name, value in told.items()),
            logs["images_per_second"],
            f"{seconds_left / 60:.0f} min" if seconds_left >= 100 else f"{seconds_left:.0f} s",
        )


class _Record(keras.callbacks.Callback):
    """Saves a checkpoint and the history after each epoch."""

    def __init__(
        self,
        settings: TrainingSettings,
        steps_per_epoch: int,
        history: checkpoint.History,
        work_dir: Path,
    ) -> None:
        super().__init__()
        self._settings, self._steps, self._history = settings, steps_per_epoch, history
        self._work_dir = work_dir

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        figures = {name: float(value) for name, value in (logs or {}).items()}
        self._history.append({"epoch": epoch + 1, **figures})
        checkpoint.save(self._work_dir, self.model, self._settings, self._steps, self._history)

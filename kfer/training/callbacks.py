"""What is said and kept of each epoch: figures, log lines, the history and checkpoints."""

import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import keras

from kfer.settings import FineTuningStage, TrainingSettings
from kfer.settings.tasks import Tasks
from kfer.training import checkpoint
from kfer.training.devices import Devices
from kfer.training.stopping import best_epoch, is_finished, of_stage

_SECONDS_BETWEEN_LINES = 10.0
_log = logging.getLogger(__name__)


class Progress(keras.callbacks.Callback):
    """Adds an epoch's learning rate, speed and validation to Keras's logs, and says how far a run is.

    Args:
        settings: Of the whole run.
        steps_per_epoch: Batches an epoch.
        devices: The chief validates, and tells the others.
    """

    #: What the stage is validated with; set before it starts.
    validate: Callable[[], dict[str, float]]

    def __init__(self, settings: TrainingSettings, steps_per_epoch: int, devices: Devices) -> None:
        super().__init__()
        self._settings, self._steps, self._devices = settings, steps_per_epoch, devices
        self._epochs = settings.total_epochs()
        self._start = time.monotonic()
        self._finished = 0

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Starts the clock."""
        self._epoch = epoch + 1
        self._epoch_start = self._last_line = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Says every few seconds how far the epoch is."""
        assert logs is not None
        now = time.monotonic()
        if now - self._last_line >= _SECONDS_BETWEEN_LINES:
            self._last_line = now
            speed = (batch + 1) * self._settings.batch_size / (now - self._epoch_start)
            _log.info(
                "  epoch %d of %d: %d of %d steps, loss %.3f, %.0f images a second",
                *(self._epoch, self._epochs, batch + 1, self._steps, logs["loss"], speed),
            )

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Validates, adds the figures to the logs, and says them."""
        assert logs is not None
        seconds = time.monotonic() - self._epoch_start
        logs["learning_rate"] = float(self.model.optimizer.learning_rate)
        logs["images_per_second"] = self._steps * self._settings.batch_size / seconds
        logs.update(self.validate() if self._devices.is_chief else {})
        # Speeds differ between processes, and sums of floats may; all must decide alike by these.
        logs.update(self._devices.from_chief(logs))
        self._finished += 1
        epochs_left = self._epochs - self._epoch
        seconds_left = (time.monotonic() - self._start) / self._finished * epochs_left
        told = {name.replace("_", " "): value for name, value in logs.items() if self._is_told(name)}
        _log.info(
            "epoch %d of %d: %s; %.0f images a second, %s left",
            self._epoch,
            self._epochs,
            ", ".join(f"{name} {value:.3f}" for name, value in told.items()),
            logs["images_per_second"],
            f"{seconds_left / 60:.0f} min" if seconds_left >= 100 else f"{seconds_left:.0f} s",
        )

    def _is_told(self, name: str) -> bool:
        if name.endswith("_weight"):
            return self._settings.weighting != "fixed"
        return name not in ("learning_rate", "images_per_second")


class Record(keras.callbacks.Callback):
    """Appends to the history, and saves it with a checkpoint; ends a stage that is finished.

    Args:
        history: Of the whole run.
        facts: Further figures of each epoch of the stage, its number "stage" among them.
        stage: The stage.
        settings: Of the run.
        tasks: What it learns.
        steps_per_epoch: Batches an epoch.
        network: The network that epochs are judged by.
        parts: What the run goes on from, as `checkpoint.save` takes it.
        work_dir: The chief writes there.
        devices: Whether this is the chief.
    """

    def __init__(
        self,
        history: checkpoint.History,
        facts: Mapping[str, float],
        stage: FineTuningStage,
        settings: TrainingSettings,
        tasks: Tasks,
        steps_per_epoch: int,
        network: keras.Model,
        parts: checkpoint.Parts,
        work_dir: Path,
        devices: Devices,
    ) -> None:
        super().__init__()
        self._history, self._facts, self._stage = history, facts, stage
        self._settings, self._tasks, self._steps = settings, tasks, steps_per_epoch
        self._network, self._parts = network, parts
        self._work_dir, self._devices = work_dir, devices

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Keeps the epoch, and ends the stage after its last one."""
        figures = {name: float(value) for name, value in (logs or {}).items()}
        self._history.append({"epoch": epoch + 1, **self._facts, **figures})
        if self._devices.is_chief:
            self._save()
        if is_finished(of_stage(self._history, int(self._facts["stage"])), self._stage, self._settings):
            self.model.stop_training = True

    def _save(self) -> None:
        best = best_epoch(self._history, self._settings.stop_metric) if self._settings.keep_best else 0
        if best == len(self._history):
            checkpoint.save_best(self._work_dir, best, self._network)
        run = checkpoint.run_of(self._settings, self._tasks, self._steps)
        checkpoint.save(self._work_dir, self._parts, run, self._history)
        if best:
            checkpoint.remove_worse(self._work_dir, best)

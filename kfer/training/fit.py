"""The training loop."""

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import tensorflow as tf

from kfer import models
from kfer.input_pipeline import Decoded
from kfer.settings import FineTuningStage, TrainingSettings
from kfer.training import checkpoint
from kfer.training.features import FeatureCache, with_features
from kfer.training.optimization import active_tasks, trainable
from kfer.training.stages import ParameterCounts, freeze, parameter_counts, thawed_afterwards
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
    cache: FeatureCache | None = None,
) -> checkpoint.History:
    """Trains a network, or goes on after the last epoch that `work_dir` has a checkpoint of.

    Args:
        model: From `kfer.models.build`; trained in place. What `settings.stages` freezes is free to
            train again afterwards.
        make_batches: Returns, from a step on, the endless batches of float or uint8 images
            `[n, h, w, c]` and a dict of int32 labels `[n]`, "expression" and "identity", negative
            where missing. Batches must be a function of the step: a run that was killed then ends
            as one that was not.
        steps_per_epoch: Batches an epoch.
        validation: What each epoch is validated on.
        settings: How to train.
        work_dir: Holds "checkpoint.npz", "history.csv", TensorBoard's "logs", and features that do not
            fit in memory.
        callbacks: Further Keras callbacks, called after validation. Each of `settings.stages` begins
            and ends a training for them; epochs are numbered through.
        cache: What `settings.cache_features` needs.

    Returns:
        The figures of each epoch: "epoch" and "stage" (from 1), "trainable_parameters", "loss",
        "expression_loss", "identity_loss", "expression_accuracy", "learning_rate" (of the heads),
        "images_per_second", and those of `Validation`.

    Raises:
        ValueError: `work_dir` has a checkpoint of other settings or of another network, the backbone
            lacks a stage that is to be unfrozen, or features are to be cached without `cache`.
        FloatingPointError: The loss is not a number.
    """
    if settings.cache_features and cache is None:
        raise ValueError(
            "training.cache_features is set: expected a FeatureCache as argument `cache`; got None"
        )
    counts = parameter_counts(model, settings)
    work_dir = Path(work_dir)
    work_dir.mkdir(parents=True, exist_ok=True)
    saved = checkpoint.load(work_dir, settings, steps_per_epoch)
    history = saved.history
    if history:
        saved.restore_network(model)
        _log.info("going on after epoch %d of %d", len(history), settings.total_epochs())
    if len(history) == settings.total_epochs():
        return history
    watch = _Epochs(settings, steps_per_epoch)
    whole = _Input(Validation(model, validation, settings.validation_pairs, settings.seed), make_batches)
    last = 0
    with thawed_afterwards(model):
        for number, (stage, count) in enumerate(zip(settings.planned_stages(), counts, strict=True), 1):
            first, last = last, last + stage.epochs
            if len(history) >= last:
                continue
            _log_stage(number, stage, settings, count)
            if settings.stages:
                freeze(model, stage)
            cached = settings.cache_features and not stage.unfreeze
            part = trainable(model, settings, steps_per_epoch, stage, from_features=cached)
            if len(history) > first:
                saved.restore_optimizer(part.optimizer)
            given = _features(model, validation, settings, work_dir, cache) if cached else whole
            watch.validate = given.validate
            facts = {"stage": number, "trainable_parameters": count.trainable_parameters}
            part.fit(
                _labelled(given.make_batches(len(history) * steps_per_epoch), active_tasks(model)),
                epochs=last,
                initial_epoch=len(history),
                steps_per_epoch=steps_per_epoch,
                shuffle=False,
                verbose=0,
                callbacks=[
                    watch,
                    keras.callbacks.TensorBoard(work_dir / "logs", write_graph=False),
                    *callbacks,
                    _Record(model, settings, steps_per_epoch, history, facts, work_dir),
                ],
            )
    return history


@dataclass(frozen=True)
class _Input:
    """What a stage is validated with, and trained on: images, or features in their place."""

    validate: Validation
    make_batches: MakeBatches


def _features(
    model: keras.Model,
    validation: Decoded,
    settings: TrainingSettings,
    work_dir: Path,
    cache: FeatureCache | None,
) -> _Input:
    assert cache is not None
    make_batches = cache.make_batches
    trunk, heads = models.split(model)
    examples, validation = (
        with_features(trunk, split, cache.memory_budget_gb, work_dir / f"features_{name}.npy")
        for name, split in (("train", cache.examples), ("validation", validation))
    )
    return _Input(
        Validation(heads, validation, settings.validation_pairs, settings.seed),
        lambda step: make_batches(examples, step),
    )


def _labelled(batches: tf.data.Dataset, tasks: Sequence[str]) -> tf.data.Dataset:
    return batches.map(lambda images, labels: (images, {task: labels[task] for task in tasks}))


def _log_stage(
    number: int, stage: FineTuningStage, settings: TrainingSettings, count: ParameterCounts
) -> None:
    _log.info(
        "stage %d of %d, epochs: %d, training %s: %s parameters train, %s are frozen",
        number,
        len(settings.planned_stages()),
        stage.epochs,
        " and ".join(["the heads", *stage.unfreeze]),
        f"{count.trainable_parameters:,}",
        f"{count.frozen_parameters:,}",
    )


class _Epochs(keras.callbacks.Callback):
    """Watches the loss, adds an epoch's figures to Keras's logs, and says how far the run is."""

    validate: Validation

    def __init__(self, settings: TrainingSettings, steps_per_epoch: int) -> None:
        super().__init__()
        self._settings, self._steps = settings, steps_per_epoch
        self._epochs = settings.total_epochs()
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
                *(self._epoch, self._epochs, batch + 1, self._steps, logs["loss"], speed),
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
        logs.update(self.validate())
        self._finished += 1
        epochs_left = self._epochs - self._epoch
        seconds_left = (time.monotonic() - self._start) / self._finished * epochs_left
        told = {
            name.replace("_", " "): value
            for name, value in logs.items()
            if name not in ("learning_rate", "images_per_second")
        }
        _log.info(
            "epoch %d of %d: %s; %.0f images a second, %s left",
            self._epoch,
            self._epochs,
            ", ".join(f"{name} {value:.3f}" for name, value in told.items()),
            logs["images_per_second"],
            f"{seconds_left / 60:.0f} min" if seconds_left >= 100 else f"{seconds_left:.0f} s",
        )


class _Record(keras.callbacks.Callback):
    """Saves a checkpoint and the history after each epoch."""

    def __init__(
        self,
        network: keras.Model,
        settings: TrainingSettings,
        steps_per_epoch: int,
        history: checkpoint.History,
        facts: Mapping[str, float],
        work_dir: Path,
    ) -> None:
        super().__init__()
        self._network, self._settings, self._steps = network, settings, steps_per_epoch
        self._history, self._facts, self._work_dir = history, facts, work_dir

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        figures = {name: float(value) for name, value in (logs or {}).items()}
        self._history.append({"epoch": epoch + 1, **self._facts, **figures})
        optimizer = self.model.optimizer
        checkpoint.save(
            self._work_dir, self._network, optimizer, self._settings, self._steps, self._history
        )

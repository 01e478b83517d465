"""A training: its stages, from an untrained network and batches to a trained network."""

import functools
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from kfer import models
from kfer.augmentation import MIX, mixed_name
from kfer.input_pipeline import Decoded
from kfer.settings import FineTuningStage, TrainingSettings
from kfer.settings.tasks import Tasks
from kfer.training import checkpoint, weighting
from kfer.training.averaging import Average
from kfer.training.callbacks import Progress, Record
from kfer.training.cluster import lost_peers
from kfer.training.devices import Devices, connect
from kfer.training.features import FeatureCache, shared_file, with_features
from kfer.training.loop import run_epochs
from kfer.training.optimization import active_tasks, objectives, optimizer, trained_part
from kfer.training.replication import assign, part_seeds, replicated
from kfer.training.stages import ParameterCounts, freeze, parameter_counts, thawed_afterwards
from kfer.training.step import Labels, Step
from kfer.training.stopping import best_epoch, check_metric, is_finished, of_stage
from kfer.training.validation import Validation

# What TensorFlow raises when another process is gone.
_PEER_ERRORS = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
)
_log = logging.getLogger(__name__)

MakeBatches = Callable[..., tf.data.Dataset]
#: The figure that `score` of `train` adds.
SCORE = "val_score"


def train(
    model: keras.Model,
    make_batches: MakeBatches,
    steps_per_epoch: int,
    validation: Decoded,
    settings: TrainingSettings,
    tasks: Tasks,
    work_dir: str | Path,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    cache: FeatureCache | None = None,
    class_counts: Mapping[str, np.ndarray] | None = None,
    describe_batch: Callable[[int], str] | None = None,
    score: Callable[[Mapping[str, float]], float] | None = None,
    until: int | None = None,
) -> checkpoint.History:
    """Trains a network, or goes on after the last epoch that `work_dir` has a checkpoint of.

    With `settings.strategy` "multi_worker" each process calls it, with the same arguments but for a
    `work_dir` of its own, after `connect`. All start from what the first process, the chief, has: its
    weights, and the checkpoint in its `work_dir`. It alone validates and writes files.

    Args:
        model: From `kfer.models.build`; trained in place. What `settings.stages` freezes is free to
            train again afterwards.
        make_batches: Returns, from a step on, the endless batches of float or uint8 images
            `[n, h, w, c]` and a dict of labels by feature, int32 `[n]`, negative where missing, or
            float32 `[n, k]`, nan where missing. Batches must be a function of the step: a run that was
            killed then ends as one that was not. With several processes it is called with a second
            argument, the rows of each batch that are wanted, int64 `[m]`.
        steps_per_epoch: Batches an epoch.
        validation: What each epoch is validated on.
        settings: How to train.
        tasks: What to learn; those that the network has no output for are left out.
        work_dir: Holds "checkpoint.npz", "history.csv", TensorBoard's "logs", with `settings.keep_best`
            the weights of the best epoch, and features that do not fit in memory.
        callbacks: Further Keras callbacks, called after validation, in every process. Each of
            `settings.stages` begins and ends a training for them; epochs are numbered through. During
            an epoch they see the weights of the last one, where `settings` average weights or name
            several devices.
        cache: What `settings.cache_features` needs.
        class_counts: For tasks with `imbalance`, the labelled examples of each class in the training
            split, `[num_classes]`.
        describe_batch: Says of a step, counted from 0 over the whole run, which examples it sees; for
            the message where its loss is not a number.
        score: From an epoch's validation figures to one that is added to them, "val_score".
        until: Ends after this epoch, although the settings have more; called again with a later one it
            goes on as if it had not ended.

    Returns:
        The figures of each epoch: "epoch" and "stage" (from 1), "trainable_parameters", "loss",
        "<task>_loss", "<task>_weight", "<task>_accuracy" of classes, "learning_rate" (of the heads),
        "images_per_second", and those of `Validation`.

    Raises:
        ValueError: `work_dir` has a checkpoint of other settings or of another network, the backbone
            lacks a stage that is to be unfrozen, features are to be cached without `cache` or beside
            teachers, a teacher does not fit, a batch cannot be shared out evenly, or epochs have no
            figure called `settings.stop_metric`.
        FloatingPointError: The loss, or a weight after an epoch, is not a number. The checkpoint of the
            last epoch stays.
        ConnectionError: Another process is gone; all can be started again.
    """
    if settings.cache_features and cache is None:
        raise ValueError(
            "training.cache_features is set: expected a FeatureCache as argument `cache`; got None"
        )
    devices = connect(settings)
    devices.check(settings)
    run = _Run(
        *(model, steps_per_epoch, validation, settings, active_tasks(model, tasks), Path(work_dir)),
        *(devices, list(callbacks), class_counts, describe_batch),
        *(score, settings.total_epochs() if until is None else until),
    )
    try:
        return run.train(make_batches, cache)
    except _PEER_ERRORS as error:
        if devices.cluster is None:
            raise
        raise ConnectionError(
            f"{lost_peers(devices.cluster, str(error))} no longer answers: the training stops after "
            f"epoch {len(run.history)}. Start all processes again; they go on after the last checkpoint "
            "of the chief"
        ) from error


@dataclass(frozen=True)
class _Input:
    """What a stage is validated with, and trained on: images, or features in their place."""

    validate: Callable[[], dict[str, float]]
    make_batches: MakeBatches


class _Run:
    """A training from its first or next epoch to its last.

    `model` is the network that was given, and holds what epochs are judged by. `network` is the one that
    steps change: the same, or a copy where weights are averaged or live on several devices.
    """

    def __init__(
        self,
        model: keras.Model,
        steps_per_epoch: int,
        validation: Decoded,
        settings: TrainingSettings,
        tasks: Tasks,
        work_dir: Path,
        devices: Devices,
        callbacks: list[keras.callbacks.Callback],
        class_counts: Mapping[str, np.ndarray] | None,
        describe_batch: Callable[[int], str] | None,
        score: Callable[[Mapping[str, float]], float] | None,
        until: int,
    ) -> None:
        self._model, self._steps, self._validation = model, steps_per_epoch, validation
        self._settings, self._tasks, self._work_dir = settings, tasks, work_dir
        self._devices, self._callbacks = devices, callbacks
        self._class_counts, self._describe_batch = class_counts, describe_batch
        self._score, self._until = score, until
        self.history: checkpoint.History = []

    def train(self, make_batches: MakeBatches, cache: FeatureCache | None) -> checkpoint.History:
        settings, devices = self._settings, self._devices
        counts = parameter_counts(self._model, settings)
        self._start(make_batches)
        progress = Progress(settings, self._steps, devices)
        validate = self._validated(self._model, self._validation)
        whole = _Input(self._scored(validate), make_batches)
        if devices.is_chief and not self.history:
            self._check_metric(validate)
        with thawed_afterwards(self._model):
            for number, (stage, count) in enumerate(
                zip(settings.planned_stages(), counts, strict=True), 1
            ):
                if is_finished(of_stage(self.history, number), stage, settings):
                    continue
                if len(self.history) >= self._until:
                    break
                self._log_stage(number, stage, count)
                for network in {id(each): each for each in (self._model, self._network)}.values():
                    if settings.stages:
                        freeze(network, stage)
                cached = settings.cache_features and not stage.unfreeze
                given = self._features(cache) if cached and cache else whole
                progress.validate = given.validate
                self._train_stage(number, stage, count, given.make_batches, progress, cached)
        if settings.keep_best and devices.is_chief:
            best = best_epoch(self.history, settings.stop_metric)
            checkpoint.restore_best(self._work_dir, best, self._model)
            _log.info("the network is that of epoch %d, the best", best)
        # Also a barrier: who is done must not look like a process that is gone.
        devices.broadcast(self._model.variables)
        return self.history

    def _start(self, make_batches: MakeBatches) -> None:
        """Makes the networks, with the weights of the last epoch where there is one."""
        settings, devices = self._settings, self._devices
        saved = None
        if devices.is_chief:
            self._work_dir.mkdir(parents=True, exist_ok=True)
            saved = checkpoint.load(self._work_dir, checkpoint.run_of(settings, self._tasks, self._steps))
        self.history = devices.from_chief(saved.history if saved else [])
        devices.log(settings)
        self._saved = saved if self.history else None
        if self.history:
            _log.info("going on after epoch %d of %d", len(self.history), settings.total_epochs())
        else:
            models.calibrate(self._model, lambda: self._batches(make_batches, 0))
        self._restore("network", self._model.variables)
        self._teachers = self._taught_by()
        copied = settings.average or devices.num_replicas > 1
        self._network = replicated(self._model, devices) if copied else self._model
        if settings.average:
            self._restore("training", self._network.variables)
        part_seeds(self._network, devices)
        with devices.strategy.scope():
            self._weighting = weighting.for_settings(settings, self._tasks)
        self._restore("weighting", self._weighting.variables)

    def _taught_by(self) -> dict[str, list[keras.Model]]:
        """The teachers of each task, on each device."""
        found = models.teachers(self._model, self._tasks)
        if found and self._settings.cache_features:
            raise ValueError(
                f"tasks.{next(iter(found))}.teachers must see images: set training.cache_features to "
                "false"
            )
        if self._devices.num_replicas > 1:
            copies = {id(each): replicated(each, self._devices) for row in found.values() for each in row}
            found = {task: [copies[id(each)] for each in row] for task, row in found.items()}
        return found

    def _restore(self, part: str, variables: Sequence[keras.Variable]) -> None:
        """Gives variables what the checkpoint has, if there is one, in all processes."""
        if self._saved is not None:
            self._saved.restore(part, variables)
        self._devices.broadcast(variables)

    def _train_stage(
        self,
        number: int,
        stage: FineTuningStage,
        count: ParameterCounts,
        make_batches: MakeBatches,
        progress: Progress,
        from_features: bool,
    ) -> None:
        settings, devices, network = self._settings, self._devices, self._network
        done = len(of_stage(self.history, number))
        first = len(self.history)
        learned = objectives(network, self._tasks, self._class_counts, self._teachers)
        part = trained_part(network, learned, stage, from_features)
        with devices.strategy.scope():
            chosen = optimizer(network, settings, self._steps, stage)
            chosen.build([*part.trainable_variables, *self._weighting.trainable_variables])
        if done:
            self._restore("optimizer", chosen.variables)
        step = Step(
            *(part, learned, self._weighting, chosen, devices, settings.batch_size),
            settings.accumulation,
            Average(self._model, network, settings.average) if settings.average else None,
        )
        shown = part
        if network is not self._model:
            shown = trained_part(self._model, learned, stage, from_features)
        shown.compile(chosen, auto_scale_loss=False, jit_compile=False)
        facts = {"stage": number, "trainable_parameters": count.trainable_parameters}
        parts = {"network": self._model.variables, "optimizer": chosen.variables}
        parts["weighting"] = self._weighting.variables
        if settings.average:
            parts["training"] = network.variables
        record = Record(
            *(self.history, facts, stage, settings, self._tasks, self._steps, self._model, parts),
            *(self._work_dir, devices),
        )
        board = keras.callbacks.TensorBoard(self._work_dir / "logs", write_graph=False)
        run_epochs(
            *(step, self._weighting, self._batches(make_batches, first * self._steps)),
            range(first, min(first - done + stage.epochs, self._until)),
            self._steps,
            shown,
            [progress, *([board] if devices.is_chief else []), *self._callbacks, record],
            functools.partial(self._finish_epoch, parts),
            self._described,
        )

    def _finish_epoch(self, parts: checkpoint.Parts) -> None:
        """Gives the network that epochs are judged by the weights of the one in training; refuses nan."""
        if self._network is not self._model and not self._settings.average:
            assign(self._network, self._model)
        # The last step's loss was that of the weights before it.
        for variable in (variable for variables in parts.values() for variable in variables):
            if not _is_finite(variable):
                epoch = len(self.history)
                raise FloatingPointError(
                    f"{variable.path} is not finite after epoch {epoch + 1}: {self._remedies(epoch)}"
                )

    def _batches(self, make_batches: MakeBatches, start_step: int) -> tf.data.Dataset:
        """From a step on, this process's rows of each batch, with labels by task."""
        rows = self._devices.rows(self._settings)
        batches = make_batches(start_step, *([] if self._devices.num_workers == 1 else [rows]))
        mixes = MIX in batches.element_spec[1]
        features = {name: task.feature or name for name, task in self._tasks.items()}

        def labelled(images: tf.Tensor, labels: Labels) -> tuple[tf.Tensor, Labels]:
            if self._devices.num_workers == 1 and self._devices.num_replicas > 1:
                images, labels = tf.nest.map_structure(
                    lambda values: tf.gather(values, rows), (images, labels)
                )
            own = {name: labels[feature] for name, feature in features.items()}
            if not mixes:
                return images, own
            partners = {
                mixed_name(name): labels[mixed_name(feature)] for name, feature in features.items()
            }
            return images, {**own, **partners, MIX: labels[MIX]}

        return batches.map(labelled)

    def _validated(self, network: keras.Model, examples: Decoded) -> Validation:
        settings = self._settings
        return Validation(network, examples, self._tasks, settings.validation_pairs, settings.seed)

    def _scored(self, validate: Validation) -> Callable[[], dict[str, float]]:
        score = self._score
        if score is None:
            return validate

        def scored() -> dict[str, float]:
            figures = validate()
            return figures | {SCORE: score(figures)}

        return scored

    def _features(self, cache: FeatureCache) -> _Input:
        trunk, heads = models.split(self._model)
        shared = cache.shared_dir
        examples, validation = (
            with_features(
                *(trunk, split, cache.memory_budget_gb),
                shared_file(trunk, split, shared) if shared else self._work_dir / f"features_{name}.npy",
                keep=shared is not None,
            )
            for name, split in (("train", cache.examples), ("validation", self._validation))
        )
        return _Input(
            self._scored(self._validated(heads, validation)),
            lambda *where: cache.make_batches(examples, *where),
        )

    def _check_metric(self, validate: Validation) -> None:
        if not self._settings.stop_metric:
            return
        scores = [SCORE] if self._score else []
        of_tasks = [f"{name}_{figure}" for name in self._tasks for figure in ("loss", "accuracy")]
        check_metric(self._settings, ["loss", *of_tasks, *validate(), *scores])

    def _described(self, epoch: int, number: int, figures: Mapping[str, float]) -> str:
        """The message of a loss that is not a number."""
        losses = ", ".join(f"{task} {figures[f'{task}_loss']:g}" for task in self._tasks)
        batch = ""
        if self._describe_batch is not None:
            batch = f"; the batch: {self._describe_batch(epoch * self._steps + number)}"
        return (
            f"the loss is {figures['loss']} in epoch {epoch + 1}, step {number + 1} ({losses}){batch}: "
            f"{self._remedies(epoch)}"
        )

    def _remedies(self, epochs: int) -> str:
        """What to do about numbers that are none, after so many whole epochs."""
        settings = self._settings
        kept = f" The checkpoint of epoch {epochs} is kept." if epochs else ""
        return (
            f"lower training.learning_rate (now {settings.learning_rate:g}), set training.gradient_clip, "
            f"or warm up longer (training.warmup_epochs, now {settings.warmup_epochs:g}).{kept}"
        )

    def _log_stage(self, number: int, stage: FineTuningStage, count: ParameterCounts) -> None:
        _log.info(
            "stage %d of %d, epochs: %d, training %s: %s parameters train, %s are frozen",
            number,
            len(self._settings.planned_stages()),
            stage.epochs,
            " and ".join(["the heads", *stage.unfreeze]),
            f"{count.trainable_parameters:,}",
            f"{count.frozen_parameters:,}",
        )


def _is_finite(variable: keras.Variable) -> bool:
    """Whether a variable, where it is of a floating type, has neither infinity nor what is no number."""
    value = variable.value  # where it lies: not copied to the host
    return not value.dtype.is_floating or bool(tf.reduce_all(tf.math.is_finite(value)))

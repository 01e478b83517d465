"""Losses, optimizer and learning rate of a run."""

from collections.abc import Callable

import keras
import tensorflow as tf
from keras import layers

from kfer import losses, models, spec
from kfer.settings import FineTuningStage, TrainingSettings
from kfer.training.optimizers import LayerWiseAdamW, LayerWiseSGD
from kfer.training.stages import rate_factors

_MOMENTUM = 0.9


def trainable(
    model: keras.Model,
    settings: TrainingSettings,
    steps_per_epoch: int,
    stage: FineTuningStage,
    from_features: bool = False,
) -> keras.Model:
    """Returns the part of a network that has losses, compiled; it shares the network's variables.

    Args:
        model: From `kfer.models.build`; what is frozen is frozen already.
        settings: How the whole run trains.
        steps_per_epoch: Batches an epoch.
        stage: Which part of the run this is. Where it trains the heads alone, the backbone runs in
            inference mode, and no gradient is computed for it.
        from_features: Whether it takes features, not images; for a stage that trains the heads alone.
    """
    part = _part(model, not stage.unfreeze, from_features)
    tasks = active_tasks(part)
    expression_metrics = [MaskedAccuracy(name="accuracy")]
    part.compile(
        optimizer=_optimizer(model, settings, steps_per_epoch, stage),
        loss={task: _loss(task, settings) for task in tasks},
        loss_weights={task: getattr(settings, f"{task}_weight") for task in tasks},
        metrics={spec.EXPRESSION: expression_metrics} if spec.EXPRESSION in tasks else None,
        jit_compile=False,  # XLA on a CPU is several times slower.
    )
    part.optimizer.build(part.trainable_variables)
    return part


def active_tasks(model: keras.Model) -> list[str]:
    """Returns the tasks that a network has a head for."""
    return [task for task in (spec.EXPRESSION, spec.IDENTITY) if task in model.output]


class MaskedAccuracy(keras.metrics.Mean):
    """The share of labelled examples whose highest logit is the label's."""

    def update_state(
        self, labels: tf.Tensor, logits: tf.Tensor, sample_weight: tf.Tensor | None = None
    ) -> None:
        """Counts a batch: integer labels `[n]`, negative where missing; float logits `[n, c]`."""
        right = tf.argmax(logits, -1, output_type=tf.int32) == tf.cast(labels, tf.int32)
        labelled = tf.cast(tf.cast(labels, tf.int32) >= 0, tf.float32)
        super().update_state(tf.cast(right, tf.float32), labelled)


def _loss(task: str, settings: TrainingSettings) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    if task == spec.EXPRESSION:
        return lambda labels, logits: losses.masked_cross_entropy(
            labels, logits, settings.label_smoothing
        )
    return lambda labels, cosines: losses.arcface(
        labels, cosines, settings.arcface_margin, settings.arcface_scale
    )


def _part(model: keras.Model, frozen: bool, from_features: bool) -> keras.Model:
    # Keras wants a label for each output, and an embedding has none.
    tasks = active_tasks(model)
    if not frozen:
        return keras.Model(model.input, {task: model.output[task] for task in tasks})
    trunk, heads = models.split(model)
    if from_features:
        return keras.Model(heads.input, {task: heads.output[task] for task in tasks})
    outputs = heads(_Frozen(trunk)(model.input))
    # Keras names losses by the layers that outputs come from.
    return keras.Model(model.input, {task: layers.Identity(name=task)(outputs[task]) for task in tasks})


class _Frozen(layers.Layer):
    """Runs a model in inference mode, and lets no gradient into it.

    Keras 3.15 forgets `training=False` of a call inside a functional model.
    """

    def __init__(self, model: keras.Model) -> None:
        super().__init__()
        self._model = model

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return tf.stop_gradient(self._model(inputs, training=False))

    def compute_output_spec(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        return keras.KerasTensor(self._model.output.shape, self._model.output.dtype)


def _optimizer(
    model: keras.Model, settings: TrainingSettings, steps_per_epoch: int, stage: FineTuningStage
) -> keras.optimizers.Optimizer:
    shared = {
        "learning_rate": _learning_rate(settings, steps_per_epoch, stage),
        "factor": rate_factors(model, settings.layer_decay),
        "kernel_decay": settings.weight_decay,
    }
    optimizer = (
        LayerWiseAdamW(**shared)
        if settings.optimizer == "adamw"
        else LayerWiseSGD(momentum=_MOMENTUM, nesterov=True, **shared)
    )
    if settings.mixed_precision == "mixed_float16":
        # Keras does so by itself only under a global policy of mixed_float16.
        return keras.optimizers.LossScaleOptimizer(optimizer)
    return optimizer


def _learning_rate(
    settings: TrainingSettings, steps_per_epoch: int, stage: FineTuningStage
) -> keras.optimizers.schedules.CosineDecay:
    peak = settings.learning_rate * stage.learning_rate_factor
    steps = stage.epochs * steps_per_epoch
    warmup_epochs = settings.warmup_epochs * stage.epochs / settings.total_epochs()
    warmup = min(round(warmup_epochs * steps_per_epoch), steps - 1)
    if not warmup:
        return keras.optimizers.schedules.CosineDecay(peak, steps)
    return keras.optimizers.schedules.CosineDecay(
        peak / warmup, steps - warmup, warmup_target=peak, warmup_steps=warmup
    )

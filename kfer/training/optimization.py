"""Losses, optimizer and learning rate of a run."""

from collections.abc import Callable

import keras
import tensorflow as tf

from kfer import losses, spec
from kfer.settings import TrainingSettings

_MOMENTUM = 0.9


def trainable(model: keras.Model, settings: TrainingSettings, steps_per_epoch: int) -> keras.Model:
    """Returns the part of a network that has losses, compiled; it shares the network's variables."""
    tasks = active_tasks(model)
    # Keras wants a label for each output, and an embedding has none.
    part = keras.Model(model.input, {task: model.output[task] for task in tasks})
    expression_metrics = [MaskedAccuracy(name="accuracy")]
    part.compile(
        optimizer=_optimizer(model, settings, steps_per_epoch),
        loss={task: _loss(task, settings) for task in tasks},
        loss_weights={task: getattr(settings, f"{task}_weight") for task in tasks},
        metrics={spec.EXPRESSION: expression_metrics} if spec.EXPRESSION in tasks else None,
        jit_compile=False,  # XLA on a CPU is several times slower.
    )
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


def _optimizer(
    model: keras.Model, settings: TrainingSettings, steps_per_epoch: int
) -> keras.optimizers.Optimizer:
    rate = _learning_rate(settings, steps_per_epoch)
    optimizer = (
        keras.optimizers.AdamW(rate, weight_decay=settings.weight_decay)
        if settings.optimizer == "adamw"
        else keras.optimizers.SGD(
            rate, momentum=_MOMENTUM, nesterov=True, weight_decay=settings.weight_decay
        )
    )
    # Biases and the scales and offsets of normalisation are the vectors of a network.
    vectors = [variable for variable in model.trainable_variables if len(variable.shape) < 2]
    optimizer.exclude_from_weight_decay(var_list=vectors)
    if settings.mixed_precision == "mixed_float16":
        # Keras does so by itself only under a global policy of mixed_float16.
        return keras.optimizers.LossScaleOptimizer(optimizer)
    return optimizer


def _learning_rate(
    settings: TrainingSettings, steps_per_epoch: int
) -> keras.optimizers.schedules.CosineDecay:
    steps = settings.epochs * steps_per_epoch
    warmup = min(round(settings.warmup_epochs * steps_per_epoch), steps - 1)
    if not warmup:
        return keras.optimizers.schedules.CosineDecay(settings.learning_rate, steps)
    return keras.optimizers.schedules.CosineDecay(
        settings.learning_rate / warmup,
        steps - warmup,
        warmup_target=settings.learning_rate,
        warmup_steps=warmup,
    )

"""What a stage of a run trains, what each task learns from, and the optimizer."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kfer import losses, models, spec
from kfer.backbones.stages import leaves
from kfer.settings import FineTuningStage, TaskSettings, TrainingSettings
from kfer.settings.tasks import CLASSES, PAIRWISE_LOSSES, Tasks
from kfer.training.optimizers import LayerWiseAdamW, LayerWiseLamb, LayerWiseSGD
from kfer.training.schedules import learning_rate
from kfer.training.stages import rate_factors
from kfer.training.step import Objective, Teaching

_MOMENTUM = 0.9


def active_tasks(model: keras.Model, tasks: Tasks) -> dict[str, TaskSettings]:
    """Returns the tasks that a network has an output for."""
    return {name: task for name, task in tasks.items() if _output(name, task) in model.output}


def objectives(
    model: keras.Model,
    tasks: Tasks,
    class_counts: Mapping[str, np.ndarray] | None = None,
    teachers: Mapping[str, Sequence[keras.Model]] | None = None,
) -> dict[str, Objective]:
    """Returns what each task learns from.

    Args:
        model: From `kfer.models.build`.
        tasks: Those that it has an output for.
        class_counts: Labelled examples of each class in the training split, `[num_classes]`, of tasks
            whose `imbalance` is not "none".
        teachers: The networks that a task is distilled from.

    Raises:
        ValueError: An argument of a loss is unknown or out of its range, or something needed is not
            there.
    """
    adaptive = [layer for layer in leaves(model) if isinstance(layer, losses.AdaCos)]
    found = {}
    for name, task in tasks.items():
        taught = None
        if teachers and teachers.get(name):
            output = spec.EMBEDDING if name == spec.IDENTITY else name
            taught = Teaching(
                losses.distillation_for_task(task), teachers[name], output, task.distillation_weight
            )
        found[name] = Objective(
            losses.for_task(task, (class_counts or {}).get(name), *adaptive[: name == spec.IDENTITY]),
            _output(name, task),
            task.kind == CLASSES,
            taught,
        )
    return found


def trained_part(
    model: keras.Model,
    objectives: Mapping[str, Objective],
    stage: FineTuningStage,
    from_features: bool = False,
) -> keras.Model:
    """Returns the part of a network that a stage runs; it shares the network's variables.

    Args:
        model: From `kfer.models.build`.
        objectives: What is learned: other outputs are left out.
        stage: Where it trains the heads alone, the backbone runs in inference mode, and no gradient is
            computed for it.
        from_features: Whether the part takes features, not images; for a stage that trains the heads
            alone.
    """
    # In the same order in each process: gradients of several processes are added in order.
    taught = [each.teaching.output for each in objectives.values() if each.teaching]
    names = dict.fromkeys([*(each.output for each in objectives.values()), *taught])
    if stage.unfreeze:
        return keras.Model(model.input, {name: model.output[name] for name in names})
    trunk, heads = models.split(model)
    if from_features:
        return keras.Model(heads.input, {name: heads.output[name] for name in names})
    outputs = heads(_Frozen(trunk)(model.input))
    return keras.Model(model.input, {name: outputs[name] for name in names})


def optimizer(
    model: keras.Model, settings: TrainingSettings, steps_per_epoch: int, stage: FineTuningStage
) -> keras.optimizers.Optimizer:
    """Returns the optimizer of a stage, not built yet.

    Args:
        model: From `kfer.models.build`; its layers are given their shares of the rate.
        settings: Of the whole run.
        steps_per_epoch: Batches an epoch.
        stage: Has a schedule of its own.
    """
    shared: dict[str, Any] = {
        "learning_rate": learning_rate(settings, steps_per_epoch, stage),
        "factor": rate_factors(model, settings.layer_decay),
        "kernel_decay": settings.weight_decay,
        "global_clipnorm": settings.gradient_clip or None,
    }
    kinds = {"adamw": LayerWiseAdamW, "lamb": LayerWiseLamb, "sgd": LayerWiseSGD}
    if settings.optimizer == "sgd":
        shared |= {"momentum": _MOMENTUM, "nesterov": True}
    chosen = kinds[settings.optimizer](**shared)
    if settings.mixed_precision == "mixed_float16":
        # Keras does so by itself only under a global policy of mixed_float16.
        return keras.optimizers.LossScaleOptimizer(chosen)
    return chosen


def _output(name: str, task: TaskSettings) -> str:
    return spec.EMBEDDING if task.loss in PAIRWISE_LOSSES else name


class _Frozen(keras.layers.Layer):
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

"""Fine-tuning in stages: which layers of the backbone train, and at which share of the rate."""

import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import keras

from kfer import models
from kfer.backbones.stages import described, leaves
from kfer.settings import FineTuningStage, TrainingSettings

_ALL = "all"


def freeze(model: keras.Model, stage: FineTuningStage) -> None:
    """Lets the layers of a backbone's stages train, or not; the heads are left as they are.

    A task's own copy of a stage is frozen and trained with the shared one. What an embedding uses that
    came with the backbone is never trained.
    """
    kept = set(models.pretrained_layers(model))
    for name, layers in models.stages(model).items():
        for layer in layers:
            wanted = name in stage.unfreeze or _ALL in stage.unfreeze
            layer.trainable = wanted and layer not in kept


@contextlib.contextmanager
def thawed_afterwards(model: keras.Model) -> Iterator[None]:
    """Gives a network's layers back the freedom to train that they had."""
    before = {layer: layer.trainable for layer in leaves(model)}
    try:
        yield
    finally:
        for layer, trainable in before.items():
            layer.trainable = trainable


@dataclass(frozen=True)
class ParameterCounts:
    """How many parameters a stage trains. Statistics of batch normalisation are not counted.

    Attributes:
        trainable_parameters: Those that its steps change.
        frozen_parameters: Those that it keeps, and that training everything would change.
    """

    trainable_parameters: int
    frozen_parameters: int


def parameter_counts(model: keras.Model, settings: TrainingSettings) -> list[ParameterCounts]:
    """Returns the counts of each of `settings.planned_stages()`.

    Args:
        model: From `kfer.models.build`.
        settings: The run's settings.

    Raises:
        ValueError: A stage unfreezes what the backbone does not have; the message lists what it has.
    """
    _check_names(model, settings)
    everything = _count(model)
    counts = []
    with thawed_afterwards(model):
        for stage in settings.planned_stages():
            if settings.stages:
                freeze(model, stage)
            trainable = _count(model)
            counts.append(ParameterCounts(trainable, everything - trainable))
    return counts


def rate_factors(model: keras.Model, layer_decay: float) -> Callable[[keras.Variable], float]:
    """Returns, for a variable, its learning rate as a multiple of the heads'.

    It falls by `layer_decay` from each of the backbone's stages to the one before it, as in
    discriminative fine-tuning (Howard and Ruder 2018, section 3.2).

    Args:
        model: From `kfer.models.build`.
        layer_decay: In (0, 1].
    """
    if layer_decay == 1:
        return lambda variable: 1.0
    factors = {
        id(variable): layer_decay**depth
        for depth, layers in enumerate(reversed(models.stages(model).values()), 1)
        for layer in layers
        for variable in layer.variables
    }
    return lambda variable: factors.get(id(variable), 1.0)


def _check_names(model: keras.Model, settings: TrainingSettings) -> None:
    wanted = {name for stage in settings.stages for name in stage.unfreeze} - {_ALL}
    if not wanted:
        return
    unknown = sorted(wanted - models.stages(model).keys())
    if unknown:
        trunk, branches = models.backbone(model), models.branches(model).values()
        raise ValueError(
            f"training.stages: the backbone {trunk.name!r} has no stage {', '.join(map(repr, unknown))}; "
            f"expected {_ALL!r} or some of these (with their parameters): {described(trunk, branches)}"
        )


def _count(model: keras.Model) -> int:
    return sum(math.prod(variable.shape) for variable in model.trainable_variables)

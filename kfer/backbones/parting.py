"""A backbone in two parts: up to the end of a stage, and from there on."""

from collections.abc import Mapping, Sequence

import keras

from kfer.backbones.stages import leaves, stages


def up_to(backbone: keras.Model, ends: Sequence[str]) -> keras.Model:
    """Returns a backbone up to the last of some stages; it shares the backbone's layers.

    Args:
        backbone: From `kfer.backbones.build`.
        ends: Stages.

    Returns:
        A model of the backbone's name, from its images to a dict of the feature maps at the end of each
        of these stages.

    Raises:
        ValueError: The backbone cannot be parted after one of them.
    """
    core = _core(backbone)
    maps = {stage: _end(backbone, stage) for stage in ends}
    if core is backbone:
        return keras.Model(backbone.input, maps, name=backbone.name)
    # A model's own `input` is a placeholder; that of an operation is what the backbone feeds it.
    fed = keras.Operation.input.fget(core)
    part = keras.Model(core.input, maps, name=core.name)
    return keras.Model(backbone.input, part(fed), name=backbone.name)


def after(backbone: keras.Model, stage: str, name: str, end: str = "") -> keras.Model:
    """Returns what follows a stage of a backbone; it shares the backbone's layers.

    Args:
        backbone: From `kfer.backbones.build`.
        stage: Not the last.
        name: Of the model.
        end: A later stage; empty for the last.

    Returns:
        A model from feature maps at the end of `stage` to those at the end of `end`.

    Raises:
        ValueError: The backbone cannot be parted after one of these stages.
    """
    return keras.Model(
        _end(backbone, stage), _end(backbone, end or list(stages(backbone))[-1]), name=name
    )


def _core(backbone: keras.Model) -> keras.Model:
    """The model that has the stages: of a network of `keras.applications`, the one inside."""
    return next((layer for layer in backbone.layers if isinstance(layer, keras.Model)), backbone)


def _end(backbone: keras.Model, stage: str) -> keras.KerasTensor:
    groups = stages(backbone)
    names, core = list(groups), _core(backbone)
    if stage == names[-1]:
        return core.output
    found = _only_way(core, groups, stage)
    if found is None:
        possible = [name for name in names[:-1] if _only_way(core, groups, name) is not None]
        raise ValueError(
            f"the backbone {backbone.name!r} cannot be parted after {stage!r}: more than one feature map "
            f"goes on from there. It can be parted after: {', '.join(possible) or 'no stage'}"
        )
    return found


def _only_way(
    core: keras.Model, groups: Mapping[str, Sequence[keras.layers.Layer]], stage: str
) -> keras.KerasTensor | None:
    """The feature map that all later stages are computed from, the last if several are."""
    numbers = {layer: number for number, layers in enumerate(groups.values()) for layer in layers}
    end = list(groups).index(stage)
    operations = core.operations  # each after those that it takes its inputs from
    found = [
        [numbers[layer] for layer in _layers_of(operation) if layer in numbers]
        for operation in operations
    ]
    last = max(index for index, of in enumerate(found) if of and min(of) <= end)
    first_later = min(index for index, of in enumerate(found) if of and max(of) > end)
    for operation in reversed(operations[last:first_later]):
        try:
            keras.Model(operation.output, core.output)
        except ValueError:  # the output needs more than this
            continue
        return operation.output
    return None


def _layers_of(operation: keras.Operation) -> list[keras.Operation]:
    return list(leaves(operation)) if isinstance(operation, keras.Model) else [operation]

"""The stages of a backbone: layers that are frozen, trained and given a learning rate together."""

import math
import re
from collections.abc import Iterable, Iterator, Sequence

import keras

_STEM = {"conv1", "bn1", "features.conv0", "features.norm0"}
_CLASSIFIERS = {"fc", "classifier"}


def stages(
    backbone: keras.Model, branches: Iterable[keras.Model] = ()
) -> dict[str, list[keras.layers.Layer]]:
    """Returns the layers with weights by stage, from input to output; each is in one stage.

    - resnet152, as torchvision names its modules: "stem", "layer1" to "layer4";
    - densenet161 likewise: "stem", "denseblock1", "transition1", "denseblock2" ..., the last with the
      normalisation that follows it;
    - compact and dlib_resnet: "stem", "stage1", "stage2" ...;
    - the ResNets and DenseNets of `keras.applications`: "conv1" to "conv5", what lies between two of
      them with the first;
    - any other network: "stage1", "stage2" ..., one for each size of its feature maps.

    Args:
        backbone: From `kfer.backbones.build`, or the stages that tasks share; a model inside it counts
            as its layers.
        branches: Further copies of its last stages, for one task each. A stage's layers are those of
            every copy.
    """
    copies = [
        [layer for layer in leaves(model) if _has_weights(layer)] for model in (backbone, *branches)
    ]
    # The backbone may end where the branches begin: a branch and what comes before it are a whole one.
    in_branch = {layer.name for layer in copies[-1]}
    whole = [layer for layer in copies[0] if layer.name not in in_branch] + copies[-1]
    names = [layer.name for layer in whole]
    found = _by_module(names) or _by_prefix(names) or _by_size(whole)
    stage_of = dict(zip(names, found, strict=True))
    groups: dict[str, list[keras.layers.Layer]] = {stage: [] for stage in found}
    for copy in copies:
        for layer in copy:
            groups[stage_of[layer.name]].append(layer)
    return groups


def described(backbone: keras.Model, branches: Iterable[keras.Model] = ()) -> str:
    """Returns the stages' names with the parameters of each that training may change, as one line.

    Args:
        backbone: As in `stages`.
        branches: As in `stages`.
    """
    groups = stages(backbone, branches)
    return ", ".join(f"{name} ({_count(layers):,})" for name, layers in groups.items())


def leaves(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """Yields a model's layers, and in the place of a model inside it that one's."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from leaves(layer)
        else:
            yield layer


def _has_weights(layer: keras.layers.Layer) -> bool:
    # Its statistics of ImageNet's images are constants, in front of the first convolution.
    return bool(layer.weights) and not isinstance(layer, keras.layers.Normalization)


def _by_module(names: Sequence[str]) -> list[str]:
    """The stages of names such as "layer1.0.conv1"; empty where one is not of this kind."""
    found: list[str] = []
    for name in names:
        part = re.match(r"(?:features\.)?((?:stem|stage|layer|denseblock|transition)\d*)\.", name)
        if name in _STEM:
            found.append("stem")
        elif part:
            found.append(part[1])
        elif name == "features.norm5" and found:
            found.append(found[-1])
        elif name in _CLASSIFIERS:
            found.append(name)
        else:
            return []
    return found


def _by_prefix(names: Sequence[str]) -> list[str]:
    """The stages of names such as "conv2_block1_1_bn"; empty where there is only one such prefix."""
    found: list[str] = []
    for name in names:
        part = re.match(r"(conv\d)_", name)
        if not part and not found:
            return []
        found.append(part[1] if part else found[-1])
    return found if len(set(found)) > 1 else []


def _by_size(layers: Sequence[keras.layers.Layer]) -> list[str]:
    sizes = []
    largest = 0
    # Squeeze-and-excitation works on maps of one pixel in the midst of larger ones: what counts is the
    # largest map that is still to come.
    for layer in reversed(layers):
        shape = layer.output.shape
        largest = max(largest, math.prod(shape[1:3]) if len(shape) == 4 else 0)
        sizes.append(largest)
    numbers = {size: number for number, size in enumerate(sorted(set(sizes), reverse=True), 1)}
    return [f"stage{numbers[size]}" for size in reversed(sizes)]


def _count(layers: Sequence[keras.layers.Layer]) -> int:
    return sum(math.prod(variable.shape) for layer in layers for variable in layer.trainable_variables)

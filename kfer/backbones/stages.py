"""The stages of a backbone: layers that are frozen, trained and given a learning rate together."""

import math
import re
from collections.abc import Iterator, Sequence

import keras

_STEM = {"conv1", "bn1", "features.conv0", "features.norm0"}
_CLASSIFIERS = {"fc", "classifier"}


def stages(backbone: keras.Model) -> dict[str, list[keras.layers.Layer]]:
    """Returns the layers with weights by stage, from input to output; each is in one stage.

    - resnet152, as torchvision names its modules: "stem", "layer1" to "layer4";
    - densenet161 likewise: "stem", "denseblock1", "transition1", "denseblock2" ..., the last with the
      normalisation that follows it;
    - compact: "stem", "stage1", "stage2" ...;
    - the ResNets and DenseNets of `keras.applications`: "conv1" to "conv5", what lies between two of
      them with the first;
    - any other network: "stage1", "stage2" ..., one for each size of its feature maps.

    Args:
        backbone: From `kfer.backbones.build`; a model inside it counts as its layers.
    """
    layers = [layer for layer in leaves(backbone) if _has_weights(layer)]
    names = [layer.name for layer in layers]
    found = _by_module(names) or _by_prefix(names) or _by_size(layers)
    groups: dict[str, list[keras.layers.Layer]] = {}
    for stage, layer in zip(found, layers, strict=True):
        groups.setdefault(stage, []).append(layer)
    return groups


def described(backbone: keras.Model) -> str:
    """Returns the stages' names with the parameters of each that training may change, as one line."""
    return ", ".join(f"{name} ({_count(layers):,})" for name, layers in stages(backbone).items())


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

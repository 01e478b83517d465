"""Batch normalisations that no convolution can take in, as integers compute them well.

The converter folds a batch normalisation into the convolution before it. Where there is none, as in
DenseNet and in ResNet's second version, it makes a product and a sum of it: of integers, the scales of
all channels then have one step, which leaves nothing of the small ones, and the product is rounded before
the sum. A depthwise convolution of one pixel computes the same, with a step for each channel and one
rounding.

What is concatenated has one step as well, for channels that may differ a hundredfold. So each map is
brought to one range first, by the statistics of a batch normalisation behind; those can be folded.
"""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers

from kfer.backbones.normalization import FusedBatchNormalization
from kfer.backbones.recomputation import RecomputedBottleneck

_NORMALIZATIONS = (FusedBatchNormalization, layers.BatchNormalization)
# Channels of a smaller share of the largest scale are given this one: a bias counts in steps of its
# channel's, and would not fit into 32 bits. The change is far less than a step of int8.
_LEAST_SCALE = 1e-4


def with_convolutions(model: keras.Model) -> keras.Model:
    """Returns a network of the same outputs, whose batch normalisations are all a convolution's.

    Args:
        model: A functional network of float32, with models among its layers or without. Weights of
            layers that stay are copied.
    """
    if not any(_is_alone(layer) for layer in model._flatten_layers(include_self=False)):
        return model
    # A copy: a layer that is in two graphs cannot say what its input is.
    copy = type(model).from_config(model.get_config())
    copy.set_weights(model.get_weights())
    return keras.models.clone_model(
        copy, clone_function=lambda layer: layer, call_function=_Rewriting(), recursive=True
    )


def _is_alone(layer: keras.layers.Layer) -> bool:
    """Whether a layer normalises feature maps that do not come from a convolution."""
    if isinstance(layer, RecomputedBottleneck):
        return True
    return (
        isinstance(layer, _NORMALIZATIONS)
        and bool(layer._inbound_nodes)
        and len(layer.input.shape) == 4
        and not _is_of_convolution(layer.input)
    )


def _is_of_convolution(features: keras.KerasTensor) -> bool:
    layer = features._keras_history.operation
    folding = isinstance(layer, (layers.Conv2D, layers.DepthwiseConv2D))
    return folding and layer.activation is keras.activations.linear


class _Rewriting:
    """Calls each layer for the new network, or what stands for it."""

    def __init__(self) -> None:
        self._standard: dict[int, _Standard] = {}

    def __call__(self, layer: keras.layers.Layer, *arguments: Any, **named: Any) -> Any:
        given = arguments[0] if arguments else None
        if isinstance(layer, RecomputedBottleneck):
            joined = self._normalized(layer.norm, list(arguments[0]))
            return layer.convolution(layers.ReLU(name=f"{layer.name}.relu")(joined))
        is_map = isinstance(given, keras.KerasTensor) and len(given.shape) == 4
        if is_map and isinstance(layer, _NORMALIZATIONS) and not _is_of_convolution(given):
            return self._normalized(layer, _parts(given))
        return layer(*arguments, **named)

    def _normalized(self, norm: keras.layers.Layer, maps: list[keras.KerasTensor]) -> keras.KerasTensor:
        """What `norm` makes of the maps' channels together."""
        mean, deviation = _statistics(norm)
        scale = _vector(norm.gamma, 1.0, mean) / deviation
        offset = _vector(norm.beta, 0.0, mean) - mean * scale
        if len(maps) == 1:
            return _scaled(maps[0], scale, offset, norm.name)
        ends = np.cumsum([0, *(each.shape[-1] for each in maps)])
        found: list[_Standard] = []
        for each, start, end in zip(maps, ends[:-1], ends[1:], strict=True):
            if id(each) not in self._standard:
                statistics = mean[start:end], deviation[start:end]
                name = f"{norm.name}.map{len(found)}"
                self._standard[id(each)] = _Standard(
                    each, _standardized(each, *statistics, name), *statistics
                )
            found.append(self._standard[id(each)])
        joined = layers.Concatenate(name=f"{norm.name}.maps")([each.standardized for each in found])
        offset = offset + scale * np.concatenate([each.mean for each in found])
        scale = scale * np.concatenate([each.deviation for each in found])
        return _scaled(joined, scale, offset, norm.name)


@dataclass(frozen=True)
class _Standard:
    """A feature map, and the same with its channels' mean at 0 and their deviation at 1."""

    features: keras.KerasTensor
    standardized: keras.KerasTensor
    mean: np.ndarray
    deviation: np.ndarray


def _parts(features: keras.KerasTensor) -> list[keras.KerasTensor]:
    """The maps whose channels `features` has together, or itself."""
    layer = features._keras_history.operation
    if isinstance(layer, layers.Concatenate) and layer.axis in (-1, 3):
        return _taken(features)
    return [features]


def _taken(tensor: keras.KerasTensor) -> list[keras.KerasTensor]:
    """What the layer took that made a tensor: it may have made another in the first network."""
    history = tensor._keras_history
    return list(history.operation._inbound_nodes[history.node_index].input_tensors)


def _standardized(
    features: keras.KerasTensor, mean: np.ndarray, deviation: np.ndarray, name: str
) -> keras.KerasTensor:
    """By the convolution that made the map, where one did; else by one more."""
    made_by = features._keras_history.operation
    if not (_is_of_convolution(features) and type(made_by) is layers.Conv2D):
        return _scaled(features, 1 / deviation, -mean / deviation, name)
    config = made_by.get_config() | {"use_bias": True, "name": name, "dtype": "float32"}
    convolution = layers.Conv2D.from_config(config)
    outputs = convolution(*_taken(features))
    bias = _vector(made_by.bias, 0.0, mean)
    convolution.set_weights([np.asarray(made_by.kernel) / deviation, (bias - mean) / deviation])
    return outputs


def _scaled(
    features: keras.KerasTensor, scale: np.ndarray, offset: np.ndarray, name: str
) -> keras.KerasTensor:
    least = _LEAST_SCALE * np.abs(scale).max()
    held = np.where(np.abs(scale) < least, np.copysign(least, scale), scale)
    convolution = layers.DepthwiseConv2D(1, name=name, dtype="float32")
    outputs = convolution(features)
    convolution.set_weights([held.reshape(1, 1, -1, 1), offset])
    return outputs


def _statistics(norm: keras.layers.Layer) -> tuple[np.ndarray, np.ndarray]:
    """The mean and the deviation `[c]` by which a layer normalises."""
    # What the fused kernel raises a lower epsilon to.
    epsilon = max(norm.epsilon, 1.001e-5) if isinstance(norm, FusedBatchNormalization) else norm.epsilon
    return np.asarray(norm.moving_mean), np.sqrt(np.asarray(norm.moving_variance) + epsilon)


def _vector(variable: Any, instead: float, like: np.ndarray) -> np.ndarray:
    return np.full_like(like, instead) if variable is None else np.asarray(variable)

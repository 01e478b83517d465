"""How much a network has to compute for an image."""

import math

import keras
from keras import layers

from kfer.backbones.recomputation import RecomputedBottleneck
from kfer.backbones.stages import leaves


def count(network: keras.Model) -> int:
    """Returns the multiplications, each with its addition, that one image costs.

    Convolutions (also grouped, depthwise and separable) and dense layers count; what costs less by
    orders of magnitude does not: normalisation, activations, pooling, biases. So count torchvision and
    the tables of He et al. 2015.

    Args:
        network: Of layers that are each used once.
    """
    return sum(_of_layer(layer) for layer in leaves(network))


def uncounted(network: keras.Model) -> list[str]:
    """Returns the kinds of layers that multiply by matrices and that `count` leaves out."""
    kinds = {
        type(layer).__name__
        for layer in leaves(network)
        if not _of_layer(layer) and any(len(weight.shape) > 1 for weight in layer.weights)
    }
    return sorted(kinds)


def _of_layer(layer: layers.Layer) -> int:
    if isinstance(layer, layers.Dense):
        return math.prod(layer.output.shape[1:]) * layer.input.shape[-1]
    if isinstance(layer, layers.SeparableConv2D):
        depthwise, pointwise = (
            math.prod(kernel.shape) for kernel in (layer.depthwise_kernel, layer.pointwise_kernel)
        )
        return _positions(layer) * (depthwise + pointwise)
    # A kernel is used once at each position of the output: its size holds the groups already.
    if isinstance(layer, layers.DepthwiseConv2D | layers.Conv2D):
        return _positions(layer) * math.prod(layer.kernel.shape)
    if isinstance(layer, RecomputedBottleneck):
        return _positions(layer) * math.prod(layer.convolution.kernel.shape)
    return 0


def _positions(layer: layers.Layer) -> int:
    _, height, width, _ = layer.output.shape
    return height * width

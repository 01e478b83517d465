"""Layers whose kernels count as divided by their largest singular values."""

from typing import Any

import keras
from keras import layers, ops

_SMALLEST = 1e-12


@keras.saving.register_keras_serializable("kfer")
class SpectralNormalization(layers.Wrapper):
    """A layer that scales nothing by more than 1: its kernel W counts as W / s(W).

    Miyato et al. 2018 (https://arxiv.org/abs/1802.05957), equation 8 and algorithm 1: s(W), the largest
    singular value of W as a matrix of one column a unit, comes of one power iteration a call in training,
    and gradients go through it (equation 12). Computed in float32 whatever the layer's policy. Keras's
    layer of this name writes W / s(W) back into W, in bfloat16 where that is the policy: small steps of
    an optimizer are then lost.
    """

    def __init__(self, layer: layers.Layer, **arguments: Any) -> None:
        """Wraps a layer.

        Args:
            layer: With a kernel whose last axis is its units, such as Dense or Conv2D.
            arguments: Keras's own (`name`).
        """
        super().__init__(layer, **{"dtype": "float32", **arguments})

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes the vector that the power iteration goes on from."""
        super().build(input_shape)
        self.vector = self.add_weight(
            shape=(1, self.layer.kernel.shape[-1]),
            initializer="random_normal",
            trainable=False,
            name="vector",
        )

    def call(self, inputs: keras.KerasTensor, training: bool = False) -> keras.KerasTensor:
        """Returns what the layer gives with its kernel divided by the largest singular value."""
        kernel = ops.reshape(self.layer.kernel, (-1, self.vector.shape[-1]))
        left = _unit(self.vector @ ops.transpose(kernel))
        right = ops.convert_to_tensor(self.vector)
        if training:
            right = _unit(left @ kernel)
            self.vector.assign(right)
        largest = ops.sum(ops.stop_gradient(left) @ kernel * ops.stop_gradient(right))
        outputs = ops.cast(self.layer(inputs), "float32")
        if self.layer.bias is None:
            return outputs / largest
        bias = ops.convert_to_tensor(self.layer.bias)
        return (outputs - bias) / largest + bias


def _unit(vector: keras.KerasTensor) -> keras.KerasTensor:
    return vector / ops.maximum(ops.norm(vector), _SMALLEST)

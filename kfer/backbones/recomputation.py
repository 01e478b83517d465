"""A dense layer's bottleneck that keeps less for the backward pass."""

from collections.abc import Sequence

import keras
import tensorflow as tf

from kfer.backbones.normalization import FusedBatchNormalization, replicas


@keras.saving.register_keras_serializable("kfer")
class RecomputedBottleneck(keras.layers.Layer):
    """Concatenation, batch normalisation, ReLU and 1x1 convolution, computed again for gradients.

    What lies between the feature maps that come in and the one that goes out is not kept for the
    backward pass, so that a dense block's memory grows with its layers, not with their square (Pleiss et
    al. 2017, "Memory-Efficient Implementation of DenseNets"). The price is a second forward pass of
    this part.

    Args:
        filters: Channels of the convolution.
        momentum: As of `FusedBatchNormalization`.
        epsilon: As of `FusedBatchNormalization`.
        **arguments: What every Keras layer takes. The parts are called "<name>.norm1" and
            "<name>.conv1".
    """

    def __init__(self, filters: int, momentum: float, epsilon: float, **arguments: object) -> None:
        super().__init__(**arguments)
        self.filters, self.momentum, self.epsilon = filters, momentum, epsilon
        self.norm = FusedBatchNormalization(
            momentum, epsilon, name=f"{self.name}.norm1", dtype=self.dtype_policy
        )
        self.convolution = keras.layers.Conv2D(
            filters,
            1,
            use_bias=False,
            kernel_initializer=keras.initializers.VarianceScaling(2.0, "fan_in", "untruncated_normal"),
            name=f"{self.name}.conv1",
            dtype=self.dtype_policy,
        )

    @property
    def layers(self) -> list[keras.layers.Layer]:
        """The parts that have weights."""
        return [self.norm, self.convolution]

    def build(self, input_shapes: Sequence[tuple[int | None, ...]]) -> None:
        """Makes the weights of both parts."""
        joined = (*input_shapes[0][:-1], sum(shape[-1] for shape in input_shapes))  # type: ignore[misc]
        self.norm.build(joined)
        self.convolution.build(joined)

    def call(self, inputs: Sequence[tf.Tensor], training: bool = False) -> tf.Tensor:
        """Returns float `[n, h, w, filters]` of feature maps `[n, h, w, c_i]`."""
        if not (training and self.norm.trainable):
            joined = self.norm(tf.concat(inputs, -1), training=training)
            return self.convolution(tf.nn.relu(joined))
        kernel = tf.cast(self.convolution.kernel, self.compute_dtype)
        gamma, beta = (tf.convert_to_tensor(v.value) for v in (self.norm.gamma, self.norm.beta))
        if replicas() > 1:
            mean, variance = self.norm.common_statistics(inputs)
            return tf.recompute_grad(self._scaled)(kernel, gamma, beta, mean, variance, *inputs)

        # Everything that has a gradient is an argument: a captured variable would be watched twice.
        def outputs_and_statistics(
            kernel: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, *inputs: tf.Tensor
        ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            joined, mean, variance = self.norm.normalize(tf.concat(inputs, -1), gamma, beta)
            return tf.nn.conv2d(tf.nn.relu(joined), kernel, 1, "VALID"), mean, variance

        outputs, mean, variance = tf.recompute_grad(outputs_and_statistics)(kernel, gamma, beta, *inputs)
        self.norm.update_statistics(mean, variance)
        return outputs

    def _scaled(
        self,
        kernel: tf.Tensor,
        gamma: tf.Tensor,
        beta: tf.Tensor,
        mean: tf.Tensor,
        variance: tf.Tensor,
        *inputs: tf.Tensor,
    ) -> tf.Tensor:
        joined = self.norm.scaled(tf.concat(inputs, -1), gamma, beta, mean, variance)
        return tf.nn.conv2d(tf.nn.relu(joined), kernel, 1, "VALID")

    def compute_output_shape(
        self, input_shapes: Sequence[tuple[int | None, ...]]
    ) -> tuple[int | None, ...]:
        """Returns `(n, h, w, filters)`."""
        return (*input_shapes[0][:-1], self.filters)

    def get_config(self) -> dict[str, object]:
        """Returns what the constructor takes."""
        own = {"filters": self.filters, "momentum": self.momentum, "epsilon": self.epsilon}
        return super().get_config() | own

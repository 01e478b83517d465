"""Batch normalisation through TensorFlow's fused kernel."""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

# What the fused kernel raises a lower epsilon to.
_LEAST_EPSILON = 1.001e-5


def replicas() -> int:
    """Returns in how many replicas a step runs at the same time, as seen inside a layer."""
    if tf.distribute.in_cross_replica_context():
        return 1  # a layer that is only built, or called for inference
    return tf.distribute.get_strategy().num_replicas_in_sync


@keras.saving.register_keras_serializable("kfer")
class FusedBatchNormalization(keras.layers.Layer):
    """Normalises feature maps as `keras.layers.BatchNormalization` does, in one fused kernel.

    Keras's layer runs separate operations for the mean, the variance and the scaling. Scale, offset
    and statistics are float32 whatever the activations' type. A frozen layer (`trainable = False`)
    uses its moving statistics. Replicas of a `tf.distribute.Strategy` normalise by the statistics of
    their batches together, without the kernel, which knows only its own.

    Args:
        momentum: Share of the moving statistics that a training step keeps, in [0, 1).
        epsilon: Added to the variance; the kernel raises it to at least 1.001e-5.
        zero_scale: Whether the scale starts at 0: a residual branch then starts as nothing
            (Goyal et al. 2017, section 5.1).
        **arguments: What every Keras layer takes.
    """

    def __init__(
        self,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        zero_scale: bool = False,
        **arguments: object,
    ) -> None:
        super().__init__(**arguments)
        self.momentum = momentum
        self.epsilon = epsilon
        self.zero_scale = zero_scale

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes the four vectors of the channels of `[n, h, w, c]`."""

        def vector(name: str, start: str, trainable: bool) -> keras.Variable:
            return self.add_weight(
                shape=(input_shape[-1],),
                initializer=start,
                trainable=trainable,
                dtype="float32",
                autocast=False,
                name=name,
            )

        self.gamma = vector("gamma", "zeros" if self.zero_scale else "ones", trainable=True)
        self.beta = vector("beta", "zeros", trainable=True)
        self.moving_mean = vector("moving_mean", "zeros", trainable=False)
        self.moving_variance = vector("moving_variance", "ones", trainable=False)

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Returns the normalised float `[n, h, w, c]`, in the type of `inputs`."""
        if not (training and self.trainable):
            return tf.compat.v1.nn.fused_batch_norm(
                inputs,
                self.gamma,
                self.beta,
                mean=self.moving_mean,
                variance=self.moving_variance,
                epsilon=self.epsilon,
                is_training=False,
            )[0]
        if replicas() > 1:
            mean, variance = self.common_statistics([inputs])
            return self.scaled(inputs, self.gamma, self.beta, mean, variance)
        outputs, mean, variance = self.normalize(inputs, self.gamma, self.beta)
        self.update_statistics(mean, variance)
        return outputs

    def normalize(
        self, inputs: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Returns what a training step makes of a batch, and the batch's mean and variance `[c]`."""
        outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            inputs, gamma, beta, epsilon=self.epsilon, is_training=True
        )
        # The kernel's variance divides by n - 1; Keras's layer divides by n.
        count = tf.cast(tf.size(inputs) / tf.shape(inputs)[-1], tf.float32)
        return outputs, mean, variance * tf.maximum(count - 1.0, 1.0) / count

    def common_statistics(self, inputs: Sequence[tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns mean and variance `[c]` of all replicas' batches, and moves the moving ones to them.

        Called by each replica, with as many values a channel in each.

        Args:
            inputs: This replica's feature maps `[n, h, w, c_i]`, whose channels `c` are together.
        """
        moments = [tf.nn.moments(tf.cast(maps, tf.float32), [0, 1, 2]) for maps in inputs]
        own = tf.stack([tf.concat(statistics, 0) for statistics in zip(*moments, strict=True)])
        context = tf.distribute.get_replica_context()
        # Each replica fills its row of a table, and the sum of the tables has them all: variances that
        # are put together around the common mean lose no digits, unlike means of squares.
        row = tf.one_hot(context.replica_id_in_sync_group, replicas())
        table = context.all_reduce(tf.distribute.ReduceOp.SUM, row[:, None, None] * own)
        mean = tf.reduce_mean(table[:, 0], 0)
        variance = tf.reduce_mean(table[:, 1] + tf.square(table[:, 0] - mean), 0)
        self.update_statistics(mean, variance)
        return mean, variance

    def scaled(
        self, inputs: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, mean: tf.Tensor, variance: tf.Tensor
    ) -> tf.Tensor:
        """Returns `[n, h, w, c]` normalised by given statistics `[c]`, in the type of `inputs`."""
        outputs = tf.nn.batch_normalization(
            tf.cast(inputs, tf.float32), mean, variance, beta, gamma, max(self.epsilon, _LEAST_EPSILON)
        )
        return tf.cast(outputs, inputs.dtype)

    def update_statistics(self, mean: tf.Tensor, variance: tf.Tensor) -> None:
        """Moves the moving statistics towards those of a batch, `[c]` each."""
        for moving, current in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + current * (1.0 - self.momentum))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns the shape of the inputs."""
        return input_shape

    def get_config(self) -> dict[str, object]:
        """Returns what the constructor takes."""
        own = {
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "zero_scale": self.zero_scale,
        }
        return super().get_config() | own


@keras.saving.register_keras_serializable("kfer")
class RestoredBatchNormalization(FusedBatchNormalization):
    """Stands where weights were published with their batch normalisation folded away.

    In inference it adds a bias and changes nothing else. What the statistics of the activations were,
    nobody knows any more: between `observe` and `calibrate` it collects those of some images, and then
    takes them without a change of its outputs, so that training goes on from there.
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes the four vectors of the channels of `[n, h, w, c]`."""
        super().build(input_shape)
        self._observed: list[tf.Tensor] | None = None
        self.gamma.assign(tf.sqrt(self.moving_variance + self._raised_epsilon))

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Returns the normalised float `[n, h, w, c]`, in the type of `inputs`."""
        if self._observed is not None:
            self._observed.append(tf.stack(tf.nn.moments(tf.cast(inputs, tf.float32), [0, 1, 2])))
        return super().call(inputs, training)

    def restore(self, bias: np.ndarray) -> None:
        """Makes it add `bias` `[c]` in inference."""
        self.moving_mean.assign(tf.zeros_like(self.moving_mean))
        self.moving_variance.assign(tf.ones_like(self.moving_variance))
        self.gamma.assign(tf.sqrt(self.moving_variance + self._raised_epsilon))
        self.beta.assign(bias)

    def observe(self) -> None:
        """Collects the statistics of what it is called with from now on; not inside of a graph."""
        self._observed = []

    def calibrate(self) -> None:
        """Takes the statistics of the batches since `observe`, if there are any."""
        observed, self._observed = self._observed, None
        if not observed:
            return
        means, variances = tf.unstack(tf.stack(observed, 1))
        mean = tf.reduce_mean(means, 0)
        variance = tf.reduce_mean(variances + tf.square(means - mean), 0)
        scale = self.gamma / tf.sqrt(self.moving_variance + self._raised_epsilon)
        shift = self.beta - self.moving_mean * scale
        self.moving_mean.assign(mean)
        self.moving_variance.assign(variance)
        self.gamma.assign(scale * tf.sqrt(variance + self._raised_epsilon))
        self.beta.assign(shift + mean * scale)

    @property
    def _raised_epsilon(self) -> float:
        return max(self.epsilon, _LEAST_EPSILON)


def batch_normalization(
    fused: bool,
    momentum: float = 0.9,
    epsilon: float = 1e-3,
    zero_scale: bool = False,
    name: str | None = None,
) -> keras.layers.Layer:
    """Returns the fused layer, or Keras's own with the same settings.

    Args:
        fused: Whether to take `FusedBatchNormalization`.
        momentum: Share of the moving statistics that a step keeps. Nearly a hundred steps of Keras's
            0.99 are too slow for runs of a few hundred steps; torchvision keeps 0.9 too.
        epsilon: Added to the variance.
        zero_scale: Whether the scale starts at 0.
        name: The layer's name.
    """
    if fused:
        return FusedBatchNormalization(momentum, epsilon, zero_scale, name=name)
    start = "zeros" if zero_scale else "ones"
    return keras.layers.BatchNormalization(
        momentum=momentum, epsilon=epsilon, gamma_initializer=start, name=name
    )

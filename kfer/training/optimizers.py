"""Keras's optimizers in one kernel a variable, with a share of the learning rate for each."""

from collections.abc import Callable, Sequence

import keras
import tensorflow as tf


class _LayerWise(keras.optimizers.Optimizer):
    """Gives each variable a share of the learning rate, and decays kernels at that rate.

    Mixed in before an optimizer of Keras, whose own decay has one rate for all variables. Replicas
    give it gradients of the global batch, not each its own.
    """

    def __init__(
        self, factor: Callable[[keras.Variable], float], kernel_decay: float, **arguments: object
    ) -> None:
        super().__init__(**arguments)
        self._factor, self._kernel_decay = factor, kernel_decay

    def build(self, variables: list[keras.Variable]) -> None:
        super().build(variables)
        self._factors = tuple(self._factor(variable) for variable in variables)

    def _all_reduce_sum_gradients(
        self, grads_and_vars: Sequence[tuple[tf.Tensor, tf.Variable]]
    ) -> Sequence[tuple[tf.Tensor, tf.Variable]]:
        # The training step has summed them: they are clipped, and checked for overflow, as a whole.
        return grads_and_vars

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor) -> None:
        factor = self._factors[self._get_variable_index(variable)]
        rate = tf.cast(learning_rate * factor, variable.dtype)
        # Biases and the scales and offsets of normalisation are the vectors of a network.
        if self._kernel_decay and len(variable.shape) > 1:
            self.assign(variable, variable * (1.0 - self._kernel_decay * rate))
        super().update_step(gradient, variable, rate)


class _FusedSGD(keras.optimizers.SGD):
    """Keras's SGD with momentum, in one pass over memory instead of five."""

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor) -> None:
        if not self.momentum or not _fits_a_kernel(gradient):
            super().update_step(gradient, variable, learning_rate)
            return
        tf.raw_ops.ResourceApplyKerasMomentum(
            var=variable.handle,
            accum=self.momentums[self._get_variable_index(variable)].value.handle,
            lr=tf.cast(learning_rate, variable.dtype),
            grad=tf.cast(gradient, variable.dtype),
            momentum=tf.cast(self.momentum, variable.dtype),
            use_nesterov=self.nesterov,
        )


class _FusedAdam(keras.optimizers.Adam):
    """Keras's Adam in one pass over memory instead of a dozen.

    With Keras's own, half of the step of a large network is spent here, on 2 CPU cores.
    """

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor) -> None:
        if not _fits_a_kernel(gradient):
            super().update_step(gradient, variable, learning_rate)
            return
        index = self._get_variable_index(variable)
        beta_1, beta_2, epsilon, rate, step = (
            tf.cast(value, variable.dtype)
            for value in (self.beta_1, self.beta_2, self.epsilon, learning_rate, self.iterations + 1)
        )
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=tf.pow(beta_1, step),
            beta2_power=tf.pow(beta_2, step),
            lr=rate,
            beta1=beta_1,
            beta2=beta_2,
            epsilon=epsilon,
            grad=tf.cast(gradient, variable.dtype),
        )


class LayerWiseSGD(_LayerWise, _FusedSGD):
    """Keras's SGD with a share of the rate for each variable, and decoupled decay of kernels."""


class LayerWiseAdamW(_LayerWise, _FusedAdam):
    """Keras's AdamW with a share of the rate for each variable, and decay of kernels only."""


class LayerWiseLamb(_LayerWise, keras.optimizers.Lamb):
    """Keras's LAMB (You et al. 2020, algorithm 2) with a share of the rate for each variable.

    Kernels decay as in the other optimizers, before the step and apart from its trust ratio, which in
    the paper sees the decay too.
    """


def _fits_a_kernel(gradient: tf.Tensor) -> bool:
    """Whether a gradient is dense, and its variable lives on one device."""
    return not isinstance(gradient, tf.IndexedSlices) and not tf.distribute.has_strategy()

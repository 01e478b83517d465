"""Weights that let all tasks learn at a similar rate."""

from collections.abc import Mapping

import keras
import numpy as np
import tensorflow as tf

from kfer.training.weighting.adaptive import Adaptive
from kfer.training.weighting.gradients import Row, last_shared_kernel
from kfer.training.weighting.weighting import Losses


class GradNorm(Adaptive):
    """Moves weights until the gradients of all tasks are of similar length in the last shared layer.

    Chen et al. 2018, "GradNorm", algorithm 1. W is the last kernel that all tasks reach which share
    one. In each step, with factors w, lengths `G_i = |w_i * dL_i/dW|` and relative training rates
    `r_i = (L_i(t) / L_i(0)) / mean_j(L_j(t) / L_j(0))`, the factors go down the gradient of
    `sum_i |G_i - mean_j(G_j) * r_i ** alpha|`, in which the second term of a difference is constant, and
    are then scaled so that their sum is the number of tasks. A task's L(0) is its first loss that is not
    0. The new factors are in force from the next step on.

    Two details differ from the paper, so that no factor turns negative and no step depends on the unit
    of the losses: the gradient is that for log(w), and it is divided by `mean_j(G_j)`.

    Fixed weights multiply the losses, and so only say where the weights start.

    A task without any labelled example, its loss 0, and one that does not reach W take no part in a
    step: the means are over the others, whose sum is kept. Where fewer than two tasks share a kernel, as
    with a frozen backbone, factors stay as they are.

    Args:
        weights: The fixed weight of each task, above 0.
        alpha: How strongly tasks that learn more slowly are favoured, at least 0. The paper takes
            more of it for tasks that differ more; 1.5 is its choice for NYUv2.
        learning_rate: How far a factor moves in a step, about this share of itself; above 0.
    """

    needs_task_gradients = True

    def __init__(
        self, weights: Mapping[str, float], alpha: float = 1.5, learning_rate: float = 0.025
    ) -> None:
        super().__init__(weights)
        self._alpha, self._learning_rate = alpha, learning_rate
        # Each replica assigns the same.
        state = {"trainable": False, "aggregation": "only_first_replica"}
        ones = np.ones(len(weights), np.float32)
        self._factors = keras.Variable(ones, name="factors", **state)
        self._first_losses = keras.Variable(0 * ones, name="first_losses", **state)

    @property
    def variables(self) -> list[keras.Variable]:
        """Factors and first losses (0 where there was none yet), float32 `[tasks]` each."""
        return [self._factors, self._first_losses]

    def factors(self, losses: tf.Tensor) -> tf.Tensor:
        """Returns the factors, float32 `[tasks]`, their sum the number of tasks.

        Args:
            losses: Not looked at.
        """
        return tf.convert_to_tensor(self._factors)

    def combine(
        self, gradients: Mapping[str, Row], losses: Losses
    ) -> tuple[list[tf.Tensor | None], tf.Tensor]:
        """Returns the weighted sum of the gradients, and of the losses; then moves the factors.

        Args:
            gradients: As for `Weighting.combine`.
            losses: Likewise.
        """
        combined, total = super().combine(gradients, losses)
        rows = [gradients[task] for task in self.fixed]
        last = last_shared_kernel(rows)
        if last is not None:
            self._move([row[last] for row in rows], self.scaled(losses))
        return combined, total

    def _move(self, gradients: Row, losses: tf.Tensor) -> None:
        """Takes a step of the factors, by the gradients in W; None of what does not reach it."""
        first = tf.convert_to_tensor(self._first_losses)
        first = tf.where(first == 0, losses, first)
        self._first_losses.assign(first)
        factors = tf.convert_to_tensor(self._factors)
        reaches = tf.constant([gradient is not None for gradient in gradients])
        taking_part = reaches & (losses != 0)

        def mean(values: tf.Tensor) -> tf.Tensor:
            return tf.reduce_mean(tf.boolean_mask(values, taking_part))

        own = self._fixed * tf.stack([0.0 if g is None else tf.norm(g) for g in gradients])
        lengths = factors * own
        mean_length = mean(lengths)
        rates = losses / first
        targets = mean_length * (rates / mean(rates)) ** self._alpha
        slopes = tf.sign(lengths - targets) * lengths / mean_length
        moved = factors * tf.exp(-self._learning_rate * slopes)
        moved *= mean(factors) / mean(moved)
        # Gradients in float16 may overflow; the optimizer then skips the step.
        allowed = taking_part & tf.math.is_finite(mean_length) & (mean_length > 0)
        self._factors.assign(tf.where(allowed, moved, factors))

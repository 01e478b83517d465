"""Gradients of tasks without what is in each other's way."""

from collections.abc import Mapping

import keras
import tensorflow as tf

from kfer.training.weighting.gradients import Row, inner_products, shared, weighted_sum
from kfer.training.weighting.weighting import Losses, Weighting


class PCGrad(Weighting):
    """Projects the gradient of each task onto the normal plane of those that it conflicts with.

    Yu et al. 2020, "Gradient Surgery for Multi-Task Learning", algorithm 1: for each task i, and each
    other task j in random order, where `g_i . g_j < 0`, `g_i -= (g_i . g_j) / |g_j| ** 2 * g_j`; the
    other's gradient is the original one. A step takes the sum of what is left of all.

    Gradients are those of the losses times their fixed weights. They are compared in the variables that
    more than one task reaches; the gradients of the other variables stay as they are. A task without any
    labelled example has a gradient of 0, which conflicts with none.

    Args:
        weights: The fixed weight of each task, above 0.
        seed: Seeds the order, which is a function of it and of the step.
    """

    needs_task_gradients = True

    def __init__(self, weights: Mapping[str, float], seed: int) -> None:
        super().__init__(weights)
        self._seed = seed
        # Each replica assigns the same.
        self._step = keras.Variable(
            0.0, dtype="float32", trainable=False, aggregation="only_first_replica", name="step"
        )

    @property
    def variables(self) -> list[keras.Variable]:
        """The number of steps so far, a float32 scalar."""
        return [self._step]

    def combine(
        self, gradients: Mapping[str, Row], losses: Losses
    ) -> tuple[list[tf.Tensor | None], tf.Tensor]:
        """Returns the sum of the projected gradients, and the sum of the losses times their weights.

        Args:
            gradients: As for `Weighting.combine`.
            losses: Likewise.
        """
        rows = [gradients[task] for task in self.fixed]
        in_common = shared(rows)
        fixed = tf.constant(list(self.fixed.values()), tf.float32)
        products = inner_products(rows, in_common) * fixed * fixed[:, tf.newaxis]
        left = tf.unstack(fixed * self._counts(products), len(rows))
        surgery = weighted_sum(gradients, dict(zip(self.fixed, left, strict=True)))
        plain, total = super().combine(gradients, losses)
        combined = [
            projected if is_shared else own
            for projected, own, is_shared in zip(surgery, plain, in_common, strict=True)
        ]
        return combined, total

    def _counts(self, products: tf.Tensor) -> tf.Tensor:
        """How often each task's gradient is in the sum of all projected ones, float32 `[tasks]`.

        A projected gradient is a sum of multiples of the original ones; so are its inner products.
        """
        size = len(self.fixed)
        step = tf.cast(tf.convert_to_tensor(self._step), tf.int64)
        self._step.assign_add(1.0)
        keys = tf.random.stateless_uniform([size, size], tf.stack([self._seed, step]))
        order = tf.argsort(keys)
        # Row i: the multiples of which the gradient of task i is made.
        multiples = tf.eye(size)
        for place in range(size):
            others = order[:, place]
            inner = tf.reduce_sum(multiples * tf.gather(products, others), axis=1)
            squares = tf.gather(tf.linalg.diag_part(products), others)
            conflicts = (inner < 0) & (others != tf.range(size))
            share = tf.where(conflicts, tf.math.divide_no_nan(inner, squares), 0.0)
            multiples -= share[:, tf.newaxis] * tf.one_hot(others, size)
        return tf.reduce_sum(multiples, axis=0)

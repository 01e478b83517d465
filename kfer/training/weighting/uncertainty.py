"""Weights by the noise that each task's labels are learned to have."""

from collections.abc import Collection, Mapping

import keras
import numpy as np
import tensorflow as tf

from kfer.training.weighting.adaptive import Adaptive
from kfer.training.weighting.weighting import Losses


class Uncertainty(Adaptive):
    """Weights by a variance for each task, trained beside the network.

    Kendall, Gal and Cipolla 2018, "Multi-Task Learning Using Uncertainty to Weigh Losses". With
    s = log(sigma ** 2), a loss L becomes `exp(-s) * L / 2 + s / 2` where it is of a regression (equations
    5 and 7) and `exp(-s) * L + s / 2` of any other task (equation 10, from the likelihood of a softmax).
    The s start at 0; the optimizer of the network trains them.

    Fixed weights multiply the losses, and so only say where the weights start: where a task's term is
    least, `exp(s)` is its loss times its fixed weight (twice that, but for regressions), and the two
    cancel.

    A task whose loss is exactly 0, as without any labelled example, has no term: its variance would
    shrink for no reason. Of the parts that a batch is accumulated from, each that has such a loss leaves
    out its share of `s / 2`.

    Args:
        weights: The fixed weight of each task, above 0.
        regressions: Those of them that predict numbers.
    """

    def __init__(self, weights: Mapping[str, float], regressions: Collection[str] = ()) -> None:
        super().__init__(weights)
        self._halves = tf.constant([0.5 if task in regressions else 1.0 for task in weights])
        self._log_variances = keras.Variable(np.zeros(len(weights), np.float32), name="log_variances")

    @property
    def variables(self) -> list[keras.Variable]:
        """The s of each task, float32 `[tasks]`."""
        return [self._log_variances]

    @property
    def trainable_variables(self) -> list[keras.Variable]:
        """The same."""
        return [self._log_variances]

    def factors(self, losses: tf.Tensor) -> tf.Tensor:
        """Returns `exp(-s)`, half of it for regressions, float32 `[tasks]`.

        Args:
            losses: Not looked at.
        """
        return self._halves * tf.exp(-tf.convert_to_tensor(self._log_variances))

    def total(self, parts: Losses, losses: Losses, share: float) -> tf.Tensor:
        """Returns the weighted losses and the terms of their variances, a float32 scalar.

        Args:
            parts: As for `Weighting.total`.
            losses: Likewise.
            share: Likewise.
        """
        terms = tf.where(self.scaled(losses) != 0, 0.5 * tf.convert_to_tensor(self._log_variances), 0.0)
        return super().total(parts, losses, share) + share * tf.reduce_sum(terms)

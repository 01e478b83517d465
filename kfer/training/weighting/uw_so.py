"""Weights by the inverse of each task's loss."""

from collections.abc import Mapping

import tensorflow as tf

from kfer.training.weighting.adaptive import Adaptive

# Below this a loss is taken for this: the inverse of a smaller one may not be finite.
_LEAST_LOSS = 1e-6


class SoftOptimalUncertainty(Adaptive):
    """Weights by a softmax over inverse losses, anew in each step.

    UW-SO: Kirchdorfer et al. 2024, "Analytical Uncertainty-Based Loss Weighting in Multi-Task Learning"
    (arXiv 2408.07985). The weight of an L1 loss that is best by `Uncertainty`'s reckoning is `1 / L`; a
    softmax tempers it: the factor of task k is `exp(1 / (L_k * T)) / sum_i exp(1 / (L_i * T))`, a
    constant in the gradient. Factors sum to 1.

    Fixed weights multiply the losses, here and in the total: they say how losses compare, which matters,
    as a softmax depends on their unit.

    A task whose loss is exactly 0, as without any labelled example, has factor 0 and no part in the
    softmax. Each of the parts that a batch is accumulated from has factors of its own.

    Args:
        weights: The fixed weight of each task, above 0.
        temperature: T, above 0; the higher, the more alike are the factors. The paper tunes it for each
            dataset.
    """

    def __init__(self, weights: Mapping[str, float], temperature: float = 1.0) -> None:
        super().__init__(weights)
        self._temperature = temperature

    def factors(self, losses: tf.Tensor) -> tf.Tensor:
        """Returns the factors, float32 `[tasks]`, their sum 1, or 0 where no task has a loss.

        Args:
            losses: Float32 `[tasks]`, times their fixed weights, without gradients.
        """
        has_loss = losses != 0
        inverse = 1.0 / tf.maximum(losses, _LEAST_LOSS)
        exponents = tf.where(has_loss, inverse / self._temperature, -float("inf"))
        return tf.where(has_loss, tf.nn.softmax(exponents), 0.0)

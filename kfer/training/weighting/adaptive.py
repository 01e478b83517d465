"""What methods share that find a factor for each task."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

import tensorflow as tf

from kfer.training.weighting.weighting import Losses, Weighting


class Adaptive(Weighting, ABC):
    """Fixed weights times factors that a method finds.

    The method sees losses that are multiplied by their fixed weights, as if they had been written so.
    A loss of exactly 0 is taken for that of a task without any labelled example.

    Args:
        weights: The fixed weight of each task, above 0.
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        super().__init__(weights)
        self._fixed = tf.constant(list(weights.values()), tf.float32)

    @abstractmethod
    def factors(self, losses: tf.Tensor) -> tf.Tensor:
        """Returns what the fixed weights are multiplied by, float32 `[tasks]`.

        Args:
            losses: Float32 `[tasks]`, times their fixed weights, without gradients.
        """

    def weights(self, losses: Losses) -> dict[str, tf.Tensor]:
        """Returns the fixed weights times the factors, float32 scalars.

        Args:
            losses: As for `Weighting.weights`.
        """
        weights = self._fixed * self.factors(self.scaled(losses))
        return dict(zip(self.fixed, tf.unstack(weights, len(self.fixed)), strict=True))

    def scaled(self, losses: Losses) -> tf.Tensor:
        """Returns the losses times their fixed weights, float32 `[tasks]`."""
        return self._fixed * tf.stack([losses[task] for task in self.fixed])

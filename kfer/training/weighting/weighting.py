"""How the losses of several tasks become one step: what every method gives, and fixed weights."""

from collections.abc import Mapping

import keras
import tensorflow as tf

from kfer.training.weighting.gradients import Row, weighted_sum

Losses = Mapping[str, tf.Tensor]


class Weighting:
    """Fixed weights, and what other methods change.

    The training step calls, in the graph and in this order: `total` with each part of a batch; where
    `needs_task_gradients`, instead of it, `combine` once a batch; and `weights` for the log. `end_epoch`
    is called between epochs, outside the graph.

    A replica sees a part of the global batch, and so does each of `training.accumulation` parts one
    after the other. `parts` are the losses of what this call sees, scaled so that they add up, over
    replicas and parts, to the means of the global batch: sums of their gradients are its gradients.

    Args:
        weights: The weight of each task, above 0.
    """

    #: Whether a step takes the gradients of each task, one backward pass each, and `combine`.
    needs_task_gradients = False

    def __init__(self, weights: Mapping[str, float]) -> None:
        self.fixed = dict(weights)

    @property
    def variables(self) -> list[keras.Variable]:
        """All state, saved in checkpoints; float32, made in `__init__` by `keras.Variable`."""
        return []

    @property
    def trainable_variables(self) -> list[keras.Variable]:
        """Those of `variables` that the optimizer trains beside the network."""
        return []

    def weights(self, losses: Losses) -> dict[str, tf.Tensor]:
        """Returns the weights in force, float32 scalars.

        Args:
            losses: Means of the global batch, without gradients. With several parts a batch, `total`
                only knows those of its part, in all replicas, scaled likewise.
        """
        return {task: tf.constant(weight, tf.float32) for task, weight in self.fixed.items()}

    def total(self, parts: Losses, losses: Losses, share: float) -> tf.Tensor:
        """Returns what this part of the batch adds to the loss that is minimised, a float32 scalar.

        Args:
            parts: With gradients.
            losses: As for `weights`.
            share: What a term that is no loss is multiplied by, so that it counts once a step.
        """
        weights = self.weights(losses)
        return tf.add_n([weights[task] * part for task, part in parts.items()])

    def combine(
        self, gradients: Mapping[str, Row], losses: Losses
    ) -> tuple[list[tf.Tensor | None], tf.Tensor]:
        """Returns the gradients of a step, and the loss that the log shows: here, weighted sums.

        Args:
            gradients: Of each task's loss, without its weight, for the network's trainable variables
                and then `trainable_variables`, in the global batch; None for what a task does not
                reach. With float16 they are scaled as the optimizer scales losses, and those that are
                returned must be too.
            losses: As for `weights`, of the whole batch.
        """
        return weighted_sum(gradients, self.weights(losses)), self.total(losses, losses, 1.0)

    def end_epoch(self, losses: Mapping[str, float]) -> None:
        """Takes the mean losses of an epoch.

        Args:
            losses: The same in every process; 0 where a task had no labelled example.
        """

"""Weights by how much each task's loss fell from one epoch to the next."""

from collections.abc import Mapping

import keras
import numpy as np
import tensorflow as tf

from kfer.training.weighting.adaptive import Adaptive


class DynamicAverage(Adaptive):
    """Gives more weight to tasks whose loss falls less than that of others.

    Dynamic weight average: Liu, Johns and Davison 2019, "End-to-End Multi-Task Learning with Attention",
    equation 7. In epoch t, with K tasks, the factor of task k is
    `K * exp(r_k / T) / sum_i exp(r_i / T)` with `r_k = L_k(t - 1) / L_k(t - 2)`, ratios of mean losses;
    in the first two epochs all are 1.

    Fixed weights stay in force, times these factors; ratios do not depend on them.

    An epoch in which a task has no labelled example, its mean loss 0, is passed over for this task: its
    ratio stays.

    Args:
        weights: The fixed weight of each task, above 0.
        temperature: T, above 0; the higher, the more alike are the factors.
    """

    def __init__(self, weights: Mapping[str, float], temperature: float = 2.0) -> None:
        super().__init__(weights)
        self._temperature = temperature
        # 0 where there was no such epoch yet.
        zeros = np.zeros(len(weights), np.float32)
        self._last = keras.Variable(zeros, trainable=False, name="last_losses")
        self._before = keras.Variable(zeros, trainable=False, name="losses_before")

    @property
    def variables(self) -> list[keras.Variable]:
        """The mean losses of the last two epochs, float32 `[tasks]` each."""
        return [self._last, self._before]

    def factors(self, losses: tf.Tensor) -> tf.Tensor:
        """Returns the factors of this epoch, float32 `[tasks]`, their sum the number of tasks.

        Args:
            losses: Not looked at.
        """
        last, before = tf.convert_to_tensor(self._last), tf.convert_to_tensor(self._before)
        ratios = tf.where(before > 0, tf.math.divide_no_nan(last, before), 1.0)
        return len(self.fixed) * tf.nn.softmax(ratios / self._temperature)

    def end_epoch(self, losses: Mapping[str, float]) -> None:
        """Takes the mean losses of an epoch, 0 where a task had no labelled example."""
        found = np.array([losses[task] for task in self.fixed], np.float32)
        last, before = np.asarray(self._last), np.asarray(self._before)
        self._before.assign(np.where(found > 0, last, before))
        self._last.assign(np.where(found > 0, found, last))

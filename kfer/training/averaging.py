"""The moving average of a network's weights."""

import keras
import tensorflow as tf


class Average:
    """Moves the weights of one network towards those of another, after each of its steps.

    Averaged weights generalise better than those of the last step (Polyak and Juditsky 1992; with
    exponentially falling weights as in Tarvainen and Valpola 2017, "Mean teachers", section 2). Moving
    statistics of batch normalisation are averaged likewise; random states are copied.

    Args:
        averaged: Holds the average.
        network: The same network, in training.
        decay: Share of the average that a step keeps, in (0, 1). After t steps of a stage it is at most
            (1 + t) / (10 + t), so that the average soon forgets where the stage started.
    """

    def __init__(self, averaged: keras.Model, network: keras.Model, decay: float) -> None:
        self._pairs = [
            (average.value, variable.value)
            for average, variable in zip(averaged.variables, network.variables, strict=True)
        ]
        self._decay = decay

    def update(self, steps: tf.Tensor) -> None:
        """Moves the average; called in the graph, outside of replicas.

        Args:
            steps: Integer scalar, steps taken in this stage, at least 1.
        """
        steps = tf.cast(steps, tf.float32)
        decay = tf.minimum(self._decay, (1.0 + steps) / (10.0 + steps))
        for average, variable in self._pairs:
            current = tf.convert_to_tensor(variable)
            if average.dtype.is_floating:
                average.assign_sub(tf.cast(1.0 - decay, average.dtype) * (average - current))
            else:
                average.assign(current)

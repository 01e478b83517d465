from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf


@pytest.fixture
def value_and_gradient() -> Callable[..., tuple[float, np.ndarray]]:
    """A function that gives a loss's value, and its gradient by its outputs, the second argument."""

    def measure(loss, labels, outputs, **arguments) -> tuple[float, np.ndarray]:
        outputs = tf.constant(outputs, arguments.pop("dtype", tf.float32))
        with tf.GradientTape() as tape:
            tape.watch(outputs)
            value = loss(labels, outputs, **arguments)
        assert value.dtype == tf.float32
        assert value.shape == ()
        return float(value), tf.convert_to_tensor(tape.gradient(value, outputs)).numpy()

    return measure

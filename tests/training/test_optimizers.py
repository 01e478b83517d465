import keras
import numpy as np
import pytest
import tensorflow as tf

from kfer.training.optimizers import LayerWiseAdamW, LayerWiseSGD

SHARED = {"learning_rate": 0.01, "factor": lambda variable: 1.0, "kernel_decay": 0.1}


def pairs() -> list[tuple[keras.optimizers.Optimizer, keras.optimizers.Optimizer]]:
    return [
        (LayerWiseAdamW(**SHARED), keras.optimizers.AdamW(0.01, weight_decay=0.1)),
        (
            LayerWiseSGD(momentum=0.9, nesterov=True, **SHARED),
            keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True, weight_decay=0.1),
        ),
        (
            LayerWiseSGD(momentum=0.9, **SHARED),
            keras.optimizers.SGD(0.01, momentum=0.9, weight_decay=0.1),
        ),
        (LayerWiseSGD(**SHARED), keras.optimizers.SGD(0.01, weight_decay=0.1)),
    ]


def moved(optimizer: keras.optimizers.Optimizer, dtype: str) -> np.ndarray:
    generator = np.random.default_rng(0)
    variable = keras.Variable(generator.normal(size=(5, 3)), dtype=dtype)
    optimizer.build([variable])
    step = tf.function(lambda gradient: optimizer.apply([gradient], [variable]))
    for _ in range(20):
        step(tf.constant(generator.normal(size=(5, 3)), dtype))
    return variable.numpy()


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_moves_as_kerass_own(number: int, dtype: str) -> None:
    ours, kerass = pairs()[number]
    np.testing.assert_allclose(moved(ours, dtype), moved(kerass, dtype), rtol=1e-5, atol=1e-5)


def test_sparse_gradients_move_only_their_rows() -> None:
    variable = keras.Variable(np.ones((4, 2), np.float32))
    optimizer = LayerWiseAdamW(learning_rate=0.1, factor=lambda variable: 1.0, kernel_decay=0.0)
    gradient = tf.IndexedSlices(tf.ones((1, 2)), tf.constant([2]), tf.constant([4, 2]))
    optimizer.apply([gradient], [variable])
    # Adam's first step is the rate, whatever the gradient.
    np.testing.assert_allclose(variable, [[1, 1], [1, 1], [0.9, 0.9], [1, 1]], rtol=1e-5)

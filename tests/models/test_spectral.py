"""Kernels that count as divided by their largest singular values."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kfer.models.spectral import SpectralNormalization


def build(kind: str, policy: str = "float32") -> tuple[SpectralNormalization, np.ndarray]:
    """A layer whose bias is not 0, after enough calls that its singular value is exact, and inputs."""
    keras.utils.set_random_seed(0)
    shape = (5, 6, 6, 3) if kind == "conv" else (5, 7)
    inputs = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    arguments = {
        "bias_initializer": "random_normal",
        "dtype": policy,
        "kernel_initializer": "random_normal",
    }
    inner = (
        keras.layers.Conv2D(4, 3, strides=2, **arguments)
        if kind == "conv"
        else keras.layers.Dense(4, **arguments)
    )
    layer = SpectralNormalization(inner)
    for _ in range(100):
        layer(inputs, training=True)
    return layer, inputs


def largest(layer: SpectralNormalization) -> float:
    kernel = np.asarray(layer.layer.kernel)
    return np.linalg.svd(kernel.reshape(-1, kernel.shape[-1]), compute_uv=False)[0]


@pytest.mark.parametrize("kind", ["conv", "dense"])
def test_it_is_the_layer_with_its_kernel_divided(kind):
    layer, inputs = build(kind)
    found = np.asarray(layer(inputs))
    kernel, bias = layer.layer.get_weights()
    layer.layer.set_weights([kernel / largest(layer), bias])
    np.testing.assert_allclose(found, layer.layer(inputs), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_what_is_trained_stays_as_it_is(policy):
    layer, inputs = build("conv", policy)
    before = np.asarray(layer.layer.kernel)
    assert (before != before.astype(tf.bfloat16.as_numpy_dtype).astype(np.float32)).any()
    said = layer(inputs, training=True)
    assert said.dtype == "float32"
    np.testing.assert_array_equal(layer.layer.kernel, before)
    # Only a call in training goes on with the power iteration.
    kept = np.asarray(layer.vector)
    layer.layer.kernel.assign(np.random.default_rng(1).normal(size=before.shape))
    layer(inputs)
    np.testing.assert_array_equal(layer.vector, kept)
    layer(inputs, training=True)
    assert (np.asarray(layer.vector) != kept).any()


def test_gradients_go_through_the_singular_value():
    """As a larger kernel gives the same outputs, none goes along it (Miyato et al. 2018, equation 12)."""
    layer, inputs = build("dense")
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(inputs, training=True) ** 3)
    kernel = layer.layer.kernel
    gradient = np.asarray(tape.gradient(loss, kernel.value))
    assert np.abs(gradient).max() > 0.1
    assert abs(np.sum(gradient * np.asarray(kernel))) < 1e-3 * np.abs(gradient * np.asarray(kernel)).sum()


def test_it_comes_back_from_a_file(tmp_path):
    layer, inputs = build("conv")
    model = keras.Sequential([keras.Input(inputs.shape[1:]), layer])
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(inputs), model(inputs))

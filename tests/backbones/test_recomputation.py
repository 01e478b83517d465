import keras
import numpy as np
import pytest
import tensorflow as tf

from kfer import backbones

TOY = {"growth_rate": 4, "stem_filters": 8, "blocks": (3, 2)}
IMAGES = tf.constant(np.random.default_rng(0).uniform(-1, 1, (4, 32, 32, 3)), tf.float32)


def both_networks() -> tuple[keras.Model, keras.Model]:
    keras.utils.set_random_seed(0)
    plain = backbones.build("densenet161", (32, 32, 3), **TOY)
    recomputing = backbones.build("densenet161", (32, 32, 3), recompute=True, **TOY)
    recomputing.set_weights(plain.get_weights())
    return plain, recomputing


def outputs_and_gradients(network: keras.Model, training: bool) -> tuple[tf.Tensor, list[tf.Tensor]]:
    factors = tf.constant(np.random.default_rng(1).normal(size=network.output.shape[1:]), tf.float32)

    @tf.function
    def run() -> tuple[tf.Tensor, list[tf.Tensor]]:
        with tf.GradientTape() as tape:
            outputs = network(IMAGES, training=training)
            total = tf.reduce_sum(outputs * factors)
        return outputs, tape.gradient(total, [v.value for v in network.trainable_variables])

    return run()


@pytest.mark.parametrize("training", [True, False])
def test_outputs_gradients_and_statistics_are_those_without(training: bool) -> None:
    plain, recomputing = both_networks()
    expected, expected_gradients = outputs_and_gradients(plain, training)
    found, found_gradients = outputs_and_gradients(recomputing, training)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    scale = max(float(tf.reduce_max(tf.abs(gradient))) for gradient in expected_gradients)
    for one, another in zip(expected_gradients, found_gradients, strict=True):
        np.testing.assert_allclose(another, one, atol=1e-5 * scale)
    for variable, another in zip(plain.variables, recomputing.variables, strict=True):
        np.testing.assert_allclose(another, variable, atol=1e-6, err_msg=variable.path)


def test_a_frozen_layer_keeps_its_statistics() -> None:
    _, network = both_networks()
    network.trainable = False
    before = network.get_weights()
    network(IMAGES, training=True)
    for old, new in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_is_saved_and_loaded(tmp_path) -> None:
    _, network = both_networks()
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    np.testing.assert_array_equal(loaded(IMAGES), network(IMAGES))


def test_works_in_mixed_precision() -> None:
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        network = backbones.build("densenet161", (32, 32, 3), recompute=True, **TOY)
    finally:
        keras.config.set_dtype_policy("float32")
    outputs, gradients = outputs_and_gradients_of_sum(network)
    assert outputs.dtype == tf.bfloat16
    assert all(np.isfinite(gradient).all() for gradient in gradients)


def outputs_and_gradients_of_sum(network: keras.Model) -> tuple[tf.Tensor, list[tf.Tensor]]:
    with tf.GradientTape() as tape:
        outputs = network(IMAGES, training=True)
        total = tf.reduce_sum(tf.cast(outputs, tf.float32))
    return outputs, tape.gradient(total, [v.value for v in network.trainable_variables])


def test_needs_the_fused_kernel() -> None:
    with pytest.raises(ValueError, match="recompute needs fused"):
        backbones.build("densenet161", (32, 32, 3), recompute=True, fused=False, **TOY)

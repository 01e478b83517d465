import math
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from kfer import losses


def test_initial_scale_by_hand() -> None:
    assert losses.initial_scale(3) == pytest.approx(math.sqrt(2) * math.log(2))


def test_two_people_have_no_scale() -> None:
    with pytest.raises(ValueError, match="at least 3 identities; got 2"):
        losses.initial_scale(2)


def test_next_scale_by_hand() -> None:
    # The others sum to 2 + 2 and to e + e^-1; the median angle, of 60 and of 0 degrees, is 30.
    cosines = [[0.5, 0.0, 0.0, math.log(2) / 2], [0.5, -0.5, 1.0, -100.0]]
    total = 1 + 1 + 2 + math.e + 1 / math.e + math.exp(-200)
    value = losses.next_scale([0, 2], cosines, 2.0)
    assert float(value) == pytest.approx(math.log(total / 2) / math.cos(math.pi / 6), rel=1e-5)
    assert value.dtype == tf.float32


def test_angles_over_45_degrees_count_as_45() -> None:
    value = losses.next_scale([0], [[-1.0, 0.5, 0.5]], 2.0)
    assert float(value) == pytest.approx(math.log(2 * math.e) * math.sqrt(2), rel=1e-5)


def test_scale_falls_as_angles_close() -> None:
    far, near = ([[own, 0.1, 0.1, 0.1]] for own in (0.75, 0.95))
    assert float(losses.next_scale([0], near, 6.0)) < float(losses.next_scale([0], far, 6.0))


def test_missing_examples_do_not_move_the_scale() -> None:
    cosines = np.random.default_rng(0).uniform(-0.9, 0.9, (5, 4))
    value = losses.next_scale([0, -1, 3, 1, 4], cosines, 3.0)
    removed = losses.next_scale([0, 3, 1], cosines[[0, 2, 3]], 3.0)
    assert float(value) == pytest.approx(float(removed), rel=1e-6)
    assert float(losses.next_scale([-1, 4], cosines[:2], 3.0)) == 3.0


def test_scale_never_gets_to_zero() -> None:
    # The two others' sum is below 1, and its logarithm below 0.
    assert float(losses.next_scale([0], [[1.0, -1.0, -1.0]], 2.0)) == 2.0


def test_scale_stays_finite_for_many_people_and_large_scales() -> None:
    assert np.isfinite(float(losses.next_scale([0], [[1.0] * 1000], 1e4)))


def test_loss_is_the_cross_entropy_of_scaled_cosines_and_the_scale_has_no_gradient() -> None:
    cosines = np.random.default_rng(0).uniform(-0.9, 0.9, (4, 3))
    scale = tf.Variable(5.0)
    with tf.GradientTape() as tape:
        value = losses.adacos([0, 3, 1, -1], cosines, scale)
    expected = losses.cross_entropy([0, -1, 1, -1], 5.0 * cosines)
    assert float(value) == pytest.approx(float(expected))
    assert tape.gradient(value, scale) is None


def network() -> tuple[keras.Model, losses.AdaCos]:
    cosines = keras.Input((4,))
    layer = losses.AdaCos(name="identity")
    return keras.Model(cosines, layer(cosines)), layer


def test_layer_passes_cosines_on_and_starts_at_the_fixed_scale() -> None:
    model, layer = network()
    cosines = np.random.default_rng(0).uniform(-1, 1, (3, 4)).astype(np.float32)
    np.testing.assert_array_equal(model(cosines), cosines)
    assert float(layer.scale) == pytest.approx(losses.initial_scale(4))
    assert model.trainable_variables == []


def test_layer_adapts_in_a_graph_and_is_saved_with_its_network(tmp_path: Path) -> None:
    model, layer = network()
    cosines = np.random.default_rng(0).uniform(-1, 1, (3, 4)).astype(np.float32)
    expected = losses.next_scale([0, 1, -1], cosines, layer.scale)
    tf.function(layer.adapt)(tf.constant([0, 1, -1]), tf.constant(cosines))
    assert float(layer.scale) == pytest.approx(float(expected), rel=1e-6)
    model.save(tmp_path / "network.keras")
    loaded = keras.models.load_model(tmp_path / "network.keras")
    assert float(loaded.get_layer("identity").scale) == float(layer.scale)

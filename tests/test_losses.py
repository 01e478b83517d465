import math

import numpy as np
import pytest
import tensorflow as tf

from kfer import losses


def value_and_gradient(function, outputs, *arguments) -> tuple[float, np.ndarray]:
    outputs = tf.constant(outputs, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(outputs)
        value = function(outputs, *arguments)
    return float(value), tape.gradient(value, outputs).numpy()


def cross_entropy(labels, smoothing=0.0):
    return lambda logits: losses.masked_cross_entropy(labels, logits, smoothing)


def arcface(labels, margin=0.3, scale=8.0):
    return lambda cosines: losses.arcface(labels, cosines, margin, scale)


def test_cross_entropy_by_hand() -> None:
    # The softmax of (log 3, 0) is (3/4, 1/4).
    logits = [[math.log(3), 0.0], [math.log(3), 0.0]]
    value = losses.masked_cross_entropy([0, 1], logits)
    assert float(value) == pytest.approx((math.log(4 / 3) + math.log(4)) / 2)
    assert value.dtype == tf.float32


def test_label_smoothing_by_hand() -> None:
    # With 0.2 of smoothing over two classes, label 0 is (0.9, 0.1).
    value = losses.masked_cross_entropy([0], [[math.log(3), 0.0]], label_smoothing=0.2)
    assert float(value) == pytest.approx(0.9 * math.log(4 / 3) + 0.1 * math.log(4))


def test_arcface_by_hand() -> None:
    # 60 degrees and a margin of 30 degrees make 90: the target's logit is 0.
    value = losses.arcface([0], [[0.5, -0.5]], margin=math.pi / 6, scale=4.0)
    assert float(value) == pytest.approx(math.log(1 + math.exp(-2)), abs=1e-6)


def test_arcface_without_margin_is_the_cross_entropy_of_scaled_cosines() -> None:
    cosines = np.random.default_rng(0).uniform(-1, 1, (5, 4))
    labels = [0, 1, 2, 3, -1]
    assert float(losses.arcface(labels, cosines, 0.0, 3.0)) == pytest.approx(
        float(losses.masked_cross_entropy(labels, 3.0 * cosines)), abs=1e-5
    )


def test_arcface_falls_as_the_angle_closes_even_beyond_pi() -> None:
    targets = np.linspace(-1, 1, 101)
    values = [float(losses.arcface([0], [[c, 0.0]], 0.5, 8.0)) for c in targets]
    assert all(np.diff(values) < 0)


@pytest.mark.parametrize("make", [cross_entropy, arcface])
def test_a_missing_label_equals_a_removed_example(make) -> None:
    outputs = np.random.default_rng(0).uniform(-0.9, 0.9, (4, 3))
    value, gradient = value_and_gradient(make([2, -1, 0, -1]), outputs)
    removed_value, removed_gradient = value_and_gradient(make([2, 0]), outputs[[0, 2]])
    assert value == pytest.approx(removed_value, abs=1e-6)
    np.testing.assert_allclose(gradient[[0, 2]], removed_gradient, atol=1e-6)
    np.testing.assert_array_equal(gradient[[1, 3]], 0)


def test_arcface_takes_a_person_not_trained_on_as_missing() -> None:
    outputs = np.random.default_rng(0).uniform(-0.9, 0.9, (2, 3))
    value, gradient = value_and_gradient(arcface([1, 3]), outputs)
    assert value == pytest.approx(value_and_gradient(arcface([1]), outputs[:1])[0], abs=1e-6)
    np.testing.assert_array_equal(gradient[1], 0)


@pytest.mark.parametrize("make", [cross_entropy, arcface])
def test_no_label_at_all_gives_zero(make) -> None:
    value, gradient = value_and_gradient(make([-1, -1]), [[0.5, 0.1], [0.2, 0.3]])
    assert value == 0
    np.testing.assert_array_equal(gradient, 0)


def test_arcface_has_a_finite_gradient_at_the_ends() -> None:
    value, gradient = value_and_gradient(arcface([0, 0]), [[1.0, -1.0], [-1.0, 1.0]])
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


def test_outputs_of_missing_examples_may_be_infinite() -> None:
    value, gradient = value_and_gradient(cross_entropy([0, -1]), [[0.0, 0.0], [np.inf, 0.0]])
    assert value == pytest.approx(math.log(2))
    assert np.isfinite(gradient[0]).all()

import math

import numpy as np
import pytest

from kfer import losses

MARGIN_LOSSES = [losses.arcface, losses.cosface, losses.center]


def test_arcface_by_hand() -> None:
    # 60 degrees and a margin of 30 degrees make 90: the target's logit is 0.
    value = losses.arcface([0], [[0.5, -0.5]], margin=math.pi / 6, scale=4.0)
    assert float(value) == pytest.approx(math.log(1 + math.exp(-2)), abs=1e-6)


def test_arcface_falls_as_the_angle_closes_even_beyond_pi() -> None:
    targets = np.linspace(-1, 1, 101)
    values = [float(losses.arcface([0], [[c, 0.0]], 0.5, 8.0)) for c in targets]
    assert all(np.diff(values) < 0)


def test_cosface_by_hand() -> None:
    # 0.75 - 0.25 against 0, eightfold.
    value = losses.cosface([0], [[0.75, 0.0]], margin=0.25, scale=8.0)
    assert float(value) == pytest.approx(math.log(1 + math.exp(-4)), rel=1e-5)


@pytest.mark.parametrize("loss", [losses.arcface, losses.cosface])
def test_without_margin_it_is_the_cross_entropy_of_scaled_cosines(loss) -> None:
    cosines = np.random.default_rng(0).uniform(-1, 1, (5, 4))
    labels = [0, 1, 2, 3, -1]
    assert float(loss(labels, cosines, 0.0, 3.0)) == pytest.approx(
        float(losses.cross_entropy(labels, 3.0 * cosines)), abs=1e-5
    )


def test_subcenter_arcface_takes_each_persons_nearest_direction(value_and_gradient) -> None:
    cosines = np.random.default_rng(0).uniform(-0.9, 0.9, (4, 5, 3))
    labels = [0, 4, -1, 2]
    value, gradient = value_and_gradient(losses.subcenter_arcface, labels, cosines, margin=0.2, scale=8.0)
    nearest = losses.arcface(labels, cosines.max(-1), margin=0.2, scale=8.0)
    assert value == pytest.approx(float(nearest))
    learned = np.count_nonzero(gradient, axis=-1)
    np.testing.assert_array_equal(learned[[0, 1, 3]], 1)
    np.testing.assert_array_equal(learned[2], 0)


def test_center_is_softmax_and_half_the_squared_distance_to_the_centre() -> None:
    generator = np.random.default_rng(0)
    embeddings, centers = generator.normal(size=(5, 3)), generator.normal(size=(4, 3))
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    centers /= np.linalg.norm(centers, axis=1, keepdims=True)
    labels, cosines = [3, 0, 0, 1, 2], embeddings @ centers.T
    distance = np.mean(np.sum((embeddings - centers[labels]) ** 2, axis=1)) / 2
    expected = float(losses.cross_entropy(labels, 8.0 * cosines)) + 0.3 * distance
    value = losses.center(labels, cosines, scale=8.0, center_weight=0.3)
    assert float(value) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("loss", MARGIN_LOSSES)
def test_a_person_not_trained_on_is_missing(loss, value_and_gradient) -> None:
    cosines = np.random.default_rng(0).uniform(-0.9, 0.9, (2, 3))
    value, gradient = value_and_gradient(loss, [1, 3], cosines)
    assert value == pytest.approx(value_and_gradient(loss, [1], cosines[:1])[0], abs=1e-6)
    np.testing.assert_array_equal(gradient[1], 0)


def test_a_person_not_trained_on_is_missing_with_several_directions(value_and_gradient) -> None:
    cosines = np.random.default_rng(0).uniform(-0.9, 0.9, (2, 3, 2))
    _, gradient = value_and_gradient(losses.subcenter_arcface, [1, 3], cosines)
    assert np.any(gradient[0])
    np.testing.assert_array_equal(gradient[1], 0)

import numpy as np
import pytest
from scipy import special
from sklearn import metrics as sklearn_metrics

from kfer import metrics

NAN = float("nan")


def drawn_labels(logits, rng):
    """Labels as likely as the softmax says: at temperature 1 these logits are calibrated."""
    ladder = special.softmax(logits, axis=1).cumsum(axis=1)
    return np.argmax(rng.random(len(logits))[:, np.newaxis] < ladder, axis=1)


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5])
def test_a_known_temperature_is_found_again(temperature):
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1.5, (20_000, 5))
    labels = drawn_labels(logits, rng)
    found = metrics.fit_temperature(labels, temperature * logits)
    assert found == pytest.approx(temperature, rel=0.03)
    before = metrics.expected_calibration_error(labels, special.softmax(temperature * logits, axis=1))
    after = metrics.expected_calibration_error(
        labels, special.softmax(temperature * logits / found, axis=1)
    )
    assert after < 0.02 and (temperature == 1.0 or before > 5 * after)


def test_no_other_temperature_is_likelier():
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 4, (300, 3))
    labels = rng.integers(-1, 3, 300)
    labels[:150] = logits[:150].argmax(axis=1)
    best = metrics.fit_temperature(labels, logits)
    least = metrics.negative_log_likelihood(labels, logits, best)
    others = [metrics.negative_log_likelihood(labels, logits, t) for t in np.geomspace(0.05, 20, 400)]
    assert least <= min(others) and least == pytest.approx(min(others), rel=1e-3)


def test_votes_say_the_temperature_exactly():
    logits = np.random.default_rng(0).normal(0, 2, (50, 4))
    votes = special.softmax(logits / 3.0, axis=1)
    votes[:5] = NAN
    assert metrics.fit_temperature(votes, logits) == pytest.approx(3.0, rel=1e-4)


def test_several_labels_an_example_share_one_temperature():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (20_000, 2))
    labels = (rng.random(logits.shape) < special.expit(logits)).astype(float)
    labels[rng.random(logits.shape) < 0.2] = NAN
    found = metrics.fit_temperature(*metrics.as_two_classes(labels, 2.0 * logits))
    assert found == pytest.approx(2.0, rel=0.03)


def test_two_classes_are_the_sigmoid():
    labels, logits = np.array([[1.0, NAN], [0.0, 0.3]]), np.array([[0.5, -2.0], [3.0, 0.0]])
    votes, two = metrics.as_two_classes(labels, logits)
    np.testing.assert_array_equal(votes, [[0, 1], [NAN, NAN], [1, 0], [0.7, 0.3]])
    np.testing.assert_allclose(special.softmax(two / 2, axis=1)[:, 1], special.expit(logits.ravel() / 2))


@pytest.mark.parametrize(
    "labels",
    [np.array([0, 1, 0]), np.array([1, 0, 1]), np.array([-1, -1, -1])],
    ids=["all right", "all wrong", "none labelled"],
)
def test_labels_that_determine_no_temperature_give_none(labels):
    assert metrics.fit_temperature(labels, np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0]])) is None


def test_the_likelihood_agrees_with_scikit_learn_where_labels_are_known():
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(0, 2, (40, 3)), rng.integers(-1, 3, 40)
    known = labels >= 0
    expected = sklearn_metrics.log_loss(labels[known], special.softmax(logits[known] / 1.7, axis=1))
    assert metrics.negative_log_likelihood(labels, logits, 1.7) == pytest.approx(expected)
    assert np.isnan(metrics.negative_log_likelihood(np.array([-1]), np.zeros((1, 3))))


def test_certain_logits_have_a_finite_likelihood():
    found = metrics.negative_log_likelihood(np.array([1]), np.array([[1000.0, 0.0]]), 0.05)
    assert found == pytest.approx(20_000)

import numpy as np
import pytest

from kfer import metrics


def test_calibration_by_hand():
    # Confidences 0.9 (right), 0.9 (wrong), 0.6 (right): bins (13/15, 14/15] and (8/15, 9/15].
    labels = np.array([0, 1, 1])
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6]])
    result = metrics.calibration(labels, probabilities)
    assert result.error == pytest.approx(2 / 3 * abs(0.5 - 0.9) + 1 / 3 * abs(1 - 0.6))
    assert result.count[13] == 2 and result.count[8] == 1 and result.count.sum() == 3
    assert result.confidence[13] == pytest.approx(0.9) and result.accuracy[13] == 0.5
    assert result.confidence[0] == pytest.approx(1 / 30)


def test_calibration_of_certain_and_right_answers_is_zero():
    assert metrics.expected_calibration_error(np.arange(4), np.eye(4)) == 0.0


def test_calibration_of_uniform_answers_is_the_distance_to_chance():
    labels = np.zeros(10, int)
    assert metrics.expected_calibration_error(labels, np.full((10, 4), 0.25)) == pytest.approx(0.75)


@pytest.mark.parametrize("seed", range(3))
def test_missing_labels_equal_removed_examples(seed):
    rng = np.random.default_rng(seed)
    labels, probabilities = rng.integers(-1, 4, 200), rng.dirichlet(np.ones(4), 200)
    known = labels >= 0
    assert metrics.expected_calibration_error(labels, probabilities) == pytest.approx(
        metrics.expected_calibration_error(labels[known], probabilities[known])
    )


def test_an_answer_is_as_right_as_its_share_of_the_votes():
    # Confidence 0.9 where 7 of 10 agree, and 0.6 where 3 of 10 do; nobody voted on the third.
    votes = np.array([[7, 3], [7, 3], [np.nan, np.nan]])
    probabilities = np.array([[0.9, 0.1], [0.4, 0.6], [0.8, 0.2]])
    result = metrics.calibration(votes, probabilities)
    assert result.error == pytest.approx((0.2 + 0.3) / 2)
    assert result.accuracy[13] == pytest.approx(0.7) and result.count.sum() == 2

"""Worked examples, properties, and scikit-learn as oracle."""

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from kfer import metrics


def _draw_pairs(seed, num=400, decimals=2):
    """Similarities with ties; genuine pairs are closer."""
    rng = np.random.default_rng(seed)
    same = rng.random(num) < 0.4
    return np.clip(rng.normal(np.where(same, 0.5, 0.2), 0.2), -1, 1).round(decimals), same


def test_confusion_matrix_has_labels_in_rows_and_skips_missing_ones():
    confusion = metrics.confusion_matrix(np.array([0, 0, 1, 2, -1, -1]), np.array([0, 1, 1, 0, 2, 0]), 3)
    np.testing.assert_array_equal(confusion, [[1, 1, 0], [0, 1, 0], [1, 0, 0]])


@pytest.mark.parametrize(
    ("labels", "predictions", "message"),
    [
        ([0, 1], [0], r"as many labels as predictions.*\(2,\) and \(1,\)"),
        ([0, 3], [0, 1], r"expected labels in \[0, 3\), or label -1; got 3"),
        ([0, 1], [0, -1], r"expected predictions in \[0, 3\).*got -1"),
    ],
)
def test_confusion_matrix_refuses_what_is_no_class(labels, predictions, message):
    with pytest.raises(ValueError, match=message):
        metrics.confusion_matrix(np.array(labels), np.array(predictions), 3)


def test_accuracy_of_labelled_examples():
    assert metrics.accuracy(np.array([0, 1, 2, -1]), np.array([0, 1, 0, 0])) == pytest.approx(2 / 3)


def test_accuracy_without_labels_is_nan():
    assert np.isnan(metrics.accuracy(np.array([-1, -1]), np.array([0, 1])))


@pytest.mark.parametrize("seed", range(3))
def test_missing_labels_equal_removed_examples(seed):
    rng = np.random.default_rng(seed)
    labels, probabilities = rng.integers(-1, 4, 200), rng.dirichlet(np.ones(4), 200)
    known = labels >= 0
    np.testing.assert_array_equal(
        metrics.confusion_matrix(labels, probabilities.argmax(1), 4),
        metrics.confusion_matrix(labels[known], probabilities[known].argmax(1), 4),
    )
    assert metrics.expected_calibration_error(labels, probabilities) == pytest.approx(
        metrics.expected_calibration_error(labels[known], probabilities[known])
    )


@pytest.mark.parametrize("seed", range(3))
def test_figures_per_class_agree_with_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    labels, predictions = rng.integers(0, 5, 60), rng.integers(0, 6, 60)
    confusion = metrics.confusion_matrix(labels, predictions, 6)
    ours = metrics.per_class(confusion)
    theirs = sklearn_metrics.precision_recall_fscore_support(
        labels, predictions, labels=range(6), zero_division=0
    )
    for name, expected in zip(("precision", "recall", "f1", "support"), theirs, strict=True):
        np.testing.assert_allclose(getattr(ours, name), expected, err_msg=name)
    assert metrics.macro_f1(confusion) == pytest.approx(ours.f1[:5].mean())


def test_macro_f1_leaves_out_absent_classes():
    # Class 0: precision 1, recall 1/2, F1 2/3. Class 1: F1 1. Class 2 is predicted, never labelled.
    confusion = np.array([[1, 0, 1], [0, 3, 0], [0, 0, 0]])
    assert metrics.macro_f1(confusion) == pytest.approx((2 / 3 + 1) / 2)
    assert np.isnan(metrics.macro_f1(np.zeros((3, 3), int)))


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


def test_cosine_similarity_ignores_length():
    a = np.array([[3.0, 0.0], [1.0, 1.0], [2.0, 0.0], [0.0, 0.0]])
    b = np.array([[5.0, 0.0], [-2.0, -2.0], [0.0, 7.0], [1.0, 0.0]])
    np.testing.assert_allclose(metrics.cosine_similarity(a, b), [1.0, -1.0, 0.0, 0.0], atol=1e-6)


def test_roc_by_hand():
    curve = metrics.roc(np.array([0.9, 0.7, 0.5, 0.3]), np.array([True, False, True, False]))
    np.testing.assert_allclose(curve.far, [0, 0, 0.5, 0.5, 1])
    np.testing.assert_allclose(curve.tar, [0, 0.5, 0.5, 1, 1])
    np.testing.assert_allclose(curve.thresholds, [np.inf, 0.9, 0.7, 0.5, 0.3])
    assert metrics.auc(curve) == pytest.approx(0.75)  # three of four comparisons are right
    assert metrics.equal_error_rate(curve) == pytest.approx(0.5)
    assert metrics.tar_at_far(curve, 0.0) == 0.5
    assert metrics.tar_at_far(curve, 0.49) == 0.5
    assert metrics.tar_at_far(curve, 0.5) == 1.0
    assert metrics.threshold_at_far(curve, 0.0) == pytest.approx(0.8)
    assert metrics.threshold_at_far(curve, 0.5) == pytest.approx(0.4)


def test_equal_error_rate_is_interpolated():
    # From (far 0, frr 1/2) to (far 1/3, frr 0) the rates meet where far = frr = 1/5.
    similarities = np.array([0.9, 0.5, 0.5, 0.2, 0.1])
    same = np.array([True, True, False, False, False])
    assert metrics.equal_error_rate(metrics.roc(similarities, same)) == pytest.approx(1 / 5)


@pytest.mark.parametrize("seed", range(4))
def test_auc_is_the_share_of_ordered_comparisons(seed):
    similarities, same = _draw_pairs(seed, 100)
    genuine, impostor = similarities[same][:, None], similarities[~same][None]
    expected = np.mean((genuine > impostor) + 0.5 * (genuine == impostor))
    assert metrics.auc(metrics.roc(similarities, same)) == pytest.approx(expected)


def test_perfect_separation():
    curve = metrics.roc(np.array([0.9, 0.8, 0.1, 0.0]), np.array([True, True, False, False]))
    assert metrics.auc(curve) == 1.0
    assert metrics.equal_error_rate(curve) == 0.0
    assert metrics.tar_at_far(curve, 0.0) == 1.0


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("rate", [0.0, 0.001, 0.1, 0.5, 1.0])
def test_threshold_keeps_its_false_accept_rate(seed, rate):
    similarities, same = _draw_pairs(seed)
    curve = metrics.roc(similarities, same)
    accepted = similarities >= metrics.threshold_at_far(curve, rate)
    assert accepted[~same].mean() <= rate
    assert accepted[same].mean() == pytest.approx(metrics.tar_at_far(curve, rate))


@pytest.mark.parametrize("seed", range(4))
def test_true_accept_rate_ascends_with_the_false_accept_rate(seed):
    curve = metrics.roc(*_draw_pairs(seed))
    rates = [metrics.tar_at_far(curve, rate) for rate in np.linspace(0, 1, 50)]
    assert np.all(np.diff(rates) >= 0) and rates[-1] == 1.0


def test_threshold_above_everything_where_no_impostor_may_pass():
    curve = metrics.roc(np.array([0.9, 0.5]), np.array([False, True]))
    assert metrics.threshold_at_far(curve, 0.01) > 0.9
    assert metrics.tar_at_far(curve, 0.01) == 0.0


def test_false_accept_rate_is_a_rate():
    curve = metrics.roc(np.array([0.9, 0.5]), np.array([False, True]))
    with pytest.raises(ValueError, match=r"in \[0, 1\]; got 10"):
        metrics.tar_at_far(curve, 10)


@pytest.mark.parametrize(
    ("similarities", "same", "message"),
    [
        ([0.1, 0.2], [True, True], "genuine and impostor pairs; got 2 genuine and 0 impostor"),
        ([], [], "got 0 genuine and 0 impostor"),
        ([0.1, np.nan], [True, False], "finite similarities; 1 of 2 are not"),
        ([0.1], [True, False], r"got shapes \(1,\) and \(2,\)"),
    ],
)
def test_roc_refuses_pairs_that_say_nothing(similarities, same, message):
    with pytest.raises(ValueError, match=message):
        metrics.roc(np.array(similarities), np.array(same, bool))


@pytest.mark.parametrize("seed", range(6))
def test_best_threshold_beats_every_other(seed):
    similarities, same = _draw_pairs(seed, 60, decimals=1)
    best = np.mean((similarities >= metrics.best_threshold(similarities, same)) == same)
    candidates = np.append(similarities, 2.0)
    assert best == max(np.mean((similarities >= t) == same) for t in candidates)


def test_best_threshold_lies_between_the_kinds():
    same = np.array([True, True, False])
    assert metrics.best_threshold(np.array([0.8, 0.6, 0.2]), same) == pytest.approx(0.4)
    assert metrics.best_threshold(np.array([0.8, 0.6]), np.array([False, False])) > 0.8
    assert metrics.best_threshold(np.array([0.8, 0.6]), np.array([True, True])) < 0.6


def test_verification_accuracy_takes_the_threshold_from_the_other_folds():
    # Fold 0 alone would choose a threshold near 0.5, fold 1 one near 0.1: each fails on the other.
    similarities = np.array([0.6, 0.4, 0.2, 0.0])
    same = np.array([True, False, True, False])
    result = metrics.verification_accuracy(similarities, same, np.array([0, 0, 1, 1]))
    np.testing.assert_array_equal(result.per_fold, [0.5, 0.5])
    assert result.mean == 0.5 and result.std == 0.0


def test_verification_accuracy_needs_two_folds():
    with pytest.raises(ValueError, match="at least 2 folds of pairs; got 1"):
        metrics.verification_accuracy(np.array([0.6, 0.4]), np.array([True, False]), np.zeros(2))


def test_figures_of_the_curve_survive_any_increasing_map():
    similarities, same = _draw_pairs(0)
    curve, other = metrics.roc(similarities, same), metrics.roc(similarities**3, same)
    assert metrics.equal_error_rate(curve) == metrics.equal_error_rate(other)
    assert metrics.auc(curve) == metrics.auc(other)


@pytest.mark.parametrize("chunk", [1, 2, 100])
def test_rank1_by_hand_in_any_chunk(chunk):
    gallery = np.array([[1.0, 0.0], [0.0, 9.0]])
    probes = np.array([[5.0, 1.0], [1.0, 5.0], [0.2, 0.1]])
    assert metrics.rank1(probes, [7, 7, 7], gallery, [7, 8], chunk) == pytest.approx(2 / 3)


def test_rank1_needs_probes():
    with pytest.raises(ValueError, match="got 0 probes and 2 gallery images"):
        metrics.rank1(np.zeros((0, 2)), np.zeros(0), np.eye(2), np.arange(2))

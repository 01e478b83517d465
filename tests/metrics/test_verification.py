import numpy as np
import pytest

from kfer import metrics


def _draw_pairs(seed, num=400, decimals=2):
    """Similarities with ties; genuine pairs are closer."""
    rng = np.random.default_rng(seed)
    same = rng.random(num) < 0.4
    return np.clip(rng.normal(np.where(same, 0.5, 0.2), 0.2), -1, 1).round(decimals), same


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

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from kfer import metrics

NAN = float("nan")


def test_figures_of_each_label_by_hand():
    # First label: there, there, not; predicted yes, no, yes. Second: once there, never predicted, and
    # missing in the third example. Third: never there, predicted once.
    labels = np.array([[1, 1, 0], [1, 0, 0], [0, NAN, 0]])
    probabilities = np.array([[0.9, 0.4, 0.1], [0.2, 0.3, 0.5], [0.6, 0.99, 0.2]])
    figures = metrics.per_label(labels, probabilities)
    np.testing.assert_allclose(figures.precision, [1 / 2, 0, 0])
    np.testing.assert_allclose(figures.recall, [1 / 2, 0, 0])
    np.testing.assert_allclose(figures.f1, [1 / 2, 0, 0])
    np.testing.assert_array_equal(figures.positives, [2, 1, 0])
    np.testing.assert_array_equal(figures.support, [3, 2, 3])
    # First label: one of two comparisons is right; the first of all has it, and the last of three.
    np.testing.assert_allclose(figures.auc, [1 / 2, 1, NAN])
    np.testing.assert_allclose(figures.average_precision, [(1 + 2 / 3) / 2, 1, NAN])
    assert figures.macro_f1 == pytest.approx((1 / 2 + 0) / 2)  # the third label is left out
    assert figures.mean_auc == pytest.approx(3 / 4)
    assert figures.mean_average_precision == pytest.approx((5 / 6 + 1) / 2)


@pytest.mark.parametrize("seed", range(3))
def test_figures_agree_with_scikit_learn_where_labels_are_known(seed):
    rng = np.random.default_rng(seed)
    labels, probabilities = rng.integers(0, 2, (80, 4)).astype(float), rng.random((80, 4)).round(2)
    labels[rng.random((80, 4)) < 0.3] = NAN
    figures = metrics.per_label(labels, probabilities)
    for column in range(4):
        known = ~np.isnan(labels[:, column])
        truth, score = labels[known, column], probabilities[known, column]
        precision, recall, f1, _ = sklearn_metrics.precision_recall_fscore_support(
            truth, score >= 0.5, average="binary"
        )
        found = [figures.precision[column], figures.recall[column], figures.f1[column]]
        assert found == pytest.approx([precision, recall, f1])
        assert figures.auc[column] == pytest.approx(sklearn_metrics.roc_auc_score(truth, score))
        assert figures.average_precision[column] == pytest.approx(
            sklearn_metrics.average_precision_score(truth, score)
        )
        assert figures.support[column] == known.sum()


def test_without_labels_there_are_no_means():
    figures = metrics.per_label(np.full((2, 3), NAN), np.full((2, 3), 0.7))
    assert np.isnan([figures.macro_f1, figures.mean_auc, figures.mean_average_precision]).all()
    np.testing.assert_array_equal(figures.support, [0, 0, 0])


def test_a_label_is_there_from_a_half():
    probabilities = np.random.default_rng(0).random((4, 1))
    much = metrics.per_label(np.array([[0.2], [0.5], [1.0], [0.49]]), probabilities)
    there = metrics.per_label(np.array([[0.0], [1.0], [1.0], [0.0]]), probabilities)
    assert all(getattr(much, name) == getattr(there, name) for name in vars(much))
    assert much.positives == 2


def test_other_numbers_and_shapes_are_refused():
    with pytest.raises(ValueError, match=r"labels in \[0, 1\], or nan where missing; got 2"):
        metrics.per_label(np.array([[2.0]]), np.array([[0.5]]))
    with pytest.raises(ValueError, match=r"one shape \[n, columns\]; got shapes \(1, 2\) and \(1, 3\)"):
        metrics.per_label(np.zeros((1, 2)), np.zeros((1, 3)))

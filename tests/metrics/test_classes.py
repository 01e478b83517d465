import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from kfer import metrics


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


@pytest.mark.parametrize("seed", range(3))
def test_missing_labels_equal_removed_examples(seed):
    rng = np.random.default_rng(seed)
    labels, predictions = rng.integers(-1, 4, 200), rng.integers(0, 4, 200)
    known = labels >= 0
    np.testing.assert_array_equal(
        metrics.confusion_matrix(labels, predictions, 4),
        metrics.confusion_matrix(labels[known], predictions[known], 4),
    )

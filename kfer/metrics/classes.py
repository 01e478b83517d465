"""Classes: counts of labels and predictions, accuracy and F1. Missing labels (-1) never count."""

from dataclasses import dataclass

import numpy as np

from kfer import spec


@dataclass(frozen=True)
class PerClass:
    """Figures of each class; 0 where a figure's denominator is 0.

    Attributes:
        precision: float64 [classes] in [0, 1].
        recall: float64 [classes] in [0, 1].
        f1: float64 [classes] in [0, 1].
        support: int64 [classes], labelled examples.
    """

    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    support: np.ndarray


def confusion_matrix(labels: np.ndarray, predictions: np.ndarray, num_classes: int) -> np.ndarray:
    """Returns counts, int64 [num_classes, num_classes]: rows are labels, columns predictions.

    Args:
        labels: int [n], in [0, num_classes), or -1 where missing.
        predictions: int [n], in [0, num_classes).
        num_classes: Classes there are.

    Raises:
        ValueError: The lengths differ, or a value is not a class.
    """
    labels, predictions = np.asarray(labels), np.asarray(predictions)
    if labels.ndim != 1 or labels.shape != predictions.shape:
        raise ValueError(
            "expected as many labels as predictions, in one dimension each; "
            f"got shapes {labels.shape} and {predictions.shape}"
        )
    known = labels != spec.MISSING_LABEL
    labels, predictions = labels[known], predictions[known]
    for name, values in (("labels", labels), ("predictions", predictions)):
        wrong = values[(values < 0) | (values >= num_classes)]
        if len(wrong):
            raise ValueError(f"expected {name} in [0, {num_classes}), or label -1; got {wrong[0]}")
    cells = labels.astype(np.int64) * num_classes + predictions
    return np.bincount(cells, minlength=num_classes**2).reshape(num_classes, num_classes)


def accuracy(labels: np.ndarray, predictions: np.ndarray) -> float:
    """Returns the share of labelled examples whose prediction is right; nan where none is labelled.

    Args:
        labels: int [n], -1 where missing.
        predictions: int [n].
    """
    labels, predictions = np.asarray(labels), np.asarray(predictions)
    known = labels != spec.MISSING_LABEL
    return float(np.mean(labels[known] == predictions[known])) if known.any() else float("nan")


def per_class(confusion: np.ndarray) -> PerClass:
    """Returns precision, recall, F1 and support of each class.

    Args:
        confusion: int [classes, classes] from `confusion_matrix`.
    """
    right = np.diag(confusion).astype(np.float64)
    predicted, support = confusion.sum(axis=0), confusion.sum(axis=1)
    return PerClass(
        precision=right / np.maximum(predicted, 1),
        recall=right / np.maximum(support, 1),
        f1=f1(right, predicted, support),
        support=support,
    )


def macro_f1(confusion: np.ndarray) -> float:
    """Returns the mean F1 of the classes that have labelled examples; nan where none has.

    A class without examples is left out, rather than counted as 0: a test set that lacks it says
    nothing about it. Predicting it still costs recall of the true class.

    Args:
        confusion: int [classes, classes] from `confusion_matrix`.
    """
    return float(mean_f1(np.diag(confusion), confusion.sum(axis=0), confusion.sum(axis=1)))


def f1(right: np.ndarray, predicted: np.ndarray, support: np.ndarray) -> np.ndarray:
    """Returns F1 from counts, float64 of their shape; 0 where nothing is predicted or labelled.

    Args:
        right: How many are both predicted and labelled.
        predicted: How many are predicted.
        support: How many are labelled.
    """
    return 2 * right / np.maximum(predicted + support, 1)


def mean_f1(right: np.ndarray, predicted: np.ndarray, support: np.ndarray) -> np.ndarray:
    """Returns the mean F1 of the classes with support, float64 [...]; nan where none has any.

    Args:
        right: [..., classes], how many of each class are told right.
        predicted: [..., classes], how many are said to be of it.
        support: [..., classes], how many are of it.
    """
    present = support > 0
    total, num = np.sum(f1(right, predicted, support) * present, axis=-1), present.sum(axis=-1)
    return np.where(num > 0, total / np.maximum(num, 1), np.nan)

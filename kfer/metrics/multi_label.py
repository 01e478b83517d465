"""Several labels an example, each there or not: action units, for one. Missing labels are nan.

A label is 0 or 1; where a dataset says how much of it there is, it counts as there from a half.
"""

from dataclasses import dataclass

import numpy as np
from sklearn import metrics as sklearn_metrics

from kfer.metrics.arrays import checked_alike, mean_of_known
from kfer.metrics.classes import f1

#: Probability from which a label is predicted, and label from which it is there.
DECISION = 0.5


@dataclass(frozen=True)
class PerLabel:
    """Figures of each label, over the examples in which it is not missing.

    Attributes:
        precision: float64 [labels] in [0, 1]; 0 where the label is never predicted.
        recall: float64 [labels] in [0, 1]; 0 where no example has the label.
        f1: float64 [labels] in [0, 1]; 0 where the label is neither predicted nor there.
        auc: float64 [labels] in [0, 1], area under the receiver operating characteristic; nan where not
            both kinds of example are there.
        average_precision: float64 [labels] in [0, 1]; nan where no example has the label.
        positives: int64 [labels], examples that have the label.
        support: int64 [labels], examples in which it is not missing.
    """

    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    auc: np.ndarray
    average_precision: np.ndarray
    positives: np.ndarray
    support: np.ndarray

    @property
    def macro_f1(self) -> float:
        """The mean F1 of the labels that some example has; nan where there is none."""
        return mean_of_known(np.where(self.positives > 0, self.f1, np.nan))

    @property
    def mean_auc(self) -> float:
        """The mean area of the labels that have one; nan where there is none."""
        return mean_of_known(self.auc)

    @property
    def mean_average_precision(self) -> float:
        """The mean average precision of the labels that some example has; nan where there is none."""
        return mean_of_known(self.average_precision)


def per_label(labels: np.ndarray, probabilities: np.ndarray) -> PerLabel:
    """Returns figures of each label; it is predicted where its probability is at least 0.5.

    The average precision is the mean of the precisions at each example that has the label, without
    interpolation.

    Args:
        labels: float [n, labels] in [0, 1], nan where missing.
        probabilities: float [n, labels] in [0, 1].

    Raises:
        ValueError: The shapes differ, or a label is not in [0, 1].
    """
    labels, probabilities = checked_multi_label(labels, probabilities)
    right, predicted, positives = decided(labels, probabilities)
    num_right, num_predicted, num_positives = (part.sum(axis=0) for part in (right, predicted, positives))
    known = ~np.isnan(labels)
    columns = range(labels.shape[1])
    return PerLabel(
        precision=num_right / np.maximum(num_predicted, 1),
        recall=num_right / np.maximum(num_positives, 1),
        f1=f1(num_right, num_predicted, num_positives),
        auc=np.array([_auc(labels[known[:, i], i], probabilities[known[:, i], i]) for i in columns]),
        average_precision=np.array(
            [_average_precision(labels[known[:, i], i], probabilities[known[:, i], i]) for i in columns]
        ),
        positives=num_positives,
        support=known.sum(axis=0),
    )


def checked_multi_label(labels: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns both as float64 [n, labels], and the labels as 0 or 1, nan where missing.

    Raises:
        ValueError: The shapes differ, or a label is not in [0, 1].
    """
    labels, probabilities = checked_alike(labels, probabilities, "probabilities")
    wrong = labels[(labels < 0) | (labels > 1)]
    if len(wrong):
        raise ValueError(f"expected labels in [0, 1], or nan where missing; got {wrong[0]}")
    return np.where(np.isnan(labels), np.nan, labels >= DECISION), probabilities


def decided(labels: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns which labels are predicted and there, predicted, and there: bool [n, labels] each.

    Missing labels are neither.

    Args:
        labels: float [n, labels], 0 or 1, nan where missing.
        probabilities: float [n, labels] in [0, 1].
    """
    predicted, there = (probabilities >= DECISION) & ~np.isnan(labels), labels == 1
    return predicted & there, predicted, there


def _auc(labels: np.ndarray, probabilities: np.ndarray) -> float:
    if not 0 < labels.sum() < len(labels):
        return float("nan")
    return float(sklearn_metrics.roc_auc_score(labels, probabilities))


def _average_precision(labels: np.ndarray, probabilities: np.ndarray) -> float:
    if not labels.sum():
        return float("nan")
    return float(sklearn_metrics.average_precision_score(labels, probabilities))

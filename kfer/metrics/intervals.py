"""Intervals of the figures of each kind of task, over examples or pairs drawn with replacement.

`bootstrap.intervals` says what an interval tells and what not. Examples whose labels are missing are not
drawn, so that an interval with them equals the one without them.
"""

from collections.abc import Sequence

import numpy as np

from kfer import spec
from kfer.metrics import bootstrap
from kfer.metrics.arrays import checked_alike
from kfer.metrics.bootstrap import Figures, Interval
from kfer.metrics.classes import confusion_matrix, mean_f1
from kfer.metrics.multi_label import checked_multi_label, decided
from kfer.metrics.regression import weighted_figures
from kfer.metrics.thresholds import accepts
from kfer.metrics.verification import right_on_held_out_folds


def class_intervals(
    labels: np.ndarray,
    predictions: np.ndarray,
    num_classes: int,
    resamples: int,
    seed: int,
    groups: np.ndarray | None = None,
) -> dict[str, Interval]:
    """Returns "accuracy" and "macro_f1" with their intervals.

    Args:
        labels: int [n], in [0, num_classes), or -1 where missing.
        predictions: int [n], in [0, num_classes).
        num_classes: Classes there are.
        resamples: How often the examples are drawn.
        seed: Seeds the draws.
        groups: int [n], equal for examples that are drawn together; None draws each alone.

    Raises:
        ValueError: The lengths differ, or a value is not a class.
    """
    confusion_matrix(labels, predictions, num_classes)
    known = np.asarray(labels) != spec.MISSING_LABEL
    labels, predictions = np.asarray(labels)[known], np.asarray(predictions)[known]
    figures = class_figures(labels, predictions, num_classes)
    return bootstrap.intervals(figures, len(labels), resamples, seed, _of(groups, known))


def class_figures(labels: np.ndarray, predictions: np.ndarray, num_classes: int) -> Figures:
    """Returns what gives "accuracy" and "macro_f1" of resamples.

    Args:
        labels: int [n], in [0, num_classes), none missing.
        predictions: int [n], in [0, num_classes).
        num_classes: Classes there are.
    """
    one_of = np.eye(num_classes)
    support, predicted = one_of[labels], one_of[predictions]

    def figures(counts: np.ndarray) -> dict[str, np.ndarray]:
        right = counts @ (support * predicted)
        with np.errstate(invalid="ignore"):
            accuracy = right.sum(axis=1) / counts.sum(axis=1)
        return {
            "accuracy": accuracy,
            "macro_f1": mean_f1(right, counts @ predicted, counts @ support),
        }

    return figures


def label_intervals(
    labels: np.ndarray,
    probabilities: np.ndarray,
    resamples: int,
    seed: int,
    groups: np.ndarray | None = None,
) -> dict[str, Interval]:
    """Returns "macro_f1" of several labels an example with its interval.

    Args:
        labels: float [n, labels] in [0, 1], nan where missing.
        probabilities: float [n, labels] in [0, 1].
        resamples: How often the examples are drawn.
        seed: Seeds the draws.
        groups: int [n], equal for examples that are drawn together; None draws each alone.

    Raises:
        ValueError: The shapes differ, or a label is not in [0, 1].
    """
    labels, probabilities = checked_multi_label(labels, probabilities)
    known = ~np.isnan(labels).all(axis=1)
    right, predicted, there = decided(labels[known], probabilities[known])

    def figures(counts: np.ndarray) -> dict[str, np.ndarray]:
        return {"macro_f1": mean_f1(counts @ right, counts @ predicted, counts @ there)}

    return bootstrap.intervals(figures, len(right), resamples, seed, _of(groups, known))


def number_intervals(
    labels: np.ndarray,
    predictions: np.ndarray,
    resamples: int,
    seed: int,
    groups: np.ndarray | None = None,
) -> dict[str, Interval]:
    """Returns "mean_absolute_error" and "concordance" with their intervals: means over the numbers.

    Args:
        labels: float [n, numbers], nan where missing.
        predictions: float [n, numbers].
        resamples: How often the examples are drawn.
        seed: Seeds the draws.
        groups: int [n], equal for examples that are drawn together; None draws each alone.

    Raises:
        ValueError: The shapes differ.
    """
    labels, predictions = checked_alike(labels, predictions)
    known = ~np.isnan(labels).all(axis=1)
    labels, predictions = labels[known], predictions[known]

    def figures(counts: np.ndarray) -> dict[str, np.ndarray]:
        each = weighted_figures(labels, predictions, counts)
        return {name: _row_means(each[name]) for name in ("mean_absolute_error", "concordance")}

    return bootstrap.intervals(figures, len(labels), resamples, seed, _of(groups, known))


def pair_intervals(
    similarities: np.ndarray,
    same: np.ndarray,
    folds: np.ndarray,
    false_accept_rates: Sequence[float],
    resamples: int,
    seed: int,
) -> dict[str, Interval]:
    """Returns "accuracy" over folds, and "tar_at_far_0.01" for a rate of 0.01, with their intervals.

    Pairs are drawn, genuine and impostor ones apart. Pairs that share a person or an image are not
    independent, which this does not see: with few people the intervals are too narrow. The accuracy
    keeps the thresholds that the given pairs choose; the threshold of a true accept rate is that of
    each resample.

    Args:
        similarities: float [n].
        same: bool [n].
        folds: int [n], the fold of each pair, two or more different ones.
        false_accept_rates: Rates in [0, 1].
        resamples: How often the pairs are drawn.
        seed: Seeds the draws.

    Raises:
        ValueError: As in `verification_accuracy`.
    """
    figures = pair_figures(similarities, same, folds, false_accept_rates)
    return bootstrap.intervals(figures, len(same), resamples, seed, strata=np.asarray(same, bool))


def pair_figures(
    similarities: np.ndarray, same: np.ndarray, folds: np.ndarray, false_accept_rates: Sequence[float]
) -> Figures:
    """Returns what gives the figures of `pair_intervals` of resamples with as many pairs of each kind.

    Args:
        similarities: float [n].
        same: bool [n].
        folds: int [n], the fold of each pair, two or more different ones.
        false_accept_rates: Rates in [0, 1].

    Raises:
        ValueError: As in `verification_accuracy`.
    """
    right = right_on_held_out_folds(similarities, same, folds)
    in_fold = (np.asarray(folds)[:, np.newaxis] == np.unique(folds)).astype(np.float64)
    right_in_fold = in_fold * right[:, np.newaxis]
    rates_of = accepts(similarities, same)[1]

    def figures(counts: np.ndarray) -> dict[str, np.ndarray]:
        with np.errstate(invalid="ignore"):
            found = {"accuracy": _row_means((counts @ right_in_fold) / (counts @ in_fold))}
        far, tar = rates_of(counts)
        for rate in false_accept_rates:
            accepted = np.where(far <= rate, tar, 0.0)
            found[f"tar_at_far_{rate:g}"] = accepted.max(axis=1)
        return found

    return figures


def accept_intervals(
    similarities: np.ndarray, same: np.ndarray, threshold: float, resamples: int, seed: int
) -> dict[str, Interval]:
    """Returns "true_accept_rate" and "false_accept_rate" at a given threshold with their intervals.

    Pairs are drawn as in `pair_intervals`.

    Args:
        similarities: float [n].
        same: bool [n], some of each kind.
        threshold: Similarity from which a pair is accepted; chosen on other pairs.
        resamples: How often the pairs are drawn.
        seed: Seeds the draws.
    """
    same, accepted = np.asarray(same, bool), np.asarray(similarities) >= threshold

    def figures(counts: np.ndarray) -> dict[str, np.ndarray]:
        return {
            "true_accept_rate": counts @ (accepted & same) / same.sum(),
            "false_accept_rate": counts @ (accepted & ~same) / (~same).sum(),
        }

    return bootstrap.intervals(figures, len(same), resamples, seed, strata=same)


def _of(groups: np.ndarray | None, known: np.ndarray) -> np.ndarray | None:
    return None if groups is None else np.asarray(groups)[known]


def _row_means(figures: np.ndarray) -> np.ndarray:
    """The mean of each row's figures that are not nan; nan where all are."""
    known = ~np.isnan(figures)
    total, num = np.where(known, figures, 0.0).sum(axis=1), known.sum(axis=1)
    return np.where(num > 0, total / np.maximum(num, 1), np.nan)

"""Reports of how good a network is, and whether it may be pushed.

Everything takes numpy arrays, so that Keras, a SavedModel and a TFLite model are judged alike. Reports
are dicts of plain numbers and lists, ready for JSON.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kfer import metrics, spec
from kfer.settings import EvaluationSettings

#: Expected false accepts below which a true accept rate is called unreliable.
_FALSE_ACCEPTS_NEEDED = 10
_ROC_POINTS = 200
_HISTOGRAM_EDGES = np.linspace(-1.0, 1.0, 51)


@dataclass(frozen=True)
class Blessing:
    """Whether a model may be pushed.

    Attributes:
        blessed: All checks passed.
        reasons: One sentence a failed check.
        checks: One dict a check: `metric`, `check` ("lower bound" or "latest blessed"), `value` (None
            where it was not measured), `limit` and `passed`.
    """

    blessed: bool
    reasons: list[str]
    checks: list[dict[str, Any]]


def expression_report(
    labels: np.ndarray, probabilities: np.ndarray, class_names: Sequence[str]
) -> dict[str, Any]:
    """Returns how good the expressions are.

    Args:
        labels: int [n], -1 where missing: such examples do not count.
        probabilities: float [n, classes] in [0, 1].
        class_names: The classes, in the order of the probabilities.

    Returns:
        `num_examples`, `accuracy`, `macro_f1` (over the classes that have examples), `classes` (`name`,
        `precision`, `recall`, `f1`, `support` of each), `confusion` (rows are labels),
        `expected_calibration_error`, and `reliability`: `confidence`, `accuracy` and `count` of 15 bins.

    Raises:
        ValueError: No example has a label, shapes do not fit, or a probability is not finite.
    """
    labels, probabilities = np.asarray(labels), np.asarray(probabilities)
    if probabilities.shape != (len(labels), len(class_names)):
        raise ValueError(
            f"expected probabilities of shape ({len(labels)}, {len(class_names)}), one row a label and "
            f"one column a class; got {probabilities.shape}"
        )
    num_examples = int(np.sum(labels != spec.MISSING_LABEL))
    if not num_examples:
        raise ValueError(f"expected labelled examples; none of {len(labels)} has an expression")
    if not np.isfinite(probabilities).all():
        raise ValueError("expected finite probabilities; got nan or inf: has the network diverged?")
    predictions = probabilities.argmax(axis=1)
    confusion = metrics.confusion_matrix(labels, predictions, len(class_names))
    figures = metrics.per_class(confusion)
    calibration = metrics.calibration(labels, probabilities)
    return {
        "num_examples": num_examples,
        "accuracy": metrics.accuracy(labels, predictions),
        "macro_f1": metrics.macro_f1(confusion),
        "classes": [
            {
                "name": name,
                "precision": float(figures.precision[index]),
                "recall": float(figures.recall[index]),
                "f1": float(figures.f1[index]),
                "support": int(figures.support[index]),
            }
            for index, name in enumerate(class_names)
        ],
        "confusion": confusion.tolist(),
        "expected_calibration_error": calibration.error,
        "reliability": [
            {"confidence": float(confidence), "accuracy": float(accuracy), "count": int(count)}
            for confidence, accuracy, count in zip(
                calibration.confidence, calibration.accuracy, calibration.count, strict=True
            )
        ],
    }


def verification_report(
    similarities: np.ndarray,
    same: np.ndarray,
    folds: np.ndarray | None,
    num_folds: int,
    false_accept_rates: Sequence[float],
) -> dict[str, Any]:
    """Returns how well pairs are told to show one person or two.

    Args:
        similarities: float [n], cosines.
        same: bool [n].
        folds: int [n], the protocol's own folds. With None, or where a fold is -1, each kind of pair is
            dealt out in turn to `num_folds` folds; then people may be in several folds.
        num_folds: Folds where the pairs bring none.
        false_accept_rates: Rates at which the true accept rate is reported.

    Returns:
        `num_pairs`, `num_genuine`, `num_folds`, `accuracy` and `accuracy_std` over folds, each with the
        threshold that is best on the other folds; `auc`; `eer`; `tar_at_far`: `far`, `tar` and `reliable`
        of each rate, which is reliable where at least 10 false accepts are expected, so with 10 / far
        impostor pairs; `roc`: at most 200 pairs of far and tar; `histogram`: `edges` of bins of
        similarity, and counts of `genuine` and `impostor` pairs in them.

    Raises:
        ValueError: There is no genuine or no impostor pair, or a similarity is not finite.
    """
    similarities, same = np.asarray(similarities, np.float64), np.asarray(same, bool)
    curve = metrics.roc(similarities, same)
    if folds is None or np.any(np.asarray(folds) < 0):
        folds = _dealt_folds(same, num_folds)
    accuracy = metrics.verification_accuracy(similarities, same, folds)
    num_impostors = int(np.sum(~same))
    points = np.unique(np.linspace(0, len(curve.far) - 1, _ROC_POINTS).round().astype(int))
    within = np.clip(similarities, -1.0, 1.0)
    return {
        "num_pairs": len(same),
        "num_genuine": int(same.sum()),
        "num_folds": len(accuracy.per_fold),
        "accuracy": accuracy.mean,
        "accuracy_std": accuracy.std,
        "auc": metrics.auc(curve),
        "eer": metrics.equal_error_rate(curve),
        "tar_at_far": [
            {
                "far": float(rate),
                "tar": metrics.tar_at_far(curve, rate),
                "reliable": num_impostors * rate >= _FALSE_ACCEPTS_NEEDED,
            }
            for rate in false_accept_rates
        ],
        "roc": np.stack([curve.far, curve.tar], axis=1)[points].tolist(),
        "histogram": {
            "edges": _HISTOGRAM_EDGES.tolist(),
            "genuine": np.histogram(within[same], _HISTOGRAM_EDGES)[0].tolist(),
            "impostor": np.histogram(within[~same], _HISTOGRAM_EDGES)[0].tolist(),
        },
    }


def identification_report(embeddings: np.ndarray, identities: np.ndarray) -> dict[str, Any]:
    """Returns how often the closest gallery image is of the probe's person.

    The gallery has the first image of each person, the others are probes. People with one image are
    in the gallery as distractors: they can only be mistaken for somebody.

    Args:
        embeddings: float [n, size], not necessarily normalised.
        identities: int [n], -1 where missing: such images do not take part.

    Returns:
        `num_people` in the gallery, of them `num_distractors`; `num_probes`; `rank1` in [0, 1].

    Raises:
        ValueError: Lengths differ, or nobody has two images.
    """
    embeddings, identities = np.asarray(embeddings), np.asarray(identities)
    if len(embeddings) != len(identities):
        raise ValueError(
            f"expected one identity an embedding; got {len(identities)} identities and "
            f"{len(embeddings)} embeddings"
        )
    known = np.flatnonzero(identities != spec.MISSING_LABEL)
    people, first, counts = np.unique(identities[known], return_index=True, return_counts=True)
    if len(people) == len(known):
        raise ValueError(
            f"expected at least one person with two images, one of them a probe; got {len(known)} "
            f"labelled images of {len(people)} people"
        )
    gallery, probes = known[first], np.delete(known, first)
    return {
        "num_people": len(people),
        "num_distractors": int(np.sum(counts == 1)),
        "num_probes": len(probes),
        "rank1": metrics.rank1(
            embeddings[probes], identities[probes], embeddings[gallery], identities[gallery]
        ),
    }


def choose_threshold(
    similarities: np.ndarray, same: np.ndarray, false_accept_rate: float
) -> dict[str, float]:
    """Returns the threshold from which pairs are accepted in use.

    Choose it on validation pairs, never on those that the model is judged by.

    Args:
        similarities: float [n], cosines.
        same: bool [n].
        false_accept_rate: Largest share of impostor pairs that may be accepted, in [0, 1].

    Returns:
        `threshold`; `false_accept_rate` as asked; `measured_false_accept_rate` and `true_accept_rate`
        of these pairs at the threshold; `num_pairs`.

    Raises:
        ValueError: There is no genuine or no impostor pair, or the rate is not in [0, 1].
    """
    similarities, same = np.asarray(similarities, np.float64), np.asarray(same, bool)
    threshold = metrics.threshold_at_far(metrics.roc(similarities, same), false_accept_rate)
    accepted = similarities >= threshold
    return {
        "threshold": threshold,
        "false_accept_rate": false_accept_rate,
        "measured_false_accept_rate": float(accepted[~same].mean()),
        "true_accept_rate": float(accepted[same].mean()),
        "num_pairs": len(same),
    }


def bless(
    metrics: Mapping[str, float | None],
    settings: EvaluationSettings,
    baseline: Mapping[str, float | None] | None,
) -> Blessing:
    """Returns whether a model reaches its lower bounds and is not worse than the latest blessed one.

    Args:
        metrics: `expression_accuracy` and `verification_accuracy`. Leave out that of a task that is
            off; one that is None or nan was to be measured but could not be, and is never blessed.
        settings: The lower bounds, and how far a figure may fall below the baseline's.
        baseline: The same figures of the latest blessed model, or None where there is none.
    """
    checks: list[dict[str, Any]] = []
    reasons = []
    for name, bound in (
        ("expression_accuracy", settings.min_expression_accuracy),
        ("verification_accuracy", settings.min_verification_accuracy),
    ):
        if name not in metrics and bound <= 0.0:
            continue
        value = _measured(metrics, name)
        limits = [("lower bound", bound)]
        previous = _measured(baseline or {}, name)
        if previous is not None and name in metrics:
            limits.append(("latest blessed", previous - settings.max_drop))
        for check, limit in limits:
            passed = value is not None and value >= limit
            checks.append(
                {"metric": name, "check": check, "value": value, "limit": limit, "passed": passed}
            )
            if value is None:
                reasons.append(f"{name} was not measured; expected at least {limit:.4f} ({check})")
            elif not passed:
                reasons.append(f"{name} is {value:.4f}; expected at least {limit:.4f} ({check})")
    return Blessing(not reasons, reasons, checks)


def examples_to_show(labels: np.ndarray, probabilities: np.ndarray, count: int) -> dict[str, list[int]]:
    """Returns examples for a report: right ones from all over the data, and the worst mistakes.

    Args:
        labels: int [n], -1 where missing: such examples are not shown.
        probabilities: float [n, classes].
        count: Most examples of each kind.

    Returns:
        `right`: indices, evenly spaced; `wrong`: indices of the most confident wrong answers, the most
        confident first.
    """
    labels, probabilities = np.asarray(labels), np.asarray(probabilities)
    known = labels != spec.MISSING_LABEL
    is_right = probabilities.argmax(axis=1) == labels
    right, wrong = np.flatnonzero(known & is_right), np.flatnonzero(known & ~is_right)
    if len(right):
        spaced = np.linspace(0, len(right) - 1, min(count, len(right))).round().astype(int)
        right = right[spaced]
    by_confidence = np.argsort(-probabilities[wrong].max(axis=1), kind="stable")
    return {"right": right.tolist(), "wrong": wrong[by_confidence][:count].tolist()}


def _measured(figures: Mapping[str, float | None], name: str) -> float | None:
    value = figures.get(name)
    return None if value is None or math.isnan(value) else value


def _dealt_folds(same: np.ndarray, num_folds: int) -> np.ndarray:
    folds = np.empty(len(same), np.int64)
    for kind in (True, False):
        folds[same == kind] = np.arange(np.sum(same == kind)) % num_folds
    return folds

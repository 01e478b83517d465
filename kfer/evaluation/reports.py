"""Reports of how good a network's answers are, one for each kind of task.

Everything takes numpy arrays, so that Keras, a SavedModel and a TFLite model are judged alike. Reports
are dicts of plain numbers and lists, ready for JSON.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from kfer import metrics, spec


def class_report(
    labels: np.ndarray, probabilities: np.ndarray, class_names: Sequence[str]
) -> dict[str, Any]:
    """Returns how good a task of classes is, the expressions for one.

    Where several people voted, an example's label is the class of most votes; it has none where two
    classes tie.

    Args:
        labels: int [n], -1 where missing: such examples do not count. Or votes, float [n, classes], a
            row of nan where missing.
        probabilities: float [n, classes] in [0, 1].
        class_names: The classes, in the order of the probabilities.

    Returns:
        `num_examples`, `accuracy`, `macro_f1` (over the classes that have examples), `classes` (`name`,
        `precision`, `recall`, `f1`, `support` of each), `confusion` (rows are labels),
        `expected_calibration_error`, and `reliability`: `confidence`, `accuracy` and `count` of 15 bins.
        With votes, the last two are by an answer's share of them, and `votes` has `num_examples` (those
        that tie among them), `agreement`, `highest_agreement`, `cross_entropy` and `divergence` as
        `kfer.metrics.Agreement`.

    Raises:
        ValueError: No example has a label, shapes do not fit, or a probability is not finite.
    """
    labels, probabilities = np.asarray(labels), np.asarray(probabilities)
    if probabilities.shape != (len(labels), len(class_names)):
        raise ValueError(
            f"expected probabilities of shape ({len(labels)}, {len(class_names)}), one row a label and "
            f"one column a class; got {probabilities.shape}"
        )
    single = labels if labels.ndim == 1 else metrics.top_class(labels)
    num_examples = int(np.sum(single != spec.MISSING_LABEL))
    if not num_examples:
        raise ValueError(f"expected labelled examples; none of {len(labels)} has a label")
    _check_finite(probabilities, "probabilities")
    predictions = probabilities.argmax(axis=1)
    confusion = metrics.confusion_matrix(single, predictions, len(class_names))
    figures = metrics.per_class(confusion)
    calibration = metrics.calibration(labels, probabilities)
    report = {
        "num_examples": num_examples,
        "accuracy": metrics.accuracy(single, predictions),
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
    if labels.ndim == 2:
        votes = metrics.agreement(labels, probabilities)
        report["votes"] = {
            "num_examples": votes.support,
            "agreement": votes.agreement,
            "highest_agreement": votes.highest_agreement,
            "cross_entropy": votes.cross_entropy,
            "divergence": votes.divergence,
        }
    return report


def label_report(
    labels: np.ndarray, probabilities: np.ndarray, label_names: Sequence[str]
) -> dict[str, Any]:
    """Returns how good a task of several labels an example is, action units for one.

    Args:
        labels: float [n, labels] in [0, 1], there from a half, nan where missing: such labels do not
            count.
        probabilities: float [n, labels] in [0, 1].
        label_names: The labels, in the order of the columns.

    Returns:
        `num_examples` that have any label; `macro_f1`, `mean_auc` and `mean_average_precision` over the
        labels that have such a figure, and `labels`: `name`, `precision`, `recall`, `f1`, `auc`,
        `average_precision`, `positives` and `support` of each. None where a figure has no value.

    Raises:
        ValueError: No example has a label, shapes do not fit, a label is not in [0, 1], or a
            probability is not finite.
    """
    labels, probabilities = _checked_numbers(labels, probabilities, label_names, "probabilities")
    figures = metrics.per_label(labels, probabilities)
    return {
        "num_examples": int(np.sum(~np.isnan(labels).all(axis=1))),
        "macro_f1": number_or_none(figures.macro_f1),
        "mean_auc": number_or_none(figures.mean_auc),
        "mean_average_precision": number_or_none(figures.mean_average_precision),
        "labels": _columns(figures, label_names),
    }


def number_report(
    labels: np.ndarray, predictions: np.ndarray, number_names: Sequence[str]
) -> dict[str, Any]:
    """Returns how good a task of numbers is, angles of the head for one.

    Args:
        labels: float [n, numbers], nan where missing: such numbers do not count.
        predictions: float [n, numbers].
        number_names: The numbers, in the order of the columns.

    Returns:
        `num_examples` that have any label; `mean_absolute_error`, `root_mean_squared_error`, `pearson`
        and `concordance`, means over the numbers that have such a figure, and `numbers`: the same
        figures, `name` and `support` of each. None where a figure has no value.

    Raises:
        ValueError: No example has a label, shapes do not fit, or a prediction is not finite.
    """
    labels, predictions = _checked_numbers(labels, predictions, number_names, "predictions")
    figures = metrics.per_number(labels, predictions)
    means = {name: number_or_none(mean) for name, mean in figures.means().items()}
    return {
        "num_examples": int(np.sum(~np.isnan(labels).all(axis=1))),
        **means,
        "numbers": _columns(figures, number_names),
    }


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


def number_or_none(value: float) -> float | None:
    """Returns a number for JSON, which has no nan: None in its place."""
    return None if np.isnan(value) else float(value)


def _check_finite(outputs: np.ndarray, what: str) -> None:
    if not np.isfinite(outputs).all():
        raise ValueError(f"expected finite {what}; got nan or inf: has the network diverged?")


def _checked_numbers(
    labels: np.ndarray, outputs: np.ndarray, names: Sequence[str], what: str
) -> tuple[np.ndarray, np.ndarray]:
    labels, outputs = np.asarray(labels), np.asarray(outputs)
    for name, array in (("labels", labels), (what, outputs)):
        if array.shape != (len(labels), len(names)):
            raise ValueError(
                f"expected {name} of shape ({len(labels)}, {len(names)}), one column each for "
                f"{', '.join(names)}; got {array.shape}"
            )
    if np.isnan(labels).all():
        raise ValueError(f"expected labelled examples; none of {len(labels)} has a label")
    _check_finite(outputs, what)
    return labels, outputs


def _columns(figures: metrics.PerLabel | metrics.PerNumber, names: Sequence[str]) -> list[dict[str, Any]]:
    """The figures of each column; counts stay integers."""
    return [
        {"name": name}
        | {
            figure: int(values[index]) if values.dtype.kind == "i" else number_or_none(values[index])
            for figure, values in vars(figures).items()
        }
        for index, name in enumerate(names)
    ]

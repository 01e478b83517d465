"""The metrics that an epoch's validation can have, by the names that tasks call them by."""

from collections.abc import Callable, Iterable

import numpy as np
from scipy import special

from kfer import metrics
from kfer.settings.tasks import CLASSES, MULTI_LABEL, REGRESSION, SOFT_CLASSES

_RATES = {f"tar_at_far_{rate}": rate for rate in (0.01, 0.001)}


def of_task(kind: str, names: Iterable[str], labels: np.ndarray, outputs: np.ndarray) -> dict[str, float]:
    """Returns the named metrics of a task that is no embedding; nan where one has no value.

    Args:
        kind: Of the task.
        names: Out of `kfer.settings.tasks.METRICS`.
        labels: As the kind has them: int `[n]`, or float `[n, k]`.
        outputs: Of the network, float `[n, k]`: logits or numbers.
    """
    found = _MEASURES[kind](labels, outputs)
    return {name: found[name] for name in names}


def of_pairs(names: Iterable[str], similarities: np.ndarray, same: np.ndarray) -> dict[str, float]:
    """Returns the named metrics of verification; nan where a similarity is not finite.

    The accuracy is that at the threshold that is best on the very pairs: a figure to compare epochs
    and trials by, not to publish.

    Args:
        names: Out of `kfer.settings.tasks.METRICS`.
        similarities: float `[pairs]`.
        same: bool `[pairs]`; there are some of both kinds.
    """
    if not np.isfinite(similarities).all():
        return dict.fromkeys(names, float("nan"))
    curve = metrics.roc(similarities, same)
    accepted = similarities >= metrics.best_threshold(similarities, same)
    found = {
        "accuracy": float(np.mean(accepted == same)),
        "auc": metrics.auc(curve),
        "equal_error_rate": metrics.equal_error_rate(curve),
        **{name: metrics.tar_at_far(curve, rate) for name, rate in _RATES.items()},
    }
    return {name: found[name] for name in names}


def _of_classes(labels: np.ndarray, logits: np.ndarray) -> dict[str, float]:
    predictions = logits.argmax(axis=-1)
    confusion = metrics.confusion_matrix(labels, predictions, logits.shape[-1])
    found = metrics.per_class(confusion)
    return {
        "accuracy": metrics.accuracy(labels, predictions),
        "macro_f1": metrics.macro_f1(confusion),
        "balanced_accuracy": float(np.mean(found.recall[found.support > 0])),
    }


def _of_soft_classes(votes: np.ndarray, logits: np.ndarray) -> dict[str, float]:
    return _of_classes(metrics.top_class(votes), logits)


def _of_several_labels(labels: np.ndarray, logits: np.ndarray) -> dict[str, float]:
    found = metrics.per_label(labels, special.expit(logits))
    return {
        "macro_f1": found.macro_f1,
        "auc": found.mean_auc,
        "average_precision": found.mean_average_precision,
    }


def _of_numbers(labels: np.ndarray, numbers: np.ndarray) -> dict[str, float]:
    means = metrics.per_number(labels, numbers).means()
    return {
        "mae": means["mean_absolute_error"],
        "ccc": means["concordance"],
        "rmse": means["root_mean_squared_error"],
        "pearson": means["pearson"],
    }


_MEASURES: dict[str, Callable[[np.ndarray, np.ndarray], dict[str, float]]] = {
    CLASSES: _of_classes,
    SOFT_CLASSES: _of_soft_classes,
    MULTI_LABEL: _of_several_labels,
    REGRESSION: _of_numbers,
}

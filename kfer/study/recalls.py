"""How many of an expression's test images are told right: a figure for each expression."""

import numpy as np

from kfer import metrics, spec
from kfer.metrics import Figures, Interval
from kfer.study.figures import Figure
from kfer.study.settings import StudySettings


def figures(settings: StudySettings) -> tuple[Figure, ...]:
    """The recall of each expression of a study, in their order; none where it has no such task."""
    tasks = settings.base.tasks
    names = tasks[spec.EXPRESSION].names if spec.EXPRESSION in tasks else ()
    return tuple(
        Figure(f"expression_recall_{name}", spec.EXPRESSION, _key(index), f"recall of {name}")
        for index, name in enumerate(names)
    )


def intervals(labels: np.ndarray, predictions: np.ndarray, num_classes: int) -> dict[str, Interval]:
    """Returns the recalls of the classes that have images, with exact 95 % intervals over these.

    An exact interval takes images for independent, also those of one person.

    Args:
        labels: int [n], in [0, num_classes), none missing.
        predictions: int [n], in [0, num_classes).
        num_classes: Classes there are.

    Returns:
        "recall_0" and so on, by the class's number.
    """
    confusion = metrics.confusion_matrix(labels, predictions, num_classes)
    return {
        _key(index): metrics.share_interval(int(row[index]), int(row.sum()))
        for index, row in enumerate(confusion)
        if row.any()
    }


def of_resamples(labels: np.ndarray, predictions: np.ndarray, num_classes: int) -> Figures:
    """Returns what gives the recalls of resamples; nan in those that have no image of the class.

    Args:
        labels: As for `intervals`, like all others.
        predictions: Likewise.
        num_classes: Likewise.
    """
    classes = [index for index in range(num_classes) if (labels == index).any()]
    images = (labels[:, np.newaxis] == classes).astype(float)
    told = images * (predictions == labels)[:, np.newaxis]

    def recalls(counts: np.ndarray) -> dict[str, np.ndarray]:
        with np.errstate(invalid="ignore"):
            shares = (counts @ told) / (counts @ images)
        return {_key(index): share for index, share in zip(classes, shares.T, strict=True)}

    return recalls


def _key(index: int) -> str:
    return f"recall_{index}"

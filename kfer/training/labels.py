"""What is checked and chosen before training starts."""

from collections.abc import Sequence

import numpy as np

from kfer.input_pipeline import Decoded
from kfer.settings import TaskSettings, active
from kfer.settings.tasks import EMBEDDING, MULTI_LABEL, SOFT_CLASSES, Tasks, learned


def check_labels(examples: Decoded, tasks: Tasks, sources: Sequence[str] = ()) -> None:
    """Checks that the training examples have labels for each task that has a weight.

    Args:
        examples: The training split.
        tasks: Those whose loss has weight 0 need no labels.
        sources: The sources' names, in the order of `examples.source`; they are told in errors.

    Raises:
        ValueError: A task has no labelled example, or labels of other classes or numbers than it names,
            or there are fewer than two people for identity.
    """
    found = ", ".join(
        f"{sources[index] if index < len(sources) else f'number {index}'} ({count:,} examples)"
        for index, count in zip(*np.unique(examples.source, return_counts=True), strict=True)
    )
    for name, task in learned(tasks).items():
        labels = examples.label(task.feature or name)
        if task.kind == EMBEDDING:
            people = np.unique(labels[labels >= 0])
            if len(people) < 2:
                raise ValueError(
                    f"expected at least two people to learn {name} from; got {len(people)} from the "
                    f"sources: {found or 'none'}. Add a source that has identities, map its feature "
                    f"(SourceSettings.features), or set tasks.{name}.weight to 0"
                )
        elif not labelled(labels).any():
            raise ValueError(
                f"no training example has a label for {name}; sources: {found or 'none'}. Add a source "
                f"that has the feature {task.feature or name!r}, map it or its labels "
                f"(SourceSettings.features, .labels), or set tasks.{name}.weight to 0"
            )
        else:
            _check_range(name, task, labels)


def _check_range(name: str, task: TaskSettings, labels: np.ndarray) -> None:
    feature, names = task.feature or name, len(task.names)
    if _is_of_classes(labels) and labels.max() >= names:
        raise ValueError(
            f"tasks.{name} has {names} names, so labels from 0 to {names - 1}; the feature {feature!r} "
            f"has {labels.max()}. Give each class a name, or map the labels (SourceSettings.labels)"
        )
    if _is_of_classes(labels):
        return
    if labels.shape[1] != names:
        raise ValueError(
            f"tasks.{name} has {names} names; the feature {feature!r} has {labels.shape[1]} numbers an "
            "example. Name each of them"
        )
    lowest, highest = {SOFT_CLASSES: (0.0, np.inf), MULTI_LABEL: (0.0, 1.0)}.get(
        task.kind, (-np.inf, np.inf)
    )
    if np.nanmin(labels) < lowest or np.nanmax(labels) > highest:
        raise ValueError(
            f"tasks.{name} is of kind {task.kind}, with labels from {lowest:g} to {highest:g}; the "
            f"feature {feature!r} has {np.nanmin(labels):g} to {np.nanmax(labels):g}"
        )


def labelled(labels: np.ndarray) -> np.ndarray:
    """Returns, for each example, whether it has a label, bool `[n]`.

    Args:
        labels: int `[n]`, or of frames `[n, frames]`, negative where missing, or float `[n, k]`, nan
            where missing.
    """
    if _is_of_classes(labels):
        return np.asarray((labels >= 0).reshape(len(labels), -1).any(axis=1))
    return ~np.isnan(labels).all(axis=1)


def class_counts(examples: Decoded, tasks: Tasks) -> dict[str, np.ndarray]:
    """Returns how many training examples each class has, for the tasks whose `imbalance` asks for it.

    An example counts 1 for its class, or, where its label is shares or votes, for each class its share.

    Args:
        examples: The training split.
        tasks: Those without a weight are left out.

    Returns:
        By task, float64 `[num_classes]`.
    """
    return {
        name: _class_counts(examples.label(task.feature or name), len(task.names))
        for name, task in active(tasks).items()
        if task.imbalance != "none"
    }


def _class_counts(labels: np.ndarray, num_classes: int) -> np.ndarray:
    if _is_of_classes(labels):
        return np.bincount(labels[labels >= 0], minlength=num_classes).astype(np.float64)
    totals = labels.sum(axis=1, dtype=np.float64)
    known = totals > 0  # never so for a nan
    return (labels[known] / totals[known, np.newaxis]).sum(axis=0)


def _is_of_classes(labels: np.ndarray) -> bool:
    return labels.dtype.kind in "iu"

"""Figures of parts of the examples: of each source, of each class, of each value of an attribute."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kfer import spec
from kfer.evaluation.answers import Answers
from kfer.evaluation.faces import Faces
from kfer.evaluation.reports import number_or_none
from kfer.metrics import Interval
from kfer.settings import EvaluationSettings

#: The slice of examples that do not carry the attribute.
NOT_SAID = "(not said)"
#: Figures of which the highest is the worst.
_LOWER_IS_BETTER = ("mean_absolute_error", "false_accept_rate")


@dataclass(frozen=True)
class Attribute:
    """What examples are told apart by.

    Attributes:
        labels: int [n], -1 where an example does not carry it.
        names: Of the values, in the order of the labels.
    """

    labels: np.ndarray
    names: Sequence[str]


def slice_reports(
    attributes: Mapping[str, Attribute],
    judged: Mapping[str, Answers | Faces],
    settings: EvaluationSettings,
) -> list[dict[str, Any]]:
    """Returns the figures of each slice, one dict for each of its tasks.

    They come in the order of the attributes, of their values and of the tasks; the slice of the
    examples that do not carry an attribute comes last of it. A task that nothing in a slice is labelled
    for is left out. Verification is of pairs within the slice: both images are in it.

    Args:
        attributes: By what the examples are sliced.
        judged: For each task, all examples.
        settings: From how many examples a slice is not small; resamples and seed.

    Returns:
        Dicts of `attribute`, `slice` (the value's name), `task`, `num_examples` that are labelled for
        it, for identity also `num_pairs`; `small`, whether either is below `min_slice_examples`; and
        `figures`: of each `value`, and `low` and `high`, the ends of its 95 % interval (None where there
        is none).

    Raises:
        ValueError: A label has no name.
    """
    found = []
    for attribute, name, examples in _slices(attributes):
        for task, everything in judged.items():
            part = everything.chosen(examples)
            sizes, figures = part.sizes(), part.intervals(settings.resamples, settings.seed)
            if sizes["num_examples"] and figures:
                small = min(sizes.values()) < settings.min_slice_examples
                found.append(
                    {"attribute": attribute, "slice": name, "task": task, **sizes, "small": small}
                    | {"figures": {figure: as_dict(value) for figure, value in figures.items()}}
                )
    return found


def worst_slices(slices: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Returns, for each attribute, task and figure, the slice where it is worst; of equals the first.

    Slices that are small do not compete, nor does that of examples which do not carry the attribute;
    at least two must be left. The more slices there are, the worse the worst is by chance alone: its
    interval does not allow for that.

    Args:
        slices: From `slice_reports`.

    Returns:
        Dicts of `attribute`, `task`, `figure`, `slice`, its `num_examples` (and `num_pairs`), and
        `value`, `low` and `high`.
    """
    competing: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for row in slices:
        if row["small"] or row["slice"] == NOT_SAID:
            continue
        sizes = {name: row[name] for name in ("num_examples", "num_pairs") if name in row}
        for figure, values in row["figures"].items():
            if values["value"] is not None:
                competing.setdefault((row["attribute"], row["task"], figure), []).append(
                    {"slice": row["slice"], **sizes, **values}
                )
    found = []
    for (attribute, task, figure), rows in competing.items():
        if len(rows) >= 2:
            sign = -1 if figure in _LOWER_IS_BETTER else 1
            worst = min(rows, key=lambda row: sign * row["value"])
            found.append({"attribute": attribute, "task": task, "figure": figure, **worst})
    return found


def as_dict(interval: Interval) -> dict[str, float | None]:
    """Returns `value`, `low` and `high` for JSON; None for nan."""
    return {name: number_or_none(value) for name, value in vars(interval).items()}


def _slices(attributes: Mapping[str, Attribute]) -> Iterator[tuple[str, str, np.ndarray]]:
    """Of each slice that has examples: the attribute, the value's name, and bool [n]."""
    for attribute, said in attributes.items():
        values = np.unique(said.labels)
        unnamed = values[(values < spec.MISSING_LABEL) | (values >= len(said.names))]
        if len(unnamed):
            raise ValueError(
                f"expected labels of {attribute!r} in [0, {len(said.names)}), as many as it has names, "
                f"or -1; got {unnamed[0]}"
            )
        for value in values[values != spec.MISSING_LABEL]:
            yield attribute, said.names[value], said.labels == value
        if spec.MISSING_LABEL in values:
            yield attribute, NOT_SAID, said.labels == spec.MISSING_LABEL

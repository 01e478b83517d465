"""Trials that no other one is better than in every metric."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from kfer.search import Outcome
from kfer.settings import MetricSettings
from kfer.settings.tuning import is_lower_better
from kfer.tuning.results import Results

_PREFERRED = ("val_expression_accuracy", "val_verification_accuracy")
#: More pairs of metrics than these are not drawn.
_MOST_PAIRS = 3


@dataclass(frozen=True)
class Metric:
    """What trials are compared by.

    Attributes:
        name: Among a trial's `figures`.
        higher: Whether a higher value is better.
    """

    name: str
    higher: bool


def front(points: Sequence[Sequence[float]], higher: Sequence[bool]) -> list[int]:
    """Returns which points no other one dominates: at least as good in all, and better in one.

    Points that are equal do not dominate each other.

    Args:
        points: `[points, metrics]`; one in which a figure is nan is neither in the front nor dominates.
        higher: `[metrics]`, whether a higher value is better.

    Returns:
        Their indices, in the order of the points.
    """
    signs = [1 if better else -1 for better in higher]
    known = {
        index: tuple(sign * value for sign, value in zip(signs, point, strict=True))
        for index, point in enumerate(points)
        if not any(map(math.isnan, point))
    }
    return [
        index
        for index, point in known.items()
        if not any(
            other != point and all(ours <= theirs for ours, theirs in zip(point, other, strict=True))
            for other in known.values()
        )
    ]


def metrics(results: Results) -> list[Metric]:
    """Returns what the fronts are over.

    They are those of the objective. Where it has one alone, there are two all the same: accuracy of
    expressions and of verification where trials report both, else the objective's and the first other
    one that trials report.

    Args:
        results: Of the study.
    """
    reported = [
        name
        for name in dict.fromkeys(name for trial in results.scored for name in trial.figures)
        if name.startswith("val_") and name != "val_score" and not name.endswith("loss")
    ]
    names = [name for name in results.metrics if name in reported]
    if len(names) < 2:
        both = list(_PREFERRED) if set(_PREFERRED) <= set(reported) else [*names, *reported]
        names = list(dict.fromkeys(both))[:2]
    objective = results.settings.base.tuning.objective
    return [Metric(name, _is_higher_better(name, objective.get(name))) for name in names]


def pairs(results: Results) -> list[tuple[Metric, Metric]]:
    """Returns every two of the metrics, three pairs at most; none where trials report fewer than two."""
    return list(itertools.combinations(metrics(results), 2))[:_MOST_PAIRS]


def trials_of_front(results: Results, over: Sequence[Metric]) -> list[Outcome]:
    """Returns the scored trials that no other one dominates.

    Args:
        results: Of the study.
        over: The metrics; a trial in which one is missing is left out.
    """
    points = [[trial.figures.get(metric.name, math.nan) for metric in over] for trial in results.scored]
    return [results.scored[index] for index in front(points, [metric.higher for metric in over])]


def _is_higher_better(name: str, settings: MetricSettings | None) -> bool:
    if settings is not None:
        return settings.best > settings.worst
    return not is_lower_better(name)

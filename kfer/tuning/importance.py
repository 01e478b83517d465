"""How much of the score's differences each searched setting makes, by a forest of regression trees."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestRegressor

from kfer.settings.tuning import ALL_WEIGHTS
from kfer.tuning.columns import Column, differing
from kfer.tuning.results import Results

_TREES, _POINTS, _LEVELS = 100, 512, 32


@dataclass(frozen=True)
class Importance:
    """What the score hangs on.

    Attributes:
        shares: Of each setting that trials differ in, the share of the score's variance that it makes by
            itself, in [0, 1], the largest first; weights that sum to one are one setting,
            "tasks.*.weight". What is missing to a sum of 1 is made by several together. Empty where
            there is a reason.
        explained: Of the variance of trials' scores, the share that trees explain which were grown
            without them, above 0; nan where there is a reason.
        reason: Why there are no shares; empty where there are.
    """

    shares: Mapping[str, float] = field(default_factory=dict)
    explained: float = np.nan
    reason: str = ""


def importance(results: Results) -> Importance:
    """Returns the importance of each setting for the score, from the trials that have one.

    A functional analysis of variance (fANOVA; Hutter, Hoos and Leyton-Brown 2014): the main effects of a
    random forest (Breiman 2001) that was fitted to the scores, over the whole space and not only where
    the trials are. Means are over points drawn from the space, in place of the exact ones over all
    leaves. Ranges on a log scale count on that scale.

    Args:
        results: Of the study; failed trials are left out.
    """
    groups = _groups(results)
    scores = np.array([trial.score for trial in results.scored], float)
    needed = 2 * len(groups) + 4
    if not groups:
        return Importance(reason="Trials do not differ in any setting.")
    if len(groups) == 1:
        return Importance(reason=f"Trials differ in {groups[0].name} alone.")
    if len(scores) < needed:
        return Importance(
            reason=f"{len(scores)} trials with a score are too few to tell the importance of "
            f"{len(groups)} settings; it takes {needed}."
        )
    if np.ptp(scores) == 0:
        return Importance(reason="All scores are equal.")
    forest = RandomForestRegressor(_TREES, min_samples_leaf=2, oob_score=True, random_state=0)
    forest.fit([_row(groups, trial.values) for trial in results.scored], scores)
    if forest.oob_score_ <= 0:
        return Importance(
            reason=f"Trees that were grown from {len(scores)} trials tell nothing of others."
        )
    rng = np.random.default_rng(0)
    levels = [group.levels(rng) for group in groups]
    points = [own[rng.integers(len(own), size=_POINTS)] for own in levels]
    total = forest.predict(np.hstack(points)).var()
    found = {
        group.name: float(_marginal(forest, points, levels[index], index).var() / total)
        for index, group in enumerate(groups)
    }
    # A mean over drawn points, which may be a little too large.
    excess = max(sum(found.values()), 1.0)
    ranked = sorted(found, key=lambda name: -found[name])
    return Importance({name: found[name] / excess for name in ranked}, float(forest.oob_score_))


@dataclass(frozen=True)
class _Group:
    """Columns that are one setting to the forest."""

    name: str
    columns: tuple[Column, ...]

    def row(self, values: Mapping[str, Any]) -> list[float]:
        """The features of a trial's values."""
        return [feature for column in self.columns for feature in _features(column, values[column.name])]

    def levels(self, rng: np.random.Generator) -> np.ndarray:
        """Values that stand for all, float `[levels, features]`, each as likely as any other."""
        column = self.columns[0]
        if column.of_simplex:
            return rng.dirichlet(np.ones(len(self.columns)), size=2 * _LEVELS)
        if column.choices:
            return np.array([_features(column, choice) for choice in column.choices])
        return ((np.arange(_LEVELS) + 0.5) / _LEVELS)[:, None]


def _groups(results: Results) -> list[_Group]:
    found = differing(results)
    weights = tuple(column for column in found if column.of_simplex)
    others = [_Group(column.name, (column,)) for column in found if not column.of_simplex]
    return [*([_Group(ALL_WEIGHTS, weights)] if weights else []), *others]


def _features(column: Column, value: Any) -> list[float]:
    if column.has_order:
        return [column.place(value)]
    here = round(column.place(value) * (len(column.choices) - 1))
    return [float(index == here) for index in range(len(column.choices))]


def _row(groups: list[_Group], values: Mapping[str, Any]) -> list[float]:
    return [feature for group in groups for feature in group.row(values)]


def _marginal(
    forest: RandomForestRegressor, points: list[np.ndarray], levels: np.ndarray, index: int
) -> np.ndarray:
    """The forest's mean over all other settings at each of one's levels, float `[levels]`."""
    tiled = [np.tile(own, (len(levels), 1)) for own in points]
    tiled[index] = np.repeat(levels, _POINTS, axis=0)
    return forest.predict(np.hstack(tiled)).reshape(len(levels), _POINTS).mean(axis=1)

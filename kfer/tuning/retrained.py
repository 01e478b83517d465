"""What whole trainings with several seeds say of the best values, on the test split."""

import math
import statistics
from dataclasses import dataclass

from kfer.comparison.statistics import over_seeds
from kfer.metrics import Interval
from kfer.study.figures import Figure
from kfer.study.results import Results
from kfer.tuning.study import AS_SET, BEST


@dataclass(frozen=True)
class Change:
    """One figure of both, over the seeds that both have.

    Attributes:
        figure: Which one.
        as_set: Its mean with the values that are set.
        best: Its mean with the best values.
        difference: The mean of each seed's best less as set, with Student's t interval over the pairs;
            its ends are nan for one seed.
        seeds: How many both have.
    """

    figure: Figure
    as_set: float
    best: float
    difference: Interval
    seeds: int

    @property
    def sign(self) -> int:
        """1 or -1 where the interval lies above or below 0, else 0: it may be chance."""
        return (self.difference.low > 0) - (self.difference.high < 0)


def changes(retrained: Results) -> list[Change]:
    """Returns what the best values change; nothing where either has no finished run yet.

    Args:
        retrained: Of the study of both.
    """
    runs = {row.variant: {run.seed: run for run in row.runs} for row in retrained.rows}
    if not {AS_SET, BEST} <= runs.keys():
        return []
    seeds = [seed for seed in runs[AS_SET] if seed in runs[BEST]]
    found = []
    for figure in retrained.figures:
        pairs = [
            (runs[AS_SET][seed].figures[figure.name].value, runs[BEST][seed].figures[figure.name].value)
            for seed in seeds
            if all(figure.name in runs[name][seed].figures for name in (AS_SET, BEST))
        ]
        if pairs:
            before, after = (statistics.fmean(values) for values in zip(*pairs, strict=True))
            found.append(Change(figure, before, after, _difference(pairs), len(pairs)))
    return found


def _difference(pairs: list[tuple[float, float]]) -> Interval:
    each = [after - before for before, after in pairs]
    return over_seeds(each) if len(each) > 1 else Interval(each[0], math.nan, math.nan)

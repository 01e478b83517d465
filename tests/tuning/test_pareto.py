import dataclasses
import math

import pytest
from toy_tuning import ACCURACY, VERIFICATION, make_results

from kfer.settings import MetricSettings
from kfer.tuning import pareto
from kfer.tuning.pareto import Metric, front

BOTH = (True, True)


@pytest.mark.parametrize(
    ("points", "higher", "expected"),
    [
        ([], BOTH, []),
        ([(0.5, 0.5)], BOTH, [0]),
        # The second is worse than the first in both, the third trades one for the other.
        ([(0.7, 0.6), (0.6, 0.5), (0.6, 0.8)], BOTH, [0, 2]),
        # As good in one and worse in the other is behind.
        ([(0.7, 0.6), (0.7, 0.5)], BOTH, [0]),
        # Equal ones are both in front.
        ([(0.7, 0.6), (0.7, 0.6), (0.1, 0.1)], BOTH, [0, 1]),
        # An error that is lower is better.
        ([(0.7, 0.6), (0.7, 0.5), (0.8, 0.9)], (True, False), [1, 2]),
        # What is not known neither is in front nor dominates.
        ([(0.9, math.nan), (0.7, 0.6), (math.nan, math.nan)], BOTH, [1]),
        # In three metrics more are in front.
        ([(1, 1, 1), (1, 1, 2), (2, 0, 0), (0, 0, 1)], (True, True, True), [1, 2]),
    ],
)
def test_the_front_is_what_nothing_dominates(points, higher, expected):
    assert front(points, higher) == expected


def test_every_point_behind_the_front_is_dominated_by_one_of_it(results):
    over = pareto.metrics(results)
    ahead = pareto.trials_of_front(results, over)
    for trial in results.scored:
        better = [
            other
            for other in ahead
            if all(other.figures[metric.name] >= trial.figures[metric.name] for metric in over)
        ]
        assert better and (trial in ahead) == (trial in better)


def test_a_front_is_there_whatever_the_objective(results):
    expected = [Metric(ACCURACY, True), Metric(VERIFICATION, True)]
    assert pareto.metrics(results) == expected
    for names in ((ACCURACY,), ("val_expression_macro_f1",)):
        assert pareto.metrics(dataclasses.replace(results, metrics=names)) == expected


def without(results, *names):
    trials = tuple(
        dataclasses.replace(
            trial, figures={name: each for name, each in trial.figures.items() if name not in names}
        )
        for trial in results.trials
    )
    return dataclasses.replace(results, trials=trials)


def test_one_metric_is_beside_another_that_trials_report(results):
    one = dataclasses.replace(results, metrics=("val_expression_macro_f1",))
    names = [metric.name for metric in pareto.metrics(without(one, VERIFICATION))]
    assert names == ["val_expression_macro_f1", ACCURACY]
    assert pareto.pairs(without(one, VERIFICATION, ACCURACY)) == []
    assert pareto.pairs(make_results(12, range(12))) == []


def test_what_is_better_is_said_by_the_objective():
    names = (ACCURACY, VERIFICATION, "val_expression_macro_f1", "val_loss_of_no_interest")
    turned = make_results(objective={name: MetricSettings(worst=1, best=0) for name in names[:1]})
    three = dataclasses.replace(turned, metrics=names)
    assert [metric.higher for metric in pareto.metrics(three)] == [False, True, True]
    assert len(pareto.pairs(three)) == 3

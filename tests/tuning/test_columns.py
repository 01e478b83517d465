import dataclasses
import json

import pytest
from toy_tuning import OPTIMIZER, RATE, SIZE, make_results

from kfer.settings import ParameterSettings
from kfer.tuning import columns
from kfer.tuning.columns import Column


def by_name(results) -> dict[str, Column]:
    return {column.name: column for column in columns.columns(results)}


def test_weights_that_sum_to_one_are_columns_in_place_of_shares(results):
    found = by_name(results)
    assert list(found) == ["tasks.expression.weight", "tasks.identity.weight", RATE, SIZE, OPTIMIZER]
    # 1 and 0.25 as set.
    assert found["tasks.expression.weight"].default == pytest.approx(0.8)
    scales = [column.scale for column in found.values()]
    assert scales == ["simplex", "simplex", "log", "linear", "choices"]


def test_a_place_is_a_share_of_the_scale(results):
    found = by_name(results)
    assert found[RATE].place(1e-4) == 0
    assert found[RATE].place(1e-2) == pytest.approx(2 / 3)
    assert found[SIZE].place(136) == pytest.approx(0.5)
    assert [found[OPTIMIZER].place(name) for name in ("sgd", "adamw", "lamb")] == [0, 0.5, 1]


def test_numbers_to_choose_from_are_in_their_order():
    sizes = ParameterSettings(values=("64", "16", "32"))
    found = by_name(make_results(space={"training.batch_size": sizes}))["training.batch_size"]
    assert found.choices == (16, 32, 64) and found.has_order


def test_a_value_that_came_back_from_json_is_the_same():
    choices = ((0.8, 1.2), (0.5, 1.5))
    column = Column("some.range", (0.8, 1.2), choices=choices)
    assert column.place(json.loads(json.dumps(choices))[1]) == 1
    assert columns.text([0.8, 1.2]) == columns.text((0.8, 1.2)) == "0.8,1.2"


def test_only_what_trials_differ_in_is_differing(results):
    alike = tuple(
        dataclasses.replace(trial, values={**trial.values, SIZE: 64}) for trial in results.trials
    )
    names = [column.name for column in columns.differing(dataclasses.replace(results, trials=alike))]
    assert SIZE not in names and RATE in names
    assert columns.differing(make_results(1, ())) == []


def test_the_first_trial_has_what_is_set(results):
    first = columns.first(results)
    assert first.trial == "0" and columns.has_defaults(results, first)
    assert not columns.has_defaults(results, results.trials[1])
    later = dataclasses.replace(results, trials=results.trials[1:])
    assert columns.first(later) is None

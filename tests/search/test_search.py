import dataclasses
import json
import logging
from pathlib import Path

import keras_tuner
import pytest
from toy_training import (
    ACCURACY,
    LOG,
    RATE,
    VERIFICATION,
    ToyTraining,
    accuracy,
    killed_at,
    run,
    same,
    settings,
)

from kfer import search
from kfer.search import Found
from kfer.settings import (
    FineTuningStage,
    MetricSettings,
    ParameterSettings,
    PipelineSettings,
)

RATES = ("0.001", "0.01", "0.02", "0.05")
GRID = {RATE: ParameterSettings(values=RATES)}


def values(found: Found) -> list[float]:
    return [trial.values[RATE] for trial in found.trials]


def test_the_first_trial_has_what_is_set_and_the_best_is_returned(tmp_path: Path) -> None:
    training = ToyTraining()
    found = run(tmp_path, training)
    assert [trial.trial for trial in found.trials] == ["0", "1", "2", "3"]
    assert values(found)[0] == PipelineSettings().training.learning_rate
    assert len(set(values(found))) == 4
    assert found.best == max(found.trials, key=lambda trial: trial.score or 0)
    for trial, (given, first, until) in zip(found.trials, training.calls, strict=True):
        assert given.training.learning_rate == trial.values[RATE]
        assert trial.score == trial.figures[ACCURACY] == pytest.approx(accuracy(given, 2))
        assert (first, until, trial.epochs) == (0, 2, 2)
    assert found.rule == ACCURACY


def test_trials_are_short(tmp_path: Path) -> None:
    stages = (FineTuningStage(12), FineTuningStage(8, ("layer4",), 0.1))
    training = ToyTraining()
    base = settings(trials=1)
    base = dataclasses.replace(
        base, training=dataclasses.replace(base.training, stages=stages, warmup_epochs=1)
    )
    search.search(training, base, tmp_path)
    given = training.calls[0][0].training
    assert given.stages == (FineTuningStage(2, ("layer4",), 0.1),)
    assert given.total_epochs() == 2
    assert given.warmup_epochs == pytest.approx(1 * 2 / 20)


def test_the_best_values_are_written_as_keras_tuner_reads_them(tmp_path: Path) -> None:
    found = run(tmp_path)
    config = json.loads((tmp_path / "best_hyperparameters.txt").read_text())
    assert keras_tuner.HyperParameters.from_config(config).values == found.best.values


def test_a_grid_tries_each_once_and_ends(tmp_path: Path) -> None:
    found = run(tmp_path, tuner="grid", space=GRID, trials=10)
    # What is set, 0.005, is not in the grid: the nearest comes first.
    assert values(found) == [0.001, 0.01, 0.02, 0.05]
    assert found.best.values[RATE] == 0.02


def test_hyperband_goes_on_with_the_best(tmp_path: Path) -> None:
    training = ToyTraining()
    found = run(tmp_path, training, tuner="hyperband", epochs=9, trials=100)
    starts = [(first, until) for _, first, until in training.calls]
    assert set(starts) == {(0, 1), (1, 3), (3, 9), (0, 3), (0, 9)}
    # All have the schedule of nine epochs, so that one may go on from another.
    assert {given.training.epochs for given, *_ in training.calls} == {9}
    rungs = {
        rung: [given for given, *epochs in training.calls if tuple(epochs) == rung]
        for rung in ((0, 1), (1, 3))
    }
    best = sorted(rungs[0, 1], key=lambda given: -accuracy(given, 1))[: len(rungs[1, 3])]
    assert len(best) == len(rungs[0, 1]) / 3
    assert {given.training.learning_rate for given in best} == {
        given.training.learning_rate for given in rungs[1, 3]
    }
    assert found.best.epochs == 9
    assert not list(tmp_path.rglob("epochs.csv"))


def test_hyperband_tries_a_small_space_whole_and_goes_on_with_the_best(tmp_path: Path) -> None:
    """Four values are fewer than the nine of the first round."""
    training = ToyTraining()
    found = run(tmp_path, training, tuner="hyperband", epochs=9, trials=100, space=GRID)
    starts = [(first, until) for _, first, until in training.calls]
    assert starts == [(0, 1)] * 4 + [(1, 3)] * 2 + [(3, 9)]
    assert sorted(values(found)[:4]) == [float(rate) for rate in RATES]
    assert (found.best.values[RATE], found.best.epochs) == (0.02, 9)


def test_random_trials_find_the_last_value_of_a_small_space(tmp_path: Path) -> None:
    many = {RATE: ParameterSettings(low=0.001, high=0.1, steps=30)}
    found = run(tmp_path, space=many, trials=50)
    assert len(set(values(found))) == len(found.trials) == 30


def test_bayesian_search_finds_a_better_rate_than_what_is_set(tmp_path: Path) -> None:
    found = run(tmp_path, tuner="bayesian", trials=12)
    assert len(found.trials) == 12
    assert (found.best.score or 0) > (found.trials[0].score or 0)


@pytest.mark.parametrize("tuner", ["random", "grid", "hyperband", "bayesian"])
def test_a_search_killed_twice_ends_as_one_that_was_not(tmp_path: Path, tuner: str) -> None:
    tuning = {"tuner": tuner, "trials": 6, "epochs": 3, "space": GRID if tuner == "grid" else {RATE: LOG}}
    expected = run(tmp_path / "whole", **tuning)
    # Hyperband's first trials have one epoch.
    for call, epoch in ((3, 1), (1, 1)) if tuner == "hyperband" else ((3, 2), (1, 2)):
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "killed", killed_at(call, epoch), **tuning)
    training = ToyTraining()
    assert same(run(tmp_path / "killed", training, **tuning)) == same(expected)


def test_a_bayesian_search_killed_while_it_learns_ends_as_one_that_was_not(tmp_path: Path) -> None:
    steps = {RATE: dataclasses.replace(LOG, steps=12)}
    tuning = {"tuner": "bayesian", "trials": 8, "space": steps}
    expected = run(tmp_path / "whole", **tuning)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "killed", killed_at(7, 1), **tuning)
    assert same(run(tmp_path / "killed", **tuning)) == same(expected)


def test_the_trial_that_was_running_goes_on_after_its_last_epoch(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, killed_at(3, 2))
    training = ToyTraining()
    run(tmp_path, training)
    assert [first for _, first, _ in training.calls] == [1, 0]


def test_a_process_that_lost_its_trial_writes_no_more(tmp_path: Path) -> None:
    expected = run(tmp_path / "whole", epochs=3)

    def take_over(given: PipelineSettings, epoch: int) -> None:
        if epoch == 2:
            (tmp_path / "search" / "keras_tuner" / "trial_0" / "owner").write_text("another")

    with pytest.raises(RuntimeError, match=r"has taken over the trial in .*trial_0"):
        run(tmp_path / "search", ToyTraining(take_over), epochs=3)
    assert search.outcomes(tmp_path / "search") == []
    (checkpoint,) = (tmp_path / "search").rglob("epochs.csv")
    assert len(checkpoint.read_text().splitlines()) == 2  # the names of columns, and the first epoch
    assert same(run(tmp_path / "search", epochs=3)) == same(expected)


def test_a_trial_that_the_oracle_does_not_know_comes_again(tmp_path: Path) -> None:
    expected = run(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "killed", killed_at(3, 1))
    # Killed between the two files: the trial is written, the oracle still is as before.
    project = tmp_path / "killed" / "keras_tuner"
    state = json.loads((project / "oracle.json").read_text())
    before = {**state, "ongoing_trials": {}, "start_order": ["0", "1"], "seed_state": 3}
    before["tried_so_far"] = [state["id_to_hash"][trial] for trial in ("0", "1")]
    before["seed_state"] = state["seed_state"] - 1
    (project / "oracle.json").write_text(json.dumps(before))
    assert same(run(tmp_path / "killed")) == same(expected)


def test_more_trials_go_on_from_fewer(tmp_path: Path) -> None:
    run(tmp_path / "grown", trials=3)
    training = ToyTraining()
    grown = run(tmp_path / "grown", training, trials=5)
    assert same(grown) == same(run(tmp_path / "whole", trials=5))
    assert len(training.calls) == 2


def test_another_space_in_the_same_folder_is_refused_with_the_difference(tmp_path: Path) -> None:
    run(tmp_path)
    other = {RATE: dataclasses.replace(LOG, high=0.5)}
    with pytest.raises(
        ValueError,
        match=r"other settings: tuning\.space\.training\.learning_rate\.high was 0\.1 and is 0\.5",
    ):
        run(tmp_path, space=other)
    # What was found stays.
    assert (tmp_path / "best_hyperparameters.txt").exists()
    with pytest.raises(ValueError, match=r"tuning\.seed was 0 and is 1"):
        run(tmp_path, seed=1)
    with pytest.raises(ValueError, match=r"training\.weight_decay was .* and is 0\.5"):
        base = settings()
        decayed = dataclasses.replace(base.training, weight_decay=0.5)
        search.search(ToyTraining(), dataclasses.replace(base, training=decayed), tmp_path)


def test_lists_and_none_can_be_tried(tmp_path: Path) -> None:
    training = ToyTraining()
    space = {
        "tasks.identity.layers": ParameterSettings(values=("()", "(256,)")),
        "tasks.identity.dropout": ParameterSettings(values=("none", "0.5")),
        "tasks.identity.stop_gradient": ParameterSettings(values=("true", "false")),
    }
    run(tmp_path, training, tuner="grid", space=space, trials=8)
    tasks = [given.tasks["identity"] for given, *_ in training.calls]
    tried = {(task.layers, task.dropout, task.stop_gradient) for task in tasks}
    assert tried == {(a, b, c) for a in ((), (256,)) for b in (None, 0.5) for c in (True, False)}


def test_an_objective_that_no_trial_reports_is_refused_before_the_first(tmp_path: Path) -> None:
    training = ToyTraining()
    with pytest.raises(ValueError, match=f"They are: {ACCURACY}, {VERIFICATION}"):
        run(tmp_path, training, objective={"val_age_accuracy": MetricSettings()})
    assert training.calls == []


def test_an_objective_that_was_corrected_is_taken(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="They are"):
        run(tmp_path, objective={"val_expression_acuracy": MetricSettings()})
    assert len(run(tmp_path).trials) == 4


def test_a_study_is_read_with_its_own_settings_alone(tmp_path: Path) -> None:
    run(tmp_path)
    search.check_settings(settings(), tmp_path)
    longer = dataclasses.replace(settings().training, epochs=99)
    search.check_settings(dataclasses.replace(settings(), training=longer), tmp_path)
    with pytest.raises(ValueError, match=r"other settings: tuning\.epochs was 2 and is 3"):
        search.check_settings(settings(epochs=3), tmp_path)


def test_a_bayesian_search_tries_a_small_space_once(tmp_path: Path) -> None:
    found = run(tmp_path, tuner="bayesian", space=GRID, trials=20)
    assert sorted(values(found)) == [float(rate) for rate in RATES]


def test_one_line_a_trial_and_nothing_printed(tmp_path: Path, caplog, capsys) -> None:
    with caplog.at_level(logging.INFO, "kfer"):
        run(tmp_path, trials=2)
    assert [message.split(":")[0] for message in caplog.messages] == [
        "2 trials by val_expression_accuracy",
        "trial 0, 1 of 2",
        "trial 0",
        "trial 1, 2 of 2",
        "trial 1",
    ]
    assert capsys.readouterr().out == ""
    assert not list(tmp_path.rglob("epochs.csv"))
    assert len(list(tmp_path.rglob("history.csv"))) == 2

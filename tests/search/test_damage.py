"""Files of a search that were whole once: what is damaged is named, the rest is kept."""

import json
from pathlib import Path

import pytest
from toy_training import ToyTraining, killed_at, run, same

from kfer import search
from kfer.settings import PipelineSettings


def test_a_damaged_trial_is_named_and_runs_again(tmp_path: Path, caplog) -> None:
    expected = run(tmp_path)
    trial = tmp_path / "keras_tuner" / "trial_2" / "trial.json"
    trial.write_text(trial.read_text()[:50])
    training = ToyTraining()
    assert same(run(tmp_path, training)) == same(expected)
    assert len(training.calls) == 1
    assert "trial_2" in caplog.text
    assert "this trial runs again" in caplog.text


def test_a_failed_trial_whose_outcome_is_damaged_runs_again(tmp_path: Path, caplog) -> None:
    def fail(given: PipelineSettings, epoch: int) -> None:
        if given.training.learning_rate == PipelineSettings().training.learning_rate:
            raise FloatingPointError("the loss is nan")

    expected = run(tmp_path, ToyTraining(fail))
    (tmp_path / "keras_tuner" / "trial_0" / "outcome.json").write_text("{")
    assert same(run(tmp_path, ToyTraining(fail))) == same(expected)
    assert "how trial 0 ended cannot be read" in caplog.text


def test_trials_are_made_anew_in_their_order(tmp_path: Path) -> None:
    """Names of folders have more digits since there were to be more trials: as text, 10 is before 9."""
    run(tmp_path, trials=10)
    expected = run(tmp_path, trials=11)
    (tmp_path / "keras_tuner" / "oracle.json").write_text("{")
    assert same(run(tmp_path, trials=11)) == same(expected)
    oracle = json.loads((tmp_path / "keras_tuner" / "oracle.json").read_text())
    assert list(map(int, oracle["start_order"])) == list(range(11))


def test_what_the_search_was_told_is_named_where_it_is_damaged(tmp_path: Path, caplog) -> None:
    run(tmp_path)
    for name, cut in (("objective.json", "["), ("search.json", '{"data"')):
        (tmp_path / name).write_text(cut)
    assert search.judged_by(tmp_path) == ("", ())
    assert "objective.json is damaged" in caplog.text
    with pytest.raises(ValueError, match=r"search\.json is damaged .* what settings the trials had"):
        run(tmp_path)
    assert len(search.outcomes(tmp_path)) == 4


def test_a_trial_with_a_damaged_checkpoint_starts_anew(tmp_path: Path, caplog) -> None:
    expected = run(tmp_path / "whole", epochs=3)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "killed", killed_at(2, 3), epochs=3)
    (checkpoint,) = (tmp_path / "killed").rglob("epochs.csv")
    checkpoint.write_text("epoch\n?")
    training = ToyTraining()
    assert same(run(tmp_path / "killed", training, epochs=3)) == same(expected)
    assert [first for _, first, _ in training.calls] == [0, 0, 0]
    assert "trial 1 starts anew: " in caplog.text and "epochs.csv is damaged" in caplog.text


def test_a_trial_whose_every_file_is_damaged_is_lost_alone(tmp_path: Path, caplog) -> None:
    expected = run(tmp_path)
    for name in ("trial.json", "values.json", "outcome.json"):
        (tmp_path / "keras_tuner" / "trial_2" / name).write_text("{")
    found = run(tmp_path)
    assert same(found) == [trial for trial in same(expected) if trial["trial"] != "2"]
    assert "this trial is lost" in caplog.text


def test_a_damaged_oracle_is_made_anew(tmp_path: Path, caplog) -> None:
    expected = run(tmp_path)
    oracle = tmp_path / "keras_tuner" / "oracle.json"
    oracle.write_text(oracle.read_text()[:100])
    training = ToyTraining()
    assert same(run(tmp_path, training)) == same(expected)
    assert training.calls == []
    assert "made anew from the trials" in caplog.text


def test_hyperband_cannot_do_without_its_oracle(tmp_path: Path) -> None:
    run(tmp_path, tuner="hyperband", trials=5)
    oracle = tmp_path / "keras_tuner" / "oracle.json"
    oracle.write_text(oracle.read_text()[:100])
    with pytest.raises(ValueError, match=r"oracle\.json is damaged .* hyperband cannot go on"):
        run(tmp_path, tuner="hyperband", trials=5)

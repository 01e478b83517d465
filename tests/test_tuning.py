import dataclasses
import json
import logging
import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import keras_tuner
import pytest
from toy_tasks import tasks

from kfer import training as trainers
from kfer import tuning
from kfer.settings import FineTuningStage, TaskSettings, TrainingSettings, TuningSettings

TRAINING = TrainingSettings(epochs=10, warmup_epochs=1, learning_rate=0.01)
TASKS = tasks(expression=0.5, identity=1.0)
TUNING = TuningSettings(trials=4, epochs=2, example_share=0.25, seed=0)


class FakeTraining:
    """Stands for `kfer.training.train`: the nearer the rate is to 0.02, the better."""

    def __init__(self, figures: Callable[[TrainingSettings], dict[str, float]]) -> None:
        self.figures = figures
        self.calls: list[SimpleNamespace] = []

    def __call__(
        self, model, make_batches, steps, validation, settings, tasks, work_dir, class_counts
    ) -> list:
        call = SimpleNamespace(steps=steps, settings=settings, tasks=tasks, work_dir=work_dir)
        self.calls.append(call)
        work_dir.mkdir()
        (work_dir / "checkpoint.npz").write_text("")
        return [{"epoch": 1.0, "loss": 9.0}, {"epoch": 2.0, "loss": 1.0} | self.figures(settings)]


def scores(settings: TrainingSettings) -> dict[str, float]:
    accuracy = 1 / (1 + abs(math.log(settings.learning_rate / 0.02)))
    return {"val_expression_accuracy": accuracy, "val_verification_accuracy": 0.5}


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeTraining:
    fake = FakeTraining(scores)
    monkeypatch.setattr(trainers, "train", fake)
    return fake


def search(
    work_dir: Path,
    training: TrainingSettings = TRAINING,
    tasks: dict[str, TaskSettings] = TASKS,
    **changes: object,
) -> tuple:
    settings = TuningSettings(**{**vars(TUNING), **changes})
    return tuning.search(
        lambda settings, tasks: None,
        lambda settings: None,
        *(100, None, training, tasks, settings, work_dir),
    )


def test_the_first_trial_has_the_settings_and_the_best_is_returned(fake, tmp_path: Path) -> None:
    best, trials = search(tmp_path)
    assert [trial["trial"] for trial in trials] == ["0", "1", "2", "3"]
    assert trials[0]["values"] == {
        "expression_weight": 0.5,
        "identity_weight": 1.0,
        "learning_rate": 0.01,
    }
    assert best == max(trials, key=lambda trial: trial["score"])["values"]
    for trial, call in zip(trials, fake.calls, strict=True):
        accuracy = scores(call.settings)["val_expression_accuracy"]
        assert trial["score"] == pytest.approx((accuracy + 0.5) / 2)
        assert trial["metrics"]["val_expression_accuracy"] == pytest.approx(accuracy)
        assert trial["metrics"]["loss"] == 1.0
        assert 0.3 <= call.tasks["identity"].weight <= 3
        assert 0.003 <= call.settings.learning_rate <= 0.03
    assert len({call.settings.learning_rate for call in fake.calls}) == 4


def test_trials_are_short(fake, tmp_path: Path) -> None:
    search(tmp_path, trials=1)
    assert fake.calls[0].steps == 25
    assert fake.calls[0].settings.epochs == 2
    assert fake.calls[0].settings.warmup_epochs == pytest.approx(0.2)


def test_a_trial_of_a_training_in_stages_is_its_last_stage(fake, tmp_path: Path) -> None:
    stages = (FineTuningStage(12), FineTuningStage(8, ("layer4",), 0.1))
    training = dataclasses.replace(TRAINING, stages=stages, cache_features=True)
    search(tmp_path, training, trials=1)
    settings = fake.calls[0].settings
    assert settings.stages == (FineTuningStage(2, ("layer4",), 0.1),)
    assert settings.total_epochs() == 2
    assert settings.warmup_epochs == pytest.approx(1 * 2 / 20)
    assert not settings.cache_features


def test_the_best_values_are_written_as_keras_tuner_reads_them(fake, tmp_path: Path) -> None:
    best, _ = search(tmp_path)
    config = json.loads((tmp_path / "best_hyperparameters.txt").read_text())
    assert keras_tuner.HyperParameters.from_config(config).values == best


def test_one_task_has_no_weight_to_search(fake, tmp_path: Path) -> None:
    fake.figures = lambda settings: {"val_verification_accuracy": 0.75}
    best, trials = search(tmp_path, tasks=tasks(expression=0), trials=2)
    assert best.keys() == {"learning_rate"}
    assert trials[0]["score"] == 0.75


def test_a_killed_search_goes_on_with_the_trial_that_was_running(fake, tmp_path: Path) -> None:
    def killed(settings: TrainingSettings) -> dict[str, float]:
        if len(fake.calls) == 3:
            raise KeyboardInterrupt
        return scores(settings)

    expected = search(tmp_path / "whole")
    fake.calls.clear()
    fake.figures = killed
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path / "killed")
    running = fake.calls[-1]
    assert running.work_dir.exists()
    (running.work_dir / "checkpoint.npz").unlink()
    running.work_dir.rmdir()
    fake.calls.clear()
    fake.figures = scores
    assert search(tmp_path / "killed") == expected
    assert fake.calls[0].settings == running.settings
    assert len(fake.calls) == 2


def test_a_damaged_search_starts_anew(fake, tmp_path: Path, caplog) -> None:
    expected = search(tmp_path)
    oracle = tmp_path / "keras_tuner" / "oracle.json"
    oracle.write_text(oracle.read_text()[:100])
    assert search(tmp_path) == expected
    assert "the search starts anew" in caplog.text


def test_a_trial_whose_loss_is_not_a_number_is_passed_over(fake, tmp_path: Path, caplog) -> None:
    def diverging(settings: TrainingSettings) -> dict[str, float]:
        if settings.learning_rate == 0.01:
            raise FloatingPointError("the loss is nan")
        return scores(settings)

    fake.figures = diverging
    best, trials = search(tmp_path)
    assert trials[0]["score"] is None
    assert best["learning_rate"] != 0.01
    assert "trial 1 failed: the loss is nan" in caplog.text


def test_without_any_finite_loss_the_search_says_so(fake, tmp_path: Path) -> None:
    def diverging(settings: TrainingSettings) -> dict[str, float]:
        raise FloatingPointError("the loss is nan")

    fake.figures = diverging
    with pytest.raises(RuntimeError, match=r"all 4 trials was not a number: lower .* \(now 0.01\)"):
        search(tmp_path)


def test_other_errors_stop_the_search(fake, tmp_path: Path) -> None:
    fake.figures = lambda settings: {}
    with pytest.raises(ValueError, match="trials cannot be compared"):
        search(tmp_path)
    assert len(fake.calls) == 1


def test_one_line_a_trial_and_nothing_printed(fake, tmp_path: Path, caplog, capsys) -> None:
    with caplog.at_level(logging.INFO, "kfer"):
        search(tmp_path, trials=2)
        search(tmp_path, trials=2)
    assert [message.split(":")[0] for message in caplog.messages] == ["trial 1 of 2", "trial 2 of 2"]
    assert "score 0.5" in caplog.messages[0]
    assert capsys.readouterr().out == ""
    assert not list(tmp_path.glob("training_*"))

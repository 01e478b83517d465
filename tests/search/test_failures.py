"""Trials that fail, are killed or are interrupted."""

import dataclasses
import os
import signal
from pathlib import Path

import pytest
import tensorflow as tf
from toy_training import (
    ToyTraining,
    run,
    same,
    settings,
)

from kfer.processes import run_apart
from kfer.settings import (
    ParameterSettings,
    PipelineSettings,
    TrainingSettings,
)

BATCHES = {"training.batch_size": ParameterSettings(values=("64", "16"))}


def test_a_trial_that_failed_does_not_hold_up_hyperband(tmp_path: Path) -> None:
    def fail(given: PipelineSettings, epoch: int) -> None:
        if len(training.calls) == 2:
            raise FloatingPointError("the loss is nan")

    training = ToyTraining(fail)
    found = run(tmp_path, training, tuner="hyperband", epochs=9, trials=100)
    assert sum(trial.score is None for trial in found.trials) == 1
    starts = [(first, until) for _, first, until in training.calls]
    assert (3, 9) in starts
    assert found.best.epochs == 9


def killed_in_its_second_epoch(given: PipelineSettings, epoch: int) -> None:
    if given.training.learning_rate == PipelineSettings().training.learning_rate and epoch == 2:
        os.kill(os.getpid(), signal.SIGKILL)


def run_and_be_killed(folder: Path) -> None:
    run(folder, ToyTraining(killed_in_its_second_epoch))


def test_an_epoch_that_kills_its_process_three_times_fails_the_trial(tmp_path: Path) -> None:
    # The first time it came to that epoch in good health.
    for _ in range(4):
        assert run_apart(run_and_be_killed, tmp_path).code == -signal.SIGKILL
    found = run(tmp_path, ToyTraining(killed_in_its_second_epoch))
    assert "its process was ended 3 times within one epoch" in found.trials[0].failure
    assert [trial.score is None for trial in found.trials] == [True, False, False, False]


def test_the_best_values_have_the_batch_that_they_were_judged_with(tmp_path: Path) -> None:
    found = run(tmp_path, ToyTraining(too_large), trials=1, smaller_batches=2)
    base = settings()
    assert base.training.batch_size == 32
    assert found.best.judged_values(base) == {**found.best.values, "training.batch_size": 16}
    assert found.best.judged_values(dataclasses.replace(base, training=too_small(base))) == dict(
        found.best.values
    )


def too_small(base: PipelineSettings) -> TrainingSettings:
    return dataclasses.replace(base.training, batch_size=16)


def test_a_trial_that_diverges_fails_alone(tmp_path: Path, caplog) -> None:
    def fail(given: PipelineSettings, epoch: int) -> None:
        if given.training.learning_rate == PipelineSettings().training.learning_rate:
            raise FloatingPointError("the loss is nan in epoch 1")

    found = run(tmp_path, ToyTraining(fail))
    assert [trial.score is None for trial in found.trials] == [True, False, False, False]
    assert found.trials[0].failure == "the loss is nan in epoch 1"
    assert "trial 0 failed: the loss is nan" in caplog.text


def test_values_that_do_not_fit_each_other_fail_alone(tmp_path: Path) -> None:
    space = {
        "tasks.identity.loss": ParameterSettings(values=("arcface", "triplet_hard")),
        "augmentation.mixup": ParameterSettings(values=("0", "0.5")),
    }
    found = run(tmp_path, tuner="grid", space=space)
    assert [trial.score is None for trial in found.trials] == [False, False, False, True]
    assert "a mixed face is half a person" in found.trials[3].failure


def too_large(given: PipelineSettings, epoch: int) -> None:
    if given.training.batch_size > 16:
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating\nand more")


def test_too_little_memory_fails_a_trial_or_halves_its_batch(tmp_path: Path, caplog) -> None:
    tuning = {"tuner": "grid", "space": BATCHES}
    found = run(tmp_path / "failing", ToyTraining(too_large), **tuning)
    assert [(trial.batch_size, trial.failure) for trial in found.trials] == [
        (64, "out of memory at a batch of 64: OOM when allocating"),
        (16, ""),
    ]
    training = ToyTraining(too_large)
    found = run(tmp_path / "halving", training, smaller_batches=2, **tuning)
    assert [trial.batch_size for trial in found.trials] == [16, 16]
    assert [given.training.batch_size for given, *_ in training.calls] == [64, 32, 16, 16]
    assert "it is tried again with half of it" in caplog.text


def test_cudas_errors_of_memory_are_those(tmp_path: Path) -> None:
    told = iter(("CUDNN_STATUS_ALLOC_FAILED in cudnn_dnn.cc", "CUDNN_STATUS_EXECUTION_FAILED"))

    def fail(given: PipelineSettings, epoch: int) -> None:
        if given.training.batch_size == 64:
            raise tf.errors.InternalError(None, None, next(told))

    found = run(tmp_path / "memory", ToyTraining(fail), tuner="grid", space=BATCHES)
    assert found.trials[0].failure.startswith("out of memory at a batch of 64: CUDNN_STATUS_ALLOC_FAILED")
    with pytest.raises(tf.errors.InternalError):  # which all trials would have
        run(tmp_path / "other", ToyTraining(fail), tuner="grid", space=BATCHES)


def test_without_any_score_the_search_says_why(tmp_path: Path) -> None:
    def fail(given: PipelineSettings, epoch: int) -> None:
        raise FloatingPointError("the loss is nan in epoch 1")

    with pytest.raises(RuntimeError, match="all 4 trials failed; the last: the loss is nan in epoch 1"):
        run(tmp_path, ToyTraining(fail))


def test_other_errors_stop_the_search_and_the_trial_goes_on_later(tmp_path: Path) -> None:
    def fail(given: PipelineSettings, epoch: int) -> None:
        if epoch == 2:
            raise ValueError("batch_size must be shared out evenly")

    with pytest.raises(ValueError, match="must be shared out evenly"):
        run(tmp_path, ToyTraining(fail))
    training = ToyTraining()
    assert same(run(tmp_path, training)) == same(run(tmp_path / "whole"))
    assert training.calls[0][1] == 1


def test_what_only_interrupts_a_trial_does_not_count_as_its_end(tmp_path: Path) -> None:
    for ending in (KeyboardInterrupt, SystemExit, OSError) * 2:

        def fail(given: PipelineSettings, epoch: int, ending: type[BaseException] = ending) -> None:
            raise ending("the disk is full")

        with pytest.raises(ending):
            run(tmp_path, ToyTraining(fail))
    assert all(trial.score is not None for trial in run(tmp_path).trials)


def killed_by_the_system(given: PipelineSettings, epoch: int) -> None:
    if given.training.batch_size > 16:
        os.kill(os.getpid(), signal.SIGKILL)


def test_in_a_process_of_its_own_a_trial_dies_alone(tmp_path: Path) -> None:
    training = ToyTraining(killed_by_the_system)
    found = run(tmp_path, training, tuner="grid", space=BATCHES, own_process=True)
    assert [trial.score is None for trial in found.trials] == [True, False]
    assert "process was ended" in found.trials[0].failure

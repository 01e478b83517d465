"""The search of loss weights and learning rate with Keras Tuner."""

import contextlib
import dataclasses
import io
import json
import logging
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np
from keras_tuner import errors
from keras_tuner.engine import trial as keras_tuner_trial

from kfer import training as trainers
from kfer.input_pipeline import Decoded
from kfer.settings import TrainingSettings, TuningSettings, active
from kfer.settings.tasks import Tasks
from kfer.training import MakeBatches

_OBJECTIVE = "val_score"
_FIGURES = ("val_expression_accuracy", "val_verification_accuracy")
Run = Callable[[str, dict[str, float]], dict[str, float]]
_log = logging.getLogger(__name__)


def search(
    build_model: Callable[[TrainingSettings, Tasks], keras.Model],
    batches: Callable[[TrainingSettings], MakeBatches],
    steps_per_epoch: int,
    validation: Decoded,
    training: TrainingSettings,
    tasks: Tasks,
    tuning: TuningSettings,
    work_dir: Path,
    class_counts: Mapping[str, np.ndarray] | None = None,
) -> tuple[dict[str, float], list[dict[str, Any]]]:
    """Returns the best values found, and every trial.

    The first trial has the values of the settings; the others are drawn at random (Bergstra and
    Bengio 2012), evenly on a log scale. Trials are compared by "val_score", the mean of expression
    accuracy and verification accuracy on the validation split, as far as the network has the tasks.
    Never by the validation loss: it is the weighted sum of the losses, so the lowest weights would win
    whatever the network learned. Where the training has stages, a trial is one stage of
    `tuning.epochs` that trains what the last of them does, at that one's multiple of the rate.

    A search that was killed goes on where it was, in the trial that was running too.

    Args:
        build_model: Makes an untrained network for training settings and tasks.
        batches: Makes `make_batches` of `kfer.training.train` for training settings.
        steps_per_epoch: Of the whole training; a trial's epoch has `tuning.example_share` of them.
        validation: What trials are judged on.
        training: What the search starts from.
        tasks: Likewise; a weight of 0 stays 0.
        tuning: Ranges and number of trials, at least 1.
        work_dir: Keras Tuner's files, the trials' checkpoints, and "best_hyperparameters.txt":
            `keras_tuner.HyperParameters.get_config()` as JSON.
        class_counts: As `kfer.training.train` takes them.

    Returns:
        The best values, as `kfer.training.with_values` takes them; and of each trial a dict of
        "trial" (its id), "values", "score" (None where it failed) and "metrics" (the last epoch's
        figures).

    Raises:
        RuntimeError: The loss of every trial was not a number.
        ValueError: The validation split has no labels to judge trials by, or as in `train`.
    """
    work_dir.mkdir(parents=True, exist_ok=True)
    oracle = _SettingsFirst(
        objective=keras_tuner.Objective(_OBJECTIVE, "max"),
        max_trials=tuning.trials,
        hyperparameters=_space(training, tasks, tuning),
        # Keras Tuner takes a seed of 0 for none.
        seed=tuning.seed + 1,
        max_consecutive_failed_trials=tuning.trials + 1,
    )

    def run(trial_id: str, values: dict[str, float]) -> dict[str, float]:
        settings, weighted = trainers.with_values(_shortened(training, tuning), tasks, values)
        start = time.monotonic()
        figures = trainers.train(
            build_model(settings, weighted),
            batches(settings),
            max(1, round(steps_per_epoch * tuning.example_share)),
            validation,
            settings,
            weighted,
            _training_dir(work_dir, trial_id),
            class_counts=class_counts,
        )[-1]
        score = _score(figures)
        told = ", ".join(f"{name.replace('_', ' ')} {value:.3g}" for name, value in values.items())
        seconds = time.monotonic() - start
        number = int(trial_id) + 1
        _log.info("trial %d of %d: %s: score %.3f, %.0f s", number, tuning.trials, told, score, seconds)
        return {_OBJECTIVE: score, **figures}

    tuner = _tuner(oracle, run, work_dir)
    try:
        tuner.search(verbose=0)
    except errors.FatalError as error:
        raise error.__cause__ or error from None
    finished = [trial for trial in oracle.get_best_trials(tuning.trials) if trial.score is not None]
    if not finished:
        raise RuntimeError(
            f"the loss of all {tuning.trials} trials was not a number: lower training.learning_rate "
            f"(now {training.learning_rate:g})"
        )
    best = finished[0].hyperparameters
    (work_dir / "best_hyperparameters.txt").write_text(json.dumps(best.get_config(), indent=1))
    trials = [oracle.trials[trial_id] for trial_id in sorted(oracle.trials)]
    return dict(best.values), [_described(trial) for trial in trials]


class _SettingsFirst(keras_tuner.oracles.RandomSearchOracle):
    """Tries the default values first, then random ones."""

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        if self.trials:
            return super().populate_space(trial_id)
        values = {parameter.name: parameter.default for parameter in self.hyperparameters.space}
        return {"status": keras_tuner_trial.TrialStatus.RUNNING, "values": values}


class _Tuner(keras_tuner.engine.base_tuner.BaseTuner):
    """Runs a function for each trial."""

    def __init__(self, run: Run, checkpoints: Callable[[str], Path], **arguments: Any) -> None:
        super().__init__(**arguments)
        self._run, self._checkpoints = run, checkpoints

    def run_trial(self, trial: keras_tuner_trial.Trial, *_: Any, **__: Any) -> dict[str, float]:
        try:
            return self._run(trial.trial_id, dict(trial.hyperparameters.values))
        except FloatingPointError as error:
            _log.warning("trial %d failed: %s", int(trial.trial_id) + 1, error)
            raise errors.FailedTrialError(str(error)) from error
        except Exception as error:
            # Else Keras Tuner would count it as a bad trial and go on.
            raise errors.FatalError(str(error)) from error

    def on_trial_end(self, trial: keras_tuner_trial.Trial) -> None:
        super().on_trial_end(trial)
        # Checkpoints of large networks would fill the disk.
        shutil.rmtree(self._checkpoints(trial.trial_id), ignore_errors=True)


def _tuner(oracle: _SettingsFirst, run: Run, work_dir: Path) -> _Tuner:
    def open_tuner(overwrite: bool) -> _Tuner:
        with contextlib.redirect_stdout(io.StringIO()):
            return _Tuner(
                run,
                lambda trial_id: _training_dir(work_dir, trial_id),
                oracle=oracle,
                directory=str(work_dir),
                project_name="keras_tuner",
                overwrite=overwrite,
            )

    try:
        return open_tuner(overwrite=False)
    except ValueError as error:
        # Keras Tuner writes its JSON in place: a kill in the middle leaves a part of it.
        _log.warning("the search starts anew: its files in %s cannot be read (%s)", work_dir, error)
        return open_tuner(overwrite=True)


def _training_dir(work_dir: Path, trial_id: str) -> Path:
    return work_dir / f"training_{trial_id}"


def _space(
    training: TrainingSettings, tasks: Tasks, tuning: TuningSettings
) -> keras_tuner.HyperParameters:
    space = keras_tuner.HyperParameters()

    def add(name: str, value: float, factors: tuple[float, float]) -> None:
        space.Float(name, factors[0] * value, factors[1] * value, sampling="log", default=value)

    if len(active(tasks)) > 1:  # the weight of one loss alone changes nothing
        for name, task in active(tasks).items():
            add(f"{name}_weight", task.weight, tuning.loss_weight_factors)
    add("learning_rate", training.learning_rate, tuning.learning_rate_factors)
    return space


def _shortened(training: TrainingSettings, tuning: TuningSettings) -> TrainingSettings:
    share = min(tuning.epochs / training.total_epochs(), 1.0)
    return dataclasses.replace(
        training,
        epochs=tuning.epochs,
        stages=tuple(dataclasses.replace(stage, epochs=tuning.epochs) for stage in training.stages[-1:]),
        warmup_epochs=training.warmup_epochs * share,
        # Each trial would run the backbone over all examples, of which it sees a share.
        cache_features=False,
    )


def _score(figures: dict[str, float]) -> float:
    found = [figures[name] for name in _FIGURES if name in figures]
    if not found:
        raise ValueError(
            "the validation split has neither expression labels nor images of people who are not "
            "trained on: trials cannot be compared. Give a validation split, or set tuning.trials to 0"
        )
    return sum(found) / len(found)


def _described(trial: keras_tuner_trial.Trial) -> dict[str, Any]:
    metrics = {
        name: trial.metrics.get_last_value(name) for name in trial.metrics.metrics if name != _OBJECTIVE
    }
    return {
        "trial": trial.trial_id,
        "values": dict(trial.hyperparameters.values),
        "score": trial.score,
        "metrics": metrics,
    }

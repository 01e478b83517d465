"""Keras Tuner's oracles, which choose the values of trials: the set ones first, in whole files."""

import itertools
import json
import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras_tuner
import numpy as np
from keras_tuner.engine import trial as keras_tuner_trial

from kfer.files import read_json, write_text
from kfer.search.trial import outcome
from kfer.settings.dotted import as_text
from kfer.settings.space import Parameter, Space
from kfer.settings.tuning import BAYESIAN, GRID, HYPERBAND, RANDOM, TuningSettings

#: The name of the score in Keras Tuner's files.
SCORE = "val_score"
_DIGITS = 6
_ORACLE, _TRIAL, _VALUES = "oracle.json", "trial.json", "values.json"
#: Why a trial has failed of which nothing is left to run it again with.
_LOST = "its files are damaged"
_log = logging.getLogger(__name__)
Status = keras_tuner_trial.TrialStatus


def oracle(space: Space, settings: TuningSettings) -> keras_tuner.Oracle:
    """Returns the oracle that the settings name.

    Args:
        space: What is tried.
        settings: Of the search.
    """
    arguments: dict[str, Any] = {
        "objective": keras_tuner.Objective(SCORE, "max"),
        "hyperparameters": hyperparameters(space),
        # Keras Tuner takes a seed of 0 for none.
        "seed": settings.seed + 1,
        # Failed trials are kept as such, however many there are.
        "max_consecutive_failed_trials": 10**9,
    }
    if settings.tuner == HYPERBAND:
        made = _Hyperband(max_epochs=settings.epochs, factor=settings.factor, **arguments)
        made.max_trials = settings.trials
        return made
    return _CLASSES[settings.tuner](max_trials=settings.trials, **arguments)


def hyperparameters(space: Space) -> keras_tuner.HyperParameters:
    """Returns a space as Keras Tuner has it."""
    made = keras_tuner.HyperParameters()
    for parameter in space.parameters:
        _add(made, parameter)
    return made


def _add(made: keras_tuner.HyperParameters, parameter: Parameter) -> None:
    default = parameter.default
    if parameter.choices:
        choices = list(parameter.choices)
        if {type(choice) for choice in choices} not in ({int}, {float}, {str}):
            # Keras Tuner takes nothing else, and makes numbers of true and false.
            choices, default = [as_text(choice) for choice in choices], as_text(default)
        choices, default = [rounded(choice) for choice in choices], rounded(default)
        made.Choice(parameter.name, choices, default=default)
        return
    kind = made.Int if parameter.is_integer() else made.Float
    sampling = "log" if parameter.log else "linear"
    kind(parameter.name, parameter.low, parameter.high, sampling=sampling, default=default)


class _Kept(keras_tuner.Oracle):
    """Writes files that are whole or not there, and goes on from what it finds.

    Numbers have six digits: they are the same after their way to a worker as 32-bit floats.
    """

    trials: dict[str, keras_tuner_trial.Trial]
    _retry_queue: list[str]

    def save(self) -> None:
        write_text(Path(self._get_oracle_fname()), json.dumps(self.get_state()))

    def _save_trial(self, trial: keras_tuner_trial.Trial) -> None:
        folder = Path(self._get_trial_dir(trial.trial_id))
        write_text(folder / _TRIAL, json.dumps(trial.get_state()))
        if not (folder / _VALUES).exists():
            write_text(folder / _VALUES, json.dumps(trial.hyperparameters.values))

    def reload(self) -> None:
        project = Path(self._project_dir)
        try:
            known = read_json(project / _ORACLE)["start_order"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            self._rebuild(project, error)
        else:
            for folder in project.glob("trial_*"):
                if _trial_id(folder) not in known:
                    # Chosen when the process was killed, and unknown to the oracle: it will come again,
                    # with the same values.
                    (folder / _TRIAL).unlink(missing_ok=True)
            for trial_id in known:
                self._mend(Path(self._get_trial_dir(trial_id)))
            super().reload()
        self._run_lost_ones_again()
        self._retry_queue = [
            trial_id
            for trial_id in dict.fromkeys(self._retry_queue)
            if self.trials[trial_id].status == Status.RUNNING
        ]
        # As they were before: the order of what is learnt from changes numbers in their last digits.
        self.trials = {trial_id: self.trials[trial_id] for trial_id in self.start_order}
        for trial in self.trials.values():
            if trial.status == Status.RUNNING and trial.trial_id not in self._retry_queue:
                self._retry_queue.append(trial.trial_id)
                if trial.trial_id in self.end_order:
                    self.end_order.remove(trial.trial_id)

    def _rebuild(self, project: Path, error: Exception) -> None:
        """Makes a state from the trials alone, whose own files are whole."""
        _log.warning(
            "%s is damaged (%s): it is made anew from the trials; further ones may come in another order",
            *(project / _ORACLE, error),
        )
        for folder in sorted(project.glob("trial_*"), key=lambda folder: int(_trial_id(folder))):
            self._mend(folder)
            trial = keras_tuner_trial.Trial.load(str(folder / _TRIAL))
            self.trials[trial.trial_id] = trial
            self.start_order.append(trial.trial_id)
            if trial.status != Status.RUNNING:
                self.end_order.append(trial.trial_id)
            self._record_values(trial)
            self._seed_state += len(self.hyperparameters.space)
        self.save()

    def _run_lost_ones_again(self) -> None:
        """Lets trials run whose end is known to the oracle, but not how they ended."""
        for trial_id, trial in self.trials.items():
            folder = Path(self._get_trial_dir(trial_id))
            has_ended = trial.status != Status.RUNNING and trial.message != _LOST
            if has_ended and outcome(folder) is None:
                _log.warning("how trial %s ended cannot be read in %s: it runs again", trial_id, folder)
                trial.status, trial.score = Status.RUNNING, None
                trial.metrics = type(trial.metrics)()

    def _mend(self, folder: Path) -> None:
        """Writes a trial's file anew where it cannot be read: its values are kept, it runs again."""
        try:
            keras_tuner_trial.Trial.load(str(folder / _TRIAL))
            return
        except (OSError, ValueError, KeyError, TypeError) as error:
            reason = str(error)
        made = self.hyperparameters.copy()
        try:
            made.values = read_json(folder / _VALUES)
            status = Status.RUNNING
            _log.warning("%s is damaged (%s): this trial runs again", folder / _TRIAL, reason)
        except (OSError, ValueError) as error:
            made.values, status = {}, Status.FAILED
            _log.warning(
                "%s is damaged (%s), and %s too (%s): this trial is lost",
                *(folder / _TRIAL, reason, _VALUES, error),
            )
        message = "" if status == Status.RUNNING else _LOST
        self._save_trial(keras_tuner_trial.Trial(made, _trial_id(folder), status, message))

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        answer = super().populate_space(trial_id)
        if answer.get("values"):
            answer["values"] = {name: rounded(value) for name, value in answer["values"].items()}
        return answer

    def _random_values(self) -> dict[str, Any] | None:
        if not self.trials:  # What is set comes first.
            return {parameter.name: parameter.default for parameter in self.hyperparameters.space}
        # Keras Tuner gives up after so many draws of what was tried before.
        return super()._random_values() or self._untried()

    def _untried(self) -> dict[str, Any] | None:
        """The first combination that was not tried; None of a space without end, or where all were.

        Those with what is set come first.
        """
        space = self.hyperparameters.space
        if self._num_combinations() == math.inf:
            return None
        ordered = [sorted(_choices(each), key=lambda value: value != each.default) for each in space]
        names = [each.name for each in space]
        named = (
            dict(zip(names, map(rounded, values), strict=True)) for values in itertools.product(*ordered)
        )
        return next((values for values in named if not self._duplicate(values)), None)

    def _untried_answer(self) -> dict[str, Any]:
        values = self._untried()
        return {"status": Status.RUNNING, "values": values} if values else {"status": Status.STOPPED}

    def _num_combinations(self) -> float:
        numbers = [len(_choices(parameter)) for parameter in self.hyperparameters.space]
        return math.prod(number or math.inf for number in numbers)


class _Random(_Kept, keras_tuner.oracles.RandomSearchOracle):
    pass


class _Bayesian(_Kept, keras_tuner.oracles.BayesianOptimizationOracle):
    """Keras Tuner's does not keep the state of its generator: a search that goes on would draw anew."""

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        self._random_state = np.random.RandomState(self.seed + len(self.trials))
        answer = super().populate_space(trial_id)
        # Keras Tuner's proposes again what it knows, where a space is small.
        is_known = bool(answer.get("values")) and self._duplicate(answer["values"])
        return self._untried_answer() if is_known else answer


class _Hyperband(_Kept, keras_tuner.oracles.HyperbandOracle):
    """Keras Tuner's never ends a round with a trial that failed, or one that is larger than the space."""

    def _get_size(self, bracket_num: int, round_num: int) -> int:
        size = super()._get_size(bracket_num, round_num)
        own = sum(len(each["rounds"][0]) for each in self._brackets if each["bracket_num"] == bracket_num)
        values = [trial.hyperparameters.values for trial in self.trials.values()]
        tried = sum(not each.get("tuner/round") for each in values)
        left = self._num_combinations() - (tried - own)
        if left >= super()._get_size(bracket_num, 0):
            return size
        return min(size, math.ceil(left / self.factor**round_num))

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        failed = [trial for trial in self.trials.values() if trial.status == Status.FAILED]
        for trial in failed:
            trial.status, trial.score = Status.COMPLETED, -math.inf
        try:
            return super().populate_space(trial_id)
        finally:
            for trial in failed:
                trial.status, trial.score = Status.FAILED, None

    def _rebuild(self, project: Path, error: Exception) -> None:
        raise ValueError(
            f"{project / _ORACLE} is damaged ({error}), and with it which trials go on: hyperband cannot "
            "go on. Move the folder away to start anew; the trials in it can still be read"
        ) from error


class _Grid(_Kept, keras_tuner.oracles.GridSearchOracle):
    """Keras Tuner's does not keep where it is in the grid: one that was reloaded would end at once."""

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        return self._untried_answer()


_CLASSES = {RANDOM: _Random, GRID: _Grid, HYPERBAND: _Hyperband, BAYESIAN: _Bayesian}


def _choices(parameter: Any) -> Sequence[Any]:
    """The values that a parameter has; none where there is no end of them."""
    if isinstance(parameter, keras_tuner.engine.hyperparameters.Choice):
        return parameter.values
    if isinstance(parameter, keras_tuner.engine.hyperparameters.Int):
        return range(parameter.min_value, parameter.max_value + 1)
    return ()


def rounded(value: Any) -> Any:
    """A number with as many digits as survive the way to a worker; anything else as it is."""
    return float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else value


def _trial_id(folder: Path) -> str:
    return folder.name.removeprefix("trial_")

"""A search in one process: trials one after the other, and what they found."""

import contextlib
import io
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras_tuner
from keras_tuner import errors
from keras_tuner.engine import trial as keras_tuner_trial

from kfer import files
from kfer.search import trial as trials
from kfer.search.objective import Objective, objective
from kfer.search.oracles import SCORE, oracle
from kfer.settings import PipelineSettings
from kfer.settings.space import Space, space
from kfer.settings.tuning import HYPERBAND

_SEARCH, _PROJECT, _BEST = "search.json", "keras_tuner", "best_hyperparameters.txt"
#: What a search that goes on may have otherwise than before.
_FREE = ("trials", "study", "smaller_batches", "own_process")
_GROUPS = ("tasks", "data", "augmentation", "model", "training", "tuning")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Found:
    """What a search found.

    Attributes:
        best: The trial with the best score.
        trials: All that have ended, in the order of their numbers.
        rule: What they were compared by.
    """

    best: trials.Outcome
    trials: tuple[trials.Outcome, ...]
    rule: str


def search(train: trials.Train, base: PipelineSettings, work_dir: Path) -> Found:
    """Runs the trials of `base.tuning`, or goes on with those that are missing.

    The first trial has the values that are set, except in a grid, whose first has the nearest to them. A
    search that was killed goes on where it was, in the trial that was running too.

    Args:
        train: Trains a network for some settings.
        base: What is searched and what values change; at least one trial.
        work_dir: Keras Tuner's files, and "best_hyperparameters.txt":
            `keras_tuner.HyperParameters.get_config()` as JSON. A trial's folder in it has how it ended.

    Raises:
        RuntimeError: All trials failed.
        ValueError: The folder is of a search with other settings, the objective names a metric that no
            trial reports, or as the training raises it.
    """
    found_space = space(base)
    judged = objective(base.tuning.objective, train.figures(base))
    _claim(work_dir, base)
    tuner = _tuner(train, base, found_space, judged, work_dir)
    _log.info("%d trials by %s", base.tuning.trials, judged.rule())
    try:
        tuner.search(verbose=0)
    except errors.FatalError as error:
        raise error.__cause__ or error from None
    ended = outcomes(work_dir)
    for ended_trial in ended:
        trials.remove_checkpoints(tuner.folder(ended_trial.trial))
    scored = [outcome for outcome in ended if outcome.score is not None]
    if not scored:
        raise RuntimeError(f"all {len(ended)} trials failed; the last: {ended[-1].failure}")
    best = max(scored, key=lambda outcome: outcome.score or 0.0)
    config = tuner.oracle.trials[best.trial].hyperparameters.get_config()
    files.write_text(work_dir / _BEST, json.dumps(config, indent=1))
    return Found(best, tuple(ended), judged.rule())


def outcomes(work_dir: Path) -> list[trials.Outcome]:
    """Returns the trials that have ended, in the order of their numbers; also beside a search.

    Args:
        work_dir: Of the search.
    """
    found = [trials.outcome(folder) for folder in (work_dir / _PROJECT).glob("trial_*")]
    return sorted((each for each in found if each is not None), key=lambda each: int(each.trial))


class _Tuner(keras_tuner.engine.base_tuner.BaseTuner):
    """Runs trials in this process."""

    def __init__(
        self,
        train: trials.Train,
        base: PipelineSettings,
        space: Space,
        objective: Objective,
        **arguments: Any,
    ) -> None:
        self._train, self._base, self._space, self._objective = train, base, space, objective
        super().__init__(**arguments)

    def folder(self, trial_id: str) -> Path:
        return Path(self.get_trial_dir(trial_id))

    def run_trial(self, trial: keras_tuner_trial.Trial, *_: Any, **__: Any) -> dict[str, float]:
        values = trial.hyperparameters.values
        earlier = values.get("tuner/trial_id")
        plan = trials.Plan(
            trial.trial_id,
            self._space.settings(values),
            values.get("tuner/epochs", self._base.tuning.epochs),
            self.folder(earlier) if earlier else None,
        )
        number = int(trial.trial_id) + 1
        told = ", ".join(
            f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
            for name, value in plan.values.items()
        )
        _log.info("trial %d of %d: %s", number, self._base.tuning.trials, told)
        try:
            outcome = trials.run(
                self._train, self._base, self._objective, plan, self.folder(trial.trial_id)
            )
        except Exception as error:
            # Else Keras Tuner would count it as a bad trial and go on.
            raise errors.FatalError(str(error)) from error
        if outcome.score is None:
            _log.warning("trial %d failed: %s", number, outcome.failure)
            raise errors.FailedTrialError(outcome.failure)
        _log.info("trial %d: score %.3f, %.0f s", number, outcome.score, outcome.seconds)
        return {SCORE: outcome.score}

    def on_trial_end(self, trial: keras_tuner_trial.Trial) -> None:
        super().on_trial_end(trial)
        # Of hyperband's, any may go on.
        if self._base.tuning.tuner != HYPERBAND:
            trials.remove_checkpoints(self.folder(trial.trial_id))


def _tuner(
    train: trials.Train, base: PipelineSettings, space: Space, objective: Objective, work_dir: Path
) -> _Tuner:
    with contextlib.redirect_stdout(io.StringIO()):  # It says that it reloads.
        return _Tuner(
            *(train, base, space, objective),
            oracle=oracle(space, base.tuning),
            directory=str(work_dir),
            project_name=_PROJECT,
        )


def _claim(work_dir: Path, base: PipelineSettings) -> None:
    """Makes a folder that of a search; the settings of one that is there must be the same."""
    file = work_dir / _SEARCH
    work_dir.mkdir(parents=True, exist_ok=True)
    if not file.exists():
        files.write_json(file, {group: files.plain(getattr(base, group)) for group in _GROUPS})
        return
    found = json.loads(file.read_text())
    different = [
        text
        for group in _GROUPS
        for text in files.differences(getattr(base, group), found.get(group), group)
        if text.split(" ")[0] not in [f"tuning.{name}" for name in _FREE]
    ]
    if different:
        raise ValueError(
            f"{work_dir} is of a search with other settings: {'; '.join(different)}. Set them as they "
            "were, or give another folder"
        )

"""A search, in one process or as chief and workers, and what it found."""

import contextlib
import io
import json
import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import keras_tuner
from keras_tuner import errors
from keras_tuner.engine import trial as keras_tuner_trial

from kfer import files
from kfer.search import cluster as clusters
from kfer.search import trial as trials
from kfer.search.claim import claim
from kfer.search.cluster import Cluster
from kfer.search.objective import Objective, objective
from kfer.search.oracles import SCORE, oracle, rounded
from kfer.settings import PipelineSettings
from kfer.settings.space import Space, space
from kfer.settings.tuning import HYPERBAND

_OBJECTIVE, _PROJECT = "objective.json", "keras_tuner"
_BEST = "best_hyperparameters.txt"
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


class AllFailedError(RuntimeError):
    """A search of which no trial has a score."""


def search(
    train: trials.Train,
    base: PipelineSettings,
    work_dir: Path,
    chief: Cluster | None = None,
    check: Callable[[], None] = lambda: None,
) -> Found:
    """Runs the trials of `base.tuning`, or goes on with those that are missing.

    The first trial has the values that are set, except in a grid, whose first has the nearest to them. A
    search that was killed goes on where it was, in the trial that was running too.

    Args:
        train: Trains a network for some settings.
        base: What is searched and what values change; at least one trial.
        work_dir: Keras Tuner's files, and "best_hyperparameters.txt":
            `keras_tuner.HyperParameters.get_config()` as JSON. A trial's folder in it has how it ended.
        chief: Where this process serves workers (`work`), which run the trials; None runs them here.
        check: A chief calls it several times a second; what it raises ends the search.

    Raises:
        OSError: The chief cannot listen at its address.
        AllFailedError: All trials failed.
        ValueError: The folder is of a search with other settings, or what says so is damaged; the
            objective names a metric that no trial reports; or as the training raises it.
    """
    judged = begin(train, base, work_dir)
    tuner = _open(train, base, work_dir, judged)
    told = {"rule": judged.rule(), "metrics": list(judged.metrics), "trials": base.tuning.trials}
    # There may be fewer trials than asked for, where a space has no more.
    over = {**told, "ended": len(tuner.oracle.trials)}
    is_over = _told(work_dir) == over and not clusters.has_to_run(tuner.oracle)
    files.write_json(work_dir / _OBJECTIVE, told)
    _log.info("%d trials by %s", base.tuning.trials, judged.rule())
    tuner.save()
    if chief is None:
        with _cause():
            tuner.search(verbose=0)
    elif not is_over:
        tuner.oracle.verbose = 0
        clusters.serve(tuner.oracle, chief, check)
    files.write_json(work_dir / _OBJECTIVE, {**told, "ended": len(tuner.oracle.trials)})
    ended = outcomes(work_dir)
    for ended_trial in ended:
        trials.remove_checkpoints(tuner.folder(ended_trial.trial))
    scored = [outcome for outcome in ended if outcome.score is not None]
    if not scored:
        last = f"; the last: {ended[-1].failure}" if ended else ""
        raise AllFailedError(f"all {len(ended)} trials failed{last}")
    best = max(scored, key=lambda outcome: outcome.score or 0.0)
    config = tuner.oracle.trials[best.trial].hyperparameters.get_config()
    files.write_text(work_dir / _BEST, json.dumps(config, indent=1))
    return Found(best, tuple(ended), judged.rule())


def begin(train: trials.Train, base: PipelineSettings, work_dir: Path) -> Objective:
    """Makes a folder that of a search which is not done, and returns what its trials are judged by.

    `search` does so too.

    Args:
        train: As for `search`.
        base: Likewise.
        work_dir: Likewise.

    Raises:
        ValueError: It is of a search with other settings, of which nothing is changed; or the objective
            names a metric that no trial reports, and then the folder is of no search yet.
    """
    judged = objective(base.tuning.objective, train.figures(base))
    claim(work_dir, base)
    # Workers that wait for the chief would take it for the end of the search.
    (work_dir / _BEST).unlink(missing_ok=True)
    return judged


def work(train: trials.Train, base: PipelineSettings, work_dir: Path, worker: Cluster) -> None:
    """Runs trials that a chief gives, until there are none.

    Args:
        train: As the chief's.
        base: Likewise.
        work_dir: The very folder that the chief has: another worker goes on with a trial that one leaves.
        worker: Who this process is, and where the chief is.

    Raises:
        ConnectionError: The chief does not answer.
        RuntimeError: The chief took this worker for dead, and gave its trial to another.
        ValueError: As in `search`.
    """
    if not wait_for_chief(base, work_dir, worker):
        return
    with _named(worker):
        judged = objective(base.tuning.objective, train.figures(base))
        claim(work_dir, base)
        tuner = _open(train, base, work_dir, judged, worker)
        try:
            with _cause():
                tuner.search(verbose=0)
        except clusters.SearchDoneError:
            _log.info("worker %s ends: the search is done", worker.worker)
        except grpc.RpcError as error:
            raise clusters.lost_chief(error, worker) from error


def wait_for_chief(base: PipelineSettings, work_dir: Path, worker: Cluster) -> bool:
    """Returns whether the chief is there; else the search is done already.

    Args:
        base: As the chief's.
        work_dir: Of the search.
        worker: Who this process is, and where the chief is.

    Raises:
        ConnectionError: The chief does not answer.
    """
    if clusters.reach(worker, lambda: _is_done(base, work_dir)):
        return True
    _log.info("worker %s has nothing to do: the search is done", worker.worker)
    return False


def _is_done(base: PipelineSettings, work_dir: Path) -> bool:
    """Whether a chief wrote its results, and not those of fewer trials."""
    return (work_dir / _BEST).exists() and _told(work_dir).get("trials", 0) >= base.tuning.trials


def outcomes(work_dir: Path) -> list[trials.Outcome]:
    """Returns the trials that have ended, in the order of their numbers; also beside a search.

    Args:
        work_dir: Of the search.
    """
    found = [trials.outcome(folder) for folder in (work_dir / _PROJECT).glob("trial_*")]
    return sorted((each for each in found if each is not None), key=lambda each: int(each.trial))


def judged_by(work_dir: Path) -> tuple[str, tuple[str, ...]]:
    """Returns the rule that trials are compared by, in words, and its metrics; empty before a search.

    Args:
        work_dir: Of the search.
    """
    told = _told(work_dir)
    return told.get("rule", ""), tuple(told.get("metrics", ()))


def _told(work_dir: Path) -> dict[str, Any]:
    """What the last search of a folder was asked for; empty before the first."""
    file = work_dir / _OBJECTIVE
    try:
        return files.read_json(file) if file.exists() else {}
    except files.DamagedError as error:
        _log.warning("what trials were compared by is not known: %s", error)
        return {}


def histories(work_dir: Path) -> dict[str, trials.History]:
    """Returns the figures of each epoch of the trials that have ended with a score, by their numbers."""
    found = {}
    for ended in outcomes(work_dir):
        history = trials.history(work_dir / _PROJECT / f"trial_{ended.trial}")
        if history:
            found[ended.trial] = history
    return found


@contextlib.contextmanager
def _named(worker: Cluster) -> Iterator[None]:
    """Lets Keras Tuner know that this process is a worker."""
    address, _, port = worker.address.rpartition(":")
    names = {
        "KERASTUNER_TUNER_ID": "worker",  # in whose own name "chief" would make it one
        "KERASTUNER_ORACLE_IP": address,
        "KERASTUNER_ORACLE_PORT": port,
    }
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(names)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _cause() -> Iterator[None]:
    """Raises what ended a search, in place of what Keras Tuner makes of it."""
    try:
        yield
    except errors.FatalError as error:
        raise error.__cause__ or error from None


class _Tuner(keras_tuner.engine.base_tuner.BaseTuner):
    """Runs trials in this process, which may be a worker."""

    oracle: Any

    def __init__(
        self,
        train: trials.Train,
        base: PipelineSettings,
        space: Space,
        objective: Objective,
        worker: Cluster | None,
        **arguments: Any,
    ) -> None:
        self._train, self._base, self._space, self.objective = train, base, space, objective
        self._worker = worker.worker if worker else ""
        with contextlib.redirect_stdout(io.StringIO()):  # It says that it reloads.
            super().__init__(**arguments)
        if worker:
            self.tuner_id = worker.worker
            work_dir = Path(self.directory)
            self.oracle = clusters.Client(
                self.oracle._oracle, worker, lambda: _is_done(self._base, work_dir)
            )

    def save(self) -> None:
        if not self._worker:
            self.oracle.save()

    def reload(self) -> None:
        if not self._worker:
            self.oracle.reload()

    def _get_tuner_fname(self) -> str:
        """What is there when a search has begun; Keras Tuner's file hangs on who began it."""
        project = Path(self.project_dir)
        return str(next(project.glob("trial_*"), project / "oracle.json"))

    def folder(self, trial_id: str) -> Path:
        return Path(self.get_trial_dir(trial_id))

    def run_trial(self, trial: keras_tuner_trial.Trial, *_: Any, **__: Any) -> dict[str, float]:
        # On their way to a worker, numbers are 32-bit floats.
        values = {name: rounded(value) for name, value in trial.hyperparameters.values.items()}
        earlier = values.get("tuner/trial_id")
        plan = trials.Plan(
            trial.trial_id,
            self._space.settings(values),
            values.get("tuner/epochs", self._base.tuning.epochs),
            self.folder(earlier) if earlier else None,
            self._worker,
        )
        who = f"worker {self._worker}: " if self._worker else ""
        told = ", ".join(
            f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
            for name, value in plan.values.items()
        )
        count, wanted = int(plan.trial) + 1, self._base.tuning.trials
        _log.info("%strial %s, %d of %d: %s", who, plan.trial, count, wanted, told)
        try:
            with self._kept_alive(trial):
                outcome = trials.run(
                    self._train, self._base, self.objective, plan, self.folder(trial.trial_id)
                )
        except Exception as error:
            # Else Keras Tuner would count it as a bad trial and go on.
            raise errors.FatalError(str(error)) from error
        if outcome.score is None:
            _log.warning("%strial %s failed: %s", who, plan.trial, outcome.failure)
            raise errors.FailedTrialError(outcome.failure)
        _log.info("%strial %s: score %.3f, %.0f s", who, plan.trial, outcome.score, outcome.seconds)
        return {SCORE: outcome.score}

    def on_trial_end(self, trial: keras_tuner_trial.Trial) -> None:
        super().on_trial_end(trial)
        # Of hyperband's, any may go on.
        if self._base.tuning.tuner != HYPERBAND:
            trials.remove_checkpoints(self.folder(trial.trial_id))

    @contextlib.contextmanager
    def _kept_alive(self, trial: keras_tuner_trial.Trial) -> Iterator[None]:
        """Tells the chief that the trial runs, or that it does not any more."""
        if not isinstance(self.oracle, clusters.Client):
            yield
            return
        ended = self.oracle.keep_alive(trial.trial_id)
        try:
            yield
        except BaseException:
            self.oracle.give_back(trial)
            raise
        finally:
            ended.set()


def _open(
    train: trials.Train,
    base: PipelineSettings,
    work_dir: Path,
    judged: Objective,
    worker: Cluster | None = None,
) -> _Tuner:
    found_space = space(base)
    return _Tuner(
        *(train, base, found_space, judged, worker),
        oracle=oracle(found_space, base.tuning),
        directory=str(work_dir),
        project_name=_PROJECT,
    )

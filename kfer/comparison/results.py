"""What the candidates reached, from their folders: the numbers behind page and tables."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kfer import metrics
from kfer.comparison import costs, runs, statistics
from kfer.comparison.settings import ComparisonSettings
from kfer.comparison.statistics import McNemar
from kfer.metrics import Interval

_SEED = 0


@dataclass(frozen=True)
class Score:
    """How a network did on some test images.

    Attributes:
        images: How many there are.
        accuracy: Share of right answers, with its interval over images.
        macro_f1: Mean F1 of the classes, likewise.
    """

    images: int
    accuracy: Interval
    macro_f1: Interval


@dataclass(frozen=True)
class Run:
    """One candidate with one seed.

    Attributes:
        candidate: Its name.
        seed: Its seed.
        history: The figures of each epoch so far.
        state: "finished", "failed", "unfinished" or "not started".
        reason: Why its training failed; empty where it did not.
    """

    candidate: str
    seed: int
    history: list[dict[str, float]]
    state: str
    reason: str


@dataclass(frozen=True)
class FinishedRun(Run):
    """One that was judged on the test split.

    Attributes:
        result: Its "result.json".
        labels: int `[n]`, -1 where missing.
        predictions: int `[n]`, classes.
        confusion: int `[classes, classes]`, rows are labels.
        score: On all test images.
        score_without_duplicates: On those that are in no other split; None where there is none.
    """

    result: Mapping[str, Any]
    labels: np.ndarray
    predictions: np.ndarray
    confusion: np.ndarray
    score: Score
    score_without_duplicates: Score | None


@dataclass(frozen=True)
class Test:
    """Two candidates with the same seed, compared image by image.

    Attributes:
        first: Name of one.
        second: Name of the other.
        seed: Of both.
        outcome: McNemar's test.
        adjusted: Its p value, after Holm, among all pairs with this seed.
    """

    first: str
    second: str
    seed: int
    outcome: McNemar
    adjusted: float


@dataclass(frozen=True)
class Results:
    """A comparison's figures.

    Attributes:
        settings: What was compared.
        runs: Candidate by candidate, seed by seed, whatever became of them.
        over_seeds: Accuracy of candidates with two or more finished seeds: mean, and Student's t
            interval.
        macro_f1_over_seeds: Likewise.
        tests: Of each two candidates that finished with the same seed.
        duplicates: What "duplicates.json" holds.
        costs: Of the candidates that were measured.
    """

    settings: ComparisonSettings
    runs: list[Run]
    over_seeds: dict[str, Interval]
    macro_f1_over_seeds: dict[str, Interval]
    tests: list[Test]
    duplicates: Mapping[str, Any]
    costs: dict[str, dict[str, Any]]

    @property
    def finished(self) -> list[FinishedRun]:
        """The runs that have figures."""
        return [run for run in self.runs if isinstance(run, FinishedRun)]

    def of(self, candidate: str) -> list[FinishedRun]:
        """A candidate's finished runs, seed by seed."""
        return [run for run in self.finished if run.candidate == candidate]


def collect(settings: ComparisonSettings, output_dir: Path, duplicates: Mapping[str, Any]) -> Results:
    """Returns the figures of what is finished.

    Args:
        settings: The comparison.
        output_dir: Its folder.
        duplicates: "num_test_images", and "matches": what `duplicates.find` found.

    Raises:
        ValueError: Runs were judged on different test images.
    """
    repeated = np.zeros(duplicates["num_test_images"], bool)
    repeated[[match["position"] for match in duplicates["matches"]]] = True
    collected = [
        _run(settings, runs.folder(output_dir, name, seed), name, seed, repeated)
        for name in settings.candidates
        for seed in settings.seeds
    ]
    finished = [run for run in collected if isinstance(run, FinishedRun)]
    return Results(
        settings,
        collected,
        _over_seeds(finished, "accuracy"),
        _over_seeds(finished, "macro_f1"),
        _tests(finished, settings.seeds),
        duplicates,
        {name: cost for name in settings.candidates if (cost := costs.load(output_dir, name))},
    )


def _run(settings: ComparisonSettings, folder: Path, name: str, seed: int, repeated: np.ndarray) -> Run:
    history, reason = runs.history(folder), runs.failure(folder)
    if not runs.is_finished(folder):
        state = "failed" if reason else "unfinished" if history else "not started"
        return Run(name, seed, history, state, reason)
    stored = runs.predictions(folder)
    labels, predictions = stored["labels"], stored["probabilities"].argmax(axis=1)
    if labels.shape != repeated.shape:
        raise ValueError(
            f"{folder} was judged on {len(labels)} test images, but the test split has {len(repeated)}; "
            "delete that folder and train again"
        )
    classes, resamples = len(settings.expressions), settings.resamples
    confusion, unseen = (
        metrics.confusion_matrix(labels[chosen], predictions[chosen], classes)
        for chosen in (slice(None), ~repeated)
    )
    return FinishedRun(
        name,
        seed,
        history,
        "finished",
        "",
        runs.result(folder),
        labels,
        predictions,
        confusion,
        _score(confusion, resamples),
        _score(unseen, resamples) if unseen.any() else None,
    )


def _score(confusion: np.ndarray, resamples: int) -> Score:
    return Score(int(confusion.sum()), *metrics.confusion_intervals(confusion, resamples, _SEED))


def _over_seeds(finished: Sequence[FinishedRun], figure: str) -> dict[str, Interval]:
    values: dict[str, list[float]] = {}
    for run in finished:
        values.setdefault(run.candidate, []).append(getattr(run.score, figure).value)
    return {name: statistics.over_seeds(own) for name, own in values.items() if len(own) > 1}


def _tests(finished: Sequence[FinishedRun], seeds: Sequence[int]) -> list[Test]:
    tests = []
    for seed in seeds:
        pairs = list(itertools.combinations([run for run in finished if run.seed == seed], 2))
        outcomes = [
            statistics.mcnemar(first.labels, first.predictions, second.predictions)
            for first, second in pairs
        ]
        adjusted = statistics.holm([outcome.p_value for outcome in outcomes])
        for (first, second), outcome, p_value in zip(pairs, outcomes, adjusted, strict=True):
            tests.append(Test(first.candidate, second.candidate, seed, outcome, p_value))
    return tests

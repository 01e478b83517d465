"""The made-up results of a search, without any training."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kfer import spec
from kfer.metrics import Interval
from kfer.search import Outcome
from kfer.settings import (
    DataSettings,
    ModelSettings,
    ParameterSettings,
    PipelineSettings,
    SourceSettings,
    TaskSettings,
    TrainingSettings,
    TuningSettings,
)
from kfer.settings.space import Parameter, space
from kfer.settings.tuning import ALL_WEIGHTS
from kfer.study import StudySettings
from kfer.study import results as study_results
from kfer.tuning.results import Results
from kfer.tuning.settings import TuningStudySettings

ACCURACY, VERIFICATION = "val_expression_accuracy", "val_verification_accuracy"
RATE, SIZE, OPTIMIZER = "training.learning_rate", "model.embedding_size", "training.optimizer"
#: One of each kind: weights that sum to one, a log range, whole numbers, names.
SPACE = {
    ALL_WEIGHTS: ParameterSettings(scale="simplex"),
    RATE: ParameterSettings(low=1e-4, high=1e-1, scale="log"),
    SIZE: ParameterSettings(low=16, high=256),
    OPTIMIZER: ParameterSettings(values=("sgd", "adamw", "lamb")),
}
_BEGAN = 1_700_000_000.0


def make_settings(**tuning: Any) -> TuningStudySettings:
    base = PipelineSettings(
        name="toy",
        tasks={
            "expression": TaskSettings(names=spec.EXPRESSIONS, weight=1.0),
            "identity": TaskSettings("embedding", weight=0.25),
        },
        data=DataSettings(sources=(SourceSettings("synthetic"),), image_size=32),
        model=ModelSettings(embedding_size=64),
        training=TrainingSettings(epochs=8, batch_size=16),
        tuning=TuningSettings(**{"trials": 14, "space": SPACE, "epochs": 3, **tuning}),
    )
    return TuningStudySettings("toy_search", base)


def make_results(
    trials: int = 14, failed: Sequence[int] = (3, 8), workers: int = 2, **tuning: Any
) -> Results:
    """A made-up search: the nearer the rate is to 0.01, the better; verification likes embeddings."""
    settings = make_settings(**{"trials": max(trials, 1), **tuning})
    searched = space(settings.base)
    rng = np.random.default_rng(0)
    outcomes, histories = [], {}
    for number in range(trials):
        values = searched.settings(
            {
                parameter.name: _drawn(parameter, rng) if number else parameter.default
                for parameter in searched.parameters
            }
        )
        ended = _BEGAN + 700.0 * (number // workers + 1) + 37.0 * (number % workers)
        common = {"batch_size": 16, "ended": ended, "worker": f"worker_{number % workers}"}
        if number in failed:
            reason = "the loss is nan after 12 steps of epoch 1"
            outcomes.append(Outcome(str(number), values, None, reason, {}, 0, 90.0, **common))
            continue
        history = [_figures(values, epoch, rng) for epoch in (1, 2, 3)]
        histories[str(number)] = history
        score = history[-1]["val_score"]
        outcomes.append(Outcome(str(number), values, score, "", history[-1], 3, 650.0, **common))
    scored = [outcome for outcome in outcomes if outcome.score is not None]
    return Results(
        settings,
        searched,
        f"mean of {ACCURACY}, {VERIFICATION}",
        (ACCURACY, VERIFICATION),
        tuple(outcomes),
        histories,
        max(scored, key=lambda outcome: outcome.score, default=None),
        None,
    )


def scored_by(results: Results, score: Callable[[Outcome], float]) -> Results:
    """The same trials with other scores."""
    trials = tuple(
        dataclasses.replace(trial, score=None if trial.score is None else score(trial))
        for trial in results.trials
    )
    scored = [trial for trial in trials if trial.score is not None]
    return dataclasses.replace(
        results, trials=trials, best=max(scored, key=lambda trial: trial.score, default=None)
    )


def retrained(results: Results, accuracies: dict[str, Sequence[float]]) -> Results:
    """With whole trainings, a seed after the other: each variant's expression accuracies."""
    seeds = tuple(range(max(map(len, accuracies.values()))))
    base = dataclasses.replace(results.settings.base, tuning=TuningSettings(trials=0))
    best = {name: str(value) for name, value in results.best.values.items()}
    settings = StudySettings("toy_search", base, {"as_set": {}, "best": best}, seeds)
    runs = {
        name: [
            study_results.FinishedRun(
                *(name, seed, "finished", ""),
                {"expression_accuracy": Interval(value, value - 0.02, value + 0.02)},
                *(None, None, [], 1000, 1.0, 10.0, None),
            )
            for seed, value in enumerate(values)
        ]
        for name, values in accuracies.items()
    }
    rows = [
        study_results.Row(name, own, {"expression_accuracy": Interval(0.5, 0.4, 0.6)}, {})
        for name, own in runs.items()
        if own
    ]
    every = [run for own in runs.values() for run in own]
    found = study_results.Results(settings, every, rows, None)
    return dataclasses.replace(
        results, settings=dataclasses.replace(results.settings, seeds=seeds), retrained=found
    )


def _drawn(parameter: Parameter, rng: np.random.Generator) -> Any:
    if parameter.choices:
        return parameter.choices[rng.integers(len(parameter.choices))]
    if parameter.is_integer():
        return int(rng.integers(parameter.low, parameter.high + 1))
    if parameter.log:
        return float(np.exp(rng.uniform(np.log(parameter.low), np.log(parameter.high))))
    return float(rng.uniform(parameter.low, parameter.high))


def _figures(values: dict[str, Any], epoch: int, rng: np.random.Generator) -> dict[str, float]:
    learnt = 1 - 0.5**epoch
    fit = 1 / (1 + abs(math.log10(values.get(RATE, 0.005) / 0.01)))
    accuracy = 0.2 + 0.5 * learnt * fit + 0.02 * rng.normal()
    verification = 0.55 + 0.3 * learnt * values.get(SIZE, 64) / 256 + 0.02 * rng.normal()
    return {
        "epoch": float(epoch),
        "loss": 2.0 / epoch,
        ACCURACY: accuracy,
        "val_expression_macro_f1": 0.9 * accuracy,
        VERIFICATION: verification,
        "val_loss": 2.2 / epoch,
        "val_score": (accuracy + verification) / 2,
    }

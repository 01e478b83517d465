"""A training that takes no time: how good it gets hangs on the values alone."""

import csv
import dataclasses
import math
from collections.abc import Callable, Mapping
from pathlib import Path

from kfer import files, search
from kfer.search import Found, Train
from kfer.settings import MetricSettings, ParameterSettings, PipelineSettings, TuningSettings

ACCURACY, VERIFICATION = "val_expression_accuracy", "val_verification_accuracy"
RATE = "training.learning_rate"
LOG = ParameterSettings(low=1e-4, high=1e-1, scale="log")


def accuracy(settings: PipelineSettings, epoch: int) -> float:
    """The nearer the rate is to 0.02, and the later the epoch, the better."""
    distance = abs(math.log(settings.training.learning_rate / 0.02))
    return (1 - 0.5**epoch) / (1 + distance)


class ToyTraining(Train):
    """Stands for a training, with its checkpoints: an epoch is a row of a file.

    Args:
        fail: Called with the settings and each epoch before it begins.
    """

    def __init__(self, fail: Callable[[PipelineSettings, int], None] | None = None) -> None:
        self._fail = fail or (lambda settings, epoch: None)
        self.calls: list[tuple[PipelineSettings, int, int]] = []

    def figures(self, settings: PipelineSettings) -> list[str]:
        return [ACCURACY, VERIFICATION]

    def __call__(
        self,
        settings: PipelineSettings,
        work_dir: Path,
        score: Callable[[Mapping[str, float]], float],
        until: int,
    ) -> list[dict[str, float]]:
        work_dir.mkdir(parents=True, exist_ok=True)
        file = work_dir / "epochs.csv"
        history = []
        if file.exists():
            with files.named_if_damaged(file, "start anew"), file.open(newline="") as stream:
                rows = list(csv.DictReader(stream))
                history = [{name: float(value) for name, value in row.items()} for row in rows]
        self.calls.append((settings, len(history), until))
        for epoch in range(len(history) + 1, until + 1):
            self._fail(settings, epoch)
            figures = {ACCURACY: accuracy(settings, epoch), VERIFICATION: 0.5}
            history.append({"epoch": epoch, **figures, "val_score": score(figures)})
            with file.open("w", newline="") as stream:
                writer = csv.DictWriter(stream, history[0])
                writer.writeheader()
                writer.writerows(history)
        return history


def settings(**tuning: object) -> PipelineSettings:
    """A pipeline whose learning rate is searched in four trials of two epochs."""
    arguments = {
        "trials": 4,
        "epochs": 2,
        "space": {RATE: LOG},
        "objective": {ACCURACY: MetricSettings()},
        **tuning,
    }
    return PipelineSettings(tuning=TuningSettings(**arguments))  # type: ignore[arg-type]


def run(folder: Path, training: ToyTraining | None = None, **tuning: object) -> Found:
    return search.search(training or ToyTraining(), settings(**tuning), folder)


def same(found: Found) -> list[dict[str, object]]:
    """The trials without what is never the same: their times, and who ran them."""
    plain = {"seconds": 0.0, "ended": 0.0, "worker": ""}
    return [dataclasses.asdict(dataclasses.replace(trial, **plain)) for trial in found.trials]


def killed_at(call: int, epoch: int) -> ToyTraining:
    """A training that is stopped in an epoch of a trial, counted from 1."""

    def fail(settings: PipelineSettings, now: int) -> None:
        if len(training.calls) == call and now == epoch:
            raise KeyboardInterrupt

    training = ToyTraining(fail)
    return training

"""What is searched, how, and by what trials are compared."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from kfer.settings.checks import check, check_choices, checked

#: The weights of all tasks that have one, as a name in a space.
ALL_WEIGHTS = "tasks.*.weight"
RANDOM, GRID, HYPERBAND, BAYESIAN = "random", "grid", "hyperband", "bayesian"
TUNERS = (RANDOM, GRID, HYPERBAND, BAYESIAN)
_LINEAR, LOG, SIMPLEX = "linear", "log", "simplex"


@dataclass(frozen=True)
@checked
class ParameterSettings:
    """Which values of a setting are tried: a range of numbers, or a list.

    Attributes:
        low: Lowest number of a range; none where `factors` or `values` are given.
        high: Highest number.
        factors: Lowest and highest multiple of the number that is set, in place of `low` and `high`.
        values: What is tried, as the command line takes it ("sgd", "adamw"), in place of a range.
        scale: "linear"; "log", which tries as many values from 1 to 10 as from 10 to 100; or, for
            "tasks.*.weight" alone and with no range, "simplex": weights that sum to one.
        steps: Numbers of a range that are tried, its ends among them; 0 for any number in between. A grid
            needs them.
    """

    low: float | None = None
    high: float | None = None
    factors: tuple[Annotated[float, "above 0"], ...] = ()
    values: tuple[str, ...] = ()
    scale: str = _LINEAR
    steps: Annotated[int, "0, or at least 2"] = 0

    def __post_init__(self) -> None:
        check_choices(self, (_LINEAR, LOG, SIMPLEX), "scale")
        has_range = self.low is not None or self.high is not None
        given = [has_range, bool(self.factors), bool(self.values), self.scale == SIMPLEX]
        if sum(given) != 1:
            raise ValueError(
                "a parameter has either low and high, or factors, or values, or the scale simplex; got "
                f"low {self.low}, high {self.high}, factors {self.factors}, values {self.values} and "
                f"scale {self.scale}"
            )
        if has_range:
            check(
                None not in (self.low, self.high), "low and high", "both numbers", (self.low, self.high)
            )
            self._check_range("low and high", (self.low, self.high))
        if self.factors:
            check(len(self.factors) == 2, "factors", "two numbers", self.factors)
            self._check_range("factors", self.factors)
        if self.values:
            check(len(set(self.values)) == len(self.values) >= 2, "values", "two or more", self.values)
        check(not self.steps or not self.values, "steps", "0 beside values", self.steps)

    def _check_range(self, name: str, numbers: tuple[float | None, ...]) -> None:
        low, high = numbers
        assert low is not None
        assert high is not None
        check(low < high, name, "a lower number and a higher one", numbers)
        check(self.scale != LOG or low > 0, name, "above 0 on the scale log", numbers)


@dataclass(frozen=True)
@checked
class MetricSettings:
    """What a metric of the validation adds to the score by which trials are compared.

    Attributes:
        weight: Of the metric in the weighted mean; 0 where it only has a floor.
        worst: The metric's value that counts 0, and all beyond it.
        best: The value that counts 1, and all beyond it; below `worst` where lower is better.
        floor: The least that it must reach (the most, where lower is better): a trial that misses a floor
            is worse than any that misses none. None for no floor.
    """

    weight: Annotated[float, "at least 0"] = 1.0
    worst: float = 0.0
    best: float = 1.0
    floor: float | None = None

    def __post_init__(self) -> None:
        check(self.worst != self.best, "worst and best", "different numbers", (self.worst, self.best))


def is_lower_better(metric: str) -> bool:
    """Whether a metric, by its name, is the better the lower it is."""
    return metric.endswith(("loss", "mae", "rmse", "error", "error_rate"))


def _default_space() -> dict[str, ParameterSettings]:
    around = ParameterSettings(factors=(0.5, 2.0), scale=LOG)
    return {ALL_WEIGHTS: around, "training.learning_rate": around}


@dataclass(frozen=True)
@checked
class TuningSettings:
    """A search of settings with Keras Tuner.

    A trial is one stage: where the training has several, it trains what the last of them does, at its
    rate.

    Attributes:
        trials: Trials to run; 0 leaves the settings as they are, or takes those of `study`.
        study: With no trials: a file of best values that `python -m kfer.tuning` wrote, to train with.
        tuner: "random" (Bergstra and Bengio 2012), "grid", "hyperband" (Li et al. 2018, where `trials`
            only limits what it takes), or "bayesian" (Snoek et al. 2012).
        space: What is tried, by the names of settings as on the command line: of tasks, augmentation,
            model and training. "tasks.*.weight" stands for the weight of every task, where there are
            several.
        objective: What trials are compared by: metrics of the validation ("val_expression_accuracy") and
            what each adds. Empty: the mean of expression accuracy and verification accuracy.
        epochs: Epochs of each trial; with hyperband, of those that get furthest.
        example_share: Share of the training split that a trial sees an epoch, in (0, 1].
        patience: Epochs without a better score after which a trial ends; 0 for none.
        factor: Of hyperband: one trial in so many goes on, with so many times the epochs.
        smaller_batches: How often a trial that runs out of memory is tried again with half the batch.
        own_process: Whether each trial gets a process of its own, which gives all memory back, and whose
            end by the system ends the trial alone. It starts TensorFlow anew each time.
        seed: Seeds the search.
    """

    trials: Annotated[int, "at least 0"] = 2
    study: str = ""
    tuner: str = RANDOM
    space: Mapping[str, ParameterSettings] = field(default_factory=_default_space)
    objective: Mapping[str, MetricSettings] = field(default_factory=dict)
    epochs: Annotated[int, "at least 1"] = 1
    example_share: Annotated[float, "in (0, 1]"] = 0.4
    patience: Annotated[int, "at least 0"] = 0
    factor: Annotated[int, "at least 2"] = 3
    smaller_batches: Annotated[int, "at least 0"] = 0
    own_process: bool = False
    seed: Annotated[int, "at least 0"] = 0

    def __post_init__(self) -> None:
        check_choices(self, TUNERS, "tuner")
        check(
            not (self.trials and self.study),
            "study",
            "empty where trials are searched: it is what to train with instead",
            self.study,
        )
        check(
            bool(self.space) or not self.trials,
            "space",
            "at least one setting with its values, or trials 0",
            dict(self.space),
        )
        for name, parameter in self.space.items():
            check(
                parameter.scale != SIMPLEX or name == ALL_WEIGHTS,
                f"space.{name}.scale",
                f"simplex for {ALL_WEIGHTS} alone",
                parameter.scale,
            )
        for name, metric in self.objective.items():
            _check_metric(name, metric)
        if self.objective:
            weights = {name: metric.weight for name, metric in self.objective.items()}
            check(sum(weights.values()) > 0, "objective", "one metric with a weight at least", weights)


def _check_metric(name: str, metric: MetricSettings) -> None:
    check(
        not name.endswith("loss"),
        f"objective.{name}",
        "a metric and no loss: where weights of losses are searched, or what makes a loss large, the "
        "smallest weight would win whatever the network learnt",
        name,
    )
    check(
        name.startswith("val_"),
        f"objective.{name}",
        "a metric of the validation, val_...: what was trained on says how much was learnt by heart",
        name,
    )
    check(
        not (is_lower_better(name) and metric.best > metric.worst),
        f"objective.{name}",
        "MetricSettings(worst=..., best=0.0), the worst above the best: it is an error, lower is better",
        metric,
    )

"""What trials are compared by: metrics of the validation, combined by a stated rule."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kfer.settings import MetricSettings

_DEFAULT = ("val_expression_accuracy", "val_verification_accuracy")


@dataclass(frozen=True)
class Objective:
    """A score that higher is better in.

    Attributes:
        metrics: By their names as epochs have them; at least one with a weight.
    """

    metrics: Mapping[str, MetricSettings]

    def score(self, figures: Mapping[str, float]) -> float:
        """Returns the score of an epoch: in [0, 1], or below 0 where it misses a floor.

        In [0, 1] it is the weighted mean of the metrics, each scaled from its `worst` (0) to its `best`
        (1). Below 0 it is how far the floors are missed, on the same scale, in sum.

        Args:
            figures: Of the validation. A metric that is not among them counts as its worst.
        """
        total = missed = 0.0
        for name, metric in self.metrics.items():
            value = figures.get(name, metric.worst)
            total += metric.weight * min(max(_scaled(metric, value), 0.0), 1.0)
            if metric.floor is not None:
                missed += max(_scaled(metric, metric.floor) - _scaled(metric, value), 0.0)
        return -missed if missed else total / sum(metric.weight for metric in self.metrics.values())

    def rule(self) -> str:
        """Returns the rule in words."""
        summands = [
            (f"{metric.weight:g} * " if metric.weight != 1 else "") + _described(name, metric)
            for name, metric in self.metrics.items()
            if metric.weight
        ]
        floors = [
            f"{name} at {'least' if metric.best > metric.worst else 'most'} {metric.floor:g}"
            for name, metric in self.metrics.items()
            if metric.floor is not None
        ]
        rule = summands[0] if len(summands) == 1 else f"mean of {', '.join(summands)}"
        return ", with ".join([rule, *([" and ".join(floors)] if floors else [])])


def objective(metrics: Mapping[str, MetricSettings], known: Iterable[str]) -> Objective:
    """Returns the objective of a search.

    Args:
        metrics: As `kfer.settings.TuningSettings.objective` has them; where it is empty, expression
            accuracy and verification accuracy, as far as they are known.
        known: The names of the metrics that trials will report.

    Raises:
        ValueError: A metric is not known, or there is nothing to compare trials by.
    """
    known = list(known)
    listed = ", ".join(known) or "none: the validation split has no labels of what is learnt"
    chosen = dict(metrics) or {name: MetricSettings() for name in _DEFAULT if name in known}
    if not chosen:
        raise ValueError(
            "trials cannot be compared: the validation split has neither expression labels nor images of "
            "people who are not trained on. Set tuning.objective, or tuning.trials to 0. Metrics that "
            f"trials report: {listed}"
        )
    for name in chosen:
        if name not in known:
            raise ValueError(
                f"tuning.objective: expected metrics that trials report; got {name}. They are: {listed}"
            )
    return Objective(chosen)


def _scaled(metric: MetricSettings, value: float) -> float:
    return (value - metric.worst) / (metric.best - metric.worst)


def _described(name: str, metric: MetricSettings) -> str:
    if (metric.worst, metric.best) == (0.0, 1.0):
        return name
    return f"{name} from {metric.worst:g} to {metric.best:g}"

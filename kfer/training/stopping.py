"""Which epoch was best, and when a stage has been going on for long enough."""

from collections.abc import Iterable

from kfer.settings import FineTuningStage, TrainingSettings
from kfer.settings.tuning import is_lower_better
from kfer.training.checkpoint import History


def best_epoch(history: History, metric: str) -> int:
    """Returns the place, from 1, of the epoch with the best value; the first of equals, 0 of none.

    Args:
        history: The figures of each epoch. One without the metric, or with nan, is never the best.
        metric: Its name, which says whether lower is better.
    """
    sign = -1.0 if is_lower_better(metric) else 1.0
    values = [sign * figures.get(metric, float("nan")) for figures in history]
    numbers = [value for value in values if value == value]
    return values.index(max(numbers)) + 1 if numbers else 0


def is_finished(epochs: History, stage: FineTuningStage, settings: TrainingSettings) -> bool:
    """Returns whether a stage has had all its epochs, or `settings.patience` without a better one.

    Args:
        epochs: Those of this stage so far.
        stage: How many there are at most.
        settings: What they are compared by.
    """
    if len(epochs) >= stage.epochs:
        return True
    best = best_epoch(epochs, settings.stop_metric)
    return 0 < settings.patience <= len(epochs) - best


def check_metric(settings: TrainingSettings, names: Iterable[str]) -> None:
    """Checks that epochs can be compared as the settings say.

    Args:
        settings: Their `stop_metric`; empty where nothing is compared.
        names: Of the figures that there are.

    Raises:
        ValueError: It is not among them.
    """
    names = list(names)
    if settings.stop_metric and settings.stop_metric not in names:
        raise ValueError(
            f"training.stop_metric must be a figure that an epoch has; got {settings.stop_metric!r}, and "
            f"there are {', '.join(names)}"
        )


def of_stage(history: History, number: int) -> History:
    """Returns the figures of a stage's epochs."""
    return [figures for figures in history if figures["stage"] == number]

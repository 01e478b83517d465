"""The learning rate at each step of a stage."""

import itertools
from collections.abc import Callable

import keras
import tensorflow as tf

from kfer.settings import FineTuningStage, TrainingSettings

# Smith 2018, section 4.1: the cycle takes most of the steps and starts at a tenth of the peak; in
# what is left the rate falls "several orders of magnitude" below where it started.
_CYCLE_SHARE = 0.9
_CYCLE_START = 0.1
_CYCLE_END = 0.001


@keras.saving.register_keras_serializable("kfer")
class PiecewiseLinear(keras.optimizers.schedules.LearningRateSchedule):
    """A rate that goes along straight lines from point to point.

    Args:
        steps: Of the points, at least one, rising, from 0.
        rates: At these steps; the last one holds from there on.
    """

    def __init__(self, steps: list[float], rates: list[float]) -> None:
        self.steps, self.rates = list(steps), list(rates)

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        """Returns the rate of a step, a float32 scalar."""
        step = tf.cast(step, tf.float32)
        rate = tf.constant(self.rates[0], tf.float32)
        points = zip(self.steps, self.rates, strict=True)
        for (start, before), (end, after) in itertools.pairwise(points):
            passed = tf.clip_by_value((step - start) / (end - start), 0.0, 1.0)
            rate += (after - before) * passed
        return rate

    def get_config(self) -> dict[str, object]:
        """Returns what the constructor takes."""
        return {"steps": self.steps, "rates": self.rates}


def learning_rate(
    settings: TrainingSettings, steps_per_epoch: int, stage: FineTuningStage
) -> keras.optimizers.schedules.LearningRateSchedule:
    """Returns the rate of each step of a stage, as `settings.schedule` says.

    Args:
        settings: Of the whole run.
        steps_per_epoch: Batches an epoch.
        stage: Has its own peak, and its share of the warm-up.
    """
    peak = settings.learning_rate * stage.learning_rate_factor
    steps = stage.epochs * steps_per_epoch
    warmup_epochs = settings.warmup_epochs * stage.epochs / settings.total_epochs()
    warmup = min(round(warmup_epochs * steps_per_epoch), steps - 1)
    schedules: dict[str, Callable[[float, int, int], keras.optimizers.schedules.LearningRateSchedule]] = {
        "cosine": _cosine,
        "one_cycle": _one_cycle,
        "constant": _constant,
    }
    return schedules[settings.schedule](peak, steps, warmup)


def _cosine(peak: float, steps: int, warmup: int) -> keras.optimizers.schedules.LearningRateSchedule:
    if not warmup:
        return keras.optimizers.schedules.CosineDecay(peak, steps)
    return keras.optimizers.schedules.CosineDecay(
        peak / warmup, steps - warmup, warmup_target=peak, warmup_steps=warmup
    )


def _constant(peak: float, steps: int, warmup: int) -> PiecewiseLinear:
    return PiecewiseLinear([0, warmup], [peak / warmup, peak]) if warmup else PiecewiseLinear([0], [peak])


def _one_cycle(peak: float, steps: int, warmup: int) -> PiecewiseLinear:
    """Smith 2018, "A disciplined approach to neural network hyper-parameters". It is its own warm-up."""
    cycle = _CYCLE_SHARE * steps
    start = _CYCLE_START * peak
    return PiecewiseLinear([0, cycle / 2, cycle, steps], [start, peak, start, _CYCLE_END * peak])

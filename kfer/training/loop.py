"""The epochs of a stage: what `keras.Model.fit` does, with a training step of our own.

Keras 3's `fit` does not run under `tf.distribute.MultiWorkerMirroredStrategy`; this does under any
strategy, and gives callbacks the same logs.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

import keras
import tensorflow as tf

from kfer.training.step import Step
from kfer.training.weighting import Weighting

_LOSS, _TAUGHT, _RIGHT, _LABELLED = "_loss", "_taught", "_right", "_labelled"


def run_epochs(
    step: Step,
    weighting: Weighting,
    batches: tf.data.Dataset,
    epochs: range,
    steps_per_epoch: int,
    shown: keras.Model,
    callbacks: Sequence[keras.callbacks.Callback],
    finish_epoch: Callable[[], None],
    describe: Callable[[int, int, Mapping[str, float]], str],
) -> None:
    """Takes the steps of some epochs, and calls Keras callbacks as `keras.Model.fit` does.

    Args:
        step: Changes the weights.
        weighting: Is told the mean losses of each epoch.
        batches: Endless, of images and labels as `step` takes them.
        epochs: Their numbers, from 0.
        steps_per_epoch: Batches of each.
        shown: The network as callbacks see it, compiled with the optimizer. One that sets its
            `stop_training` ends the stage.
        callbacks: Are given, after each step, the means of "loss" and "<task>_weight" over the epoch so
            far, of "<task>_loss" over its steps that taught the task (0 where none did), and
            "<task>_accuracy", the share of right answers; likewise after the epoch. What they add to
            these logs then, later ones see.
        finish_epoch: Called after an epoch's steps, before the callbacks.
        describe: From the epoch and the step, both from 0, and the figures of a step whose loss is not a
            number, to the error's message.

    Raises:
        FloatingPointError: The loss of a step is not a number.
    """
    listed = keras.callbacks.CallbackList(
        list(callbacks), model=shown, epochs=epochs.stop, steps=steps_per_epoch, verbose=0
    )
    shown.stop_training = False
    logs: dict[str, float] = {}
    iterator = iter(batches)
    listed.on_train_begin()
    for epoch in epochs:
        sums: dict[str, float] = defaultdict(float)
        listed.on_epoch_begin(epoch)
        for number in range(steps_per_epoch):
            listed.on_train_batch_begin(number)
            figures = step(*next(iterator))
            if not math.isfinite(figures["loss"]):
                raise FloatingPointError(describe(epoch, number, figures))
            for name, value in figures.items():
                sums[name] += value
            logs = _means(sums, number + 1)
            listed.on_train_batch_end(number, logs)
            if shown.stop_training:
                break
        weighting.end_epoch(
            {name.removesuffix(_LOSS): mean for name, mean in logs.items() if name.endswith(_LOSS)}
        )
        finish_epoch()
        listed.on_epoch_end(epoch, logs)
        if shown.stop_training:
            break
    listed.on_train_end(logs)


def _means(sums: Mapping[str, float], steps: int) -> dict[str, float]:
    means = {}
    for name, total in sums.items():
        if name.endswith(_RIGHT):
            task = name.removesuffix(_RIGHT)
            means[f"{task}_accuracy"] = total / max(sums[f"{task}{_LABELLED}"], 1.0)
        elif name.endswith(_LOSS):
            means[name] = total / max(sums[f"{name.removesuffix(_LOSS)}{_TAUGHT}"], 1.0)
        elif not name.endswith((_TAUGHT, _LABELLED)):
            means[name] = total / steps
    return means

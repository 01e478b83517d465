"""What happens to a training from outside, at a stated step."""

from collections.abc import Callable

import keras


class AfterStep(keras.callbacks.Callback):
    """Does something after a step of an epoch, both counted from 0.

    Args:
        epoch: Of the run.
        step: Of the epoch.
        act: What is done.
    """

    def __init__(self, epoch: int, step: int, act: Callable[[], object]) -> None:
        super().__init__()
        self._place, self._act = (epoch, step), act

    def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: object = None) -> None:
        if (self._epoch, batch) == self._place:
            self._act()


def abort(epoch: int) -> AfterStep:
    """Stops in the middle of an epoch, as a process does that a key interrupts."""

    def interrupt() -> None:
        raise KeyboardInterrupt

    return AfterStep(epoch, 1, interrupt)

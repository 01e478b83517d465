import keras
import pytest
import tensorflow as tf

from kfer.training.loop import run_epochs
from kfer.training.weighting import Weighting


class Heard:
    """A weighting that is told the mean losses, and notes them."""

    def __init__(self) -> None:
        self.losses: list[dict[str, float]] = []

    def end_epoch(self, losses: dict[str, float]) -> None:
        self.losses.append(losses)


def test_the_mean_of_a_loss_leaves_out_steps_that_taught_nothing_of_its_task() -> None:
    taught = {"loss": 3.0, "mood_loss": 1.0, "mood_taught": 1.0, "mood_right": 1.0, "mood_labelled": 4.0}
    other = {"loss": 1.0, "mood_loss": 0.0, "mood_taught": 0.0, "mood_right": 0.0, "mood_labelled": 0.0}
    figures = [taught, other, other, {**taught, "mood_loss": 3.0}, other, other]
    steps = iter([{**each, "pose_loss": 0.0, "pose_taught": 0.0} for each in figures])
    heard, logs = Heard(), []
    weighting: Weighting = heard  # type: ignore[assignment]
    note = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, found: logs.append(dict(found)))
    batches = tf.data.Dataset.from_tensors((tf.zeros([1]), {"mood": tf.zeros([1])})).repeat()
    run_epochs(
        *(lambda *_: next(steps), weighting, batches, range(1), 6, keras.Sequential(), [note]),
        *(lambda: None, lambda *_: "not a number"),
    )
    assert logs == [
        pytest.approx({"loss": 5 / 3, "mood_loss": 2.0, "mood_accuracy": 1 / 4, "pose_loss": 0.0})
    ]
    assert heard.losses == [{"mood": 2.0, "pose": 0.0}]

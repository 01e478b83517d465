"""Each method in the training step that it is made for."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kfer import losses
from kfer.settings import TaskSettings, TrainingSettings
from kfer.settings.training import WEIGHTING_ARGUMENTS
from kfer.training.devices import Devices
from kfer.training.optimizers import LayerWiseSGD
from kfer.training.step import Objective, Step
from kfer.training.weighting import for_settings

ROWS = 8
TASKS = {
    "mood": TaskSettings(names=("calm", "cross", "glad"), weight=0.5),
    "pose": TaskSettings("regression", names=("yaw", "pitch"), loss="mean_squared_error"),
}
METHODS = sorted(WEIGHTING_ARGUMENTS)
draw = np.random.default_rng(0)
INPUTS = tf.constant(draw.normal(size=(ROWS, 4)), tf.float32)
MOOD = np.where(np.arange(ROWS) < 6, draw.integers(0, 3, ROWS), -1)
POSE = np.where(np.arange(ROWS)[:, None] < 2, np.nan, draw.normal(size=(ROWS, 2)))


class Run:
    """A toy network in training, with what it is weighed by."""

    def __init__(self, method: str, accumulation: int = 1) -> None:
        keras.utils.set_random_seed(0)
        inputs = keras.Input((4,))
        shared = keras.layers.Dense(5, "tanh")(inputs)
        outputs = {name: keras.layers.Dense(len(task.names))(shared) for name, task in TASKS.items()}
        self.network = keras.Model(inputs, outputs)
        self.weighting = for_settings(TrainingSettings(weighting=method), TASKS)
        optimizer = LayerWiseSGD(factor=lambda variable: 1.0, kernel_decay=0.0, learning_rate=0.1)
        optimizer.build([*self.network.trainable_variables, *self.weighting.trainable_variables])
        objectives = {
            name: Objective(losses.for_task(task), name, name == "mood") for name, task in TASKS.items()
        }
        devices = Devices(tf.distribute.get_strategy())
        self._step = Step(
            *(self.network, objectives, self.weighting, optimizer, devices, ROWS), accumulation
        )

    def step(self, pose: np.ndarray = POSE) -> dict[str, float]:
        labels = {"mood": tf.constant(MOOD, tf.int32), "pose": tf.constant(pose, tf.float32)}
        return self._step(INPUTS, labels)

    def state(self) -> list[np.ndarray]:
        return [np.array(variable) for variable in self.weighting.variables]


@pytest.mark.parametrize("method", METHODS)
def test_both_tasks_are_learned_and_their_weights_are_told(method: str) -> None:
    run = Run(method)
    figures = [run.step() for _ in range(60)]
    for task in TASKS:
        assert figures[-1][f"{task}_loss"] < 0.8 * figures[0][f"{task}_loss"]
        assert all(each[f"{task}_weight"] > 0 for each in figures)
    is_constant = figures[0]["mood_weight"] == figures[-1]["mood_weight"]
    assert is_constant == (method in ("fixed", "pcgrad", "dynamic_average"))  # within an epoch


@pytest.mark.parametrize("method", METHODS)
def test_a_batch_without_labels_of_a_task_trains_the_other_alone(method: str) -> None:
    run = Run(method)
    for _ in range(3):
        run.step()
    before, head = run.state(), run.network.trainable_variables[-2:]
    kept = [np.array(variable) for variable in head]
    figures = run.step(np.full_like(POSE, np.nan))
    assert figures["pose_loss"] == 0
    assert figures["loss"] > 0
    for variable, value in zip(head, kept, strict=True):
        np.testing.assert_array_equal(variable, value)
    # The mood's own state may move: its variance does. That of the pose does not.
    for now, then in zip(run.state(), before, strict=True):
        assert np.all(np.isfinite(now))
        if now.shape:
            assert now[1] == pytest.approx(then[1], rel=1e-6)


@pytest.mark.parametrize("method", sorted(set(METHODS) - {"uw_so"}))
def test_parts_of_a_batch_equal_the_whole(method: str) -> None:
    # Each part has labels of both tasks. UW-SO weighs each part by its own losses.
    whole, parts = Run(method), Run(method, accumulation=2)
    for _ in range(3):
        expected, figures = whole.step(), parts.step()
        assert figures == pytest.approx(expected, rel=1e-4)
    for one, other in zip(parts.network.variables, whole.network.variables, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    for now, then in zip(parts.state(), whole.state(), strict=True):
        np.testing.assert_allclose(now, then, rtol=1e-4)

from collections.abc import Mapping, Sequence

import keras
import numpy as np
import pytest
import tensorflow as tf

from kfer import losses
from kfer.settings import TaskSettings
from kfer.training.averaging import Average
from kfer.training.devices import Devices
from kfer.training.optimizers import LayerWiseSGD
from kfer.training.step import Objective, Step, Teaching
from kfer.training.weighting import Losses, Weighting

RATE, ROWS = 0.5, 6
TASKS = {
    "mood": TaskSettings(names=("calm", "cross", "glad")),
    "pose": TaskSettings("regression", names=("yaw", "pitch"), loss="mean_squared_error"),
}
WEIGHTS = {"mood": 1.0, "pose": 0.25}
draw = np.random.default_rng(0)
INPUTS = tf.constant(draw.normal(size=(ROWS, 4)), tf.float32)
MOOD = np.array([0, 2, -1, -1, 1, -1])
POSE = np.where(np.arange(ROWS)[:, None] < 2, np.nan, draw.normal(size=(ROWS, 2))).astype(np.float32)


def network() -> keras.Model:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4,))
    shared = keras.layers.Dense(5, "tanh", name="shared")(inputs)
    outputs = {
        "mood": keras.layers.Dense(3, name="mood")(shared),
        "pose": keras.layers.Dense(2, name="pose")(shared),
    }
    return keras.Model(inputs, outputs)


def step(model: keras.Model, weighting: Weighting | None = None, **arguments: object) -> Step:
    given = arguments.pop("objectives", {})
    objectives = {
        name: Objective(losses.for_task(task), name, name == "mood") for name, task in TASKS.items()
    }
    weighting = weighting or Weighting(WEIGHTS)
    optimizer = LayerWiseSGD(factor=lambda variable: 1.0, kernel_decay=0.0, learning_rate=RATE)
    optimizer.build([*model.trainable_variables, *weighting.trainable_variables])
    devices = Devices(tf.distribute.get_strategy())
    return Step(model, {**objectives, **given}, weighting, optimizer, devices, ROWS, **arguments)


def labels(mood: np.ndarray = MOOD, pose: np.ndarray = POSE) -> dict[str, tf.Tensor]:
    return {"mood": tf.constant(mood, tf.int32), "pose": tf.constant(pose)}


def assert_same(one: keras.Model, other: keras.Model, tolerance: float = 1e-6) -> None:
    for variable, expected in zip(one.variables, other.variables, strict=True):
        np.testing.assert_allclose(variable, expected, atol=tolerance, err_msg=variable.path)


def test_missing_labels_train_each_task_on_its_labelled_part_alone() -> None:
    model, other = network(), network()
    figures = step(model)(INPUTS, labels())
    with tf.GradientTape() as tape:
        mood = losses.cross_entropy(MOOD[MOOD >= 0], other(INPUTS[MOOD >= 0])["mood"])
        pose = losses.mean_squared_error(POSE[2:], other(INPUTS[2:])["pose"])
        loss = mood + 0.25 * pose
    for variable, gradient in zip(
        other.trainable_variables, tape.gradient(loss, other.trainable_variables), strict=True
    ):
        variable.assign_sub(RATE * gradient)
    assert_same(model, other)
    right = np.sum(network()(INPUTS)["mood"].numpy().argmax(-1) == MOOD)
    assert figures == pytest.approx(
        {
            "loss": float(loss),
            "mood_loss": float(mood),
            "pose_loss": float(pose),
            "mood_right": right,
            "mood_labelled": 3,
            "mood_weight": 1.0,
            "pose_weight": 0.25,
            "mood_taught": 1,
            "pose_taught": 1,
        },
        rel=1e-5,
    )


@pytest.mark.parametrize("parts", [2, 3, 6])
def test_parts_of_a_batch_equal_the_whole(parts: int) -> None:
    # Some parts have no label of one task, or of any.
    model, other = network(), network()
    figures, expected = step(model, accumulation=parts)(INPUTS, labels()), step(other)(INPUTS, labels())
    assert figures == pytest.approx(expected, rel=1e-5)
    assert_same(model, other)


def test_losses_that_compare_examples_are_means_over_parts() -> None:
    task = TaskSettings("embedding", loss="triplet_hard")
    given = labels() | {"face": tf.constant([0, 0, 1, 2, 2, 3], tf.int32)}
    found = []
    for parts in (1, 2):
        model = network()
        outputs = {**model.output, "face": keras.layers.UnitNormalization()(model.output["pose"])}
        model = keras.Model(model.input, outputs)
        objectives = {"face": Objective(losses.for_task(task), "face")}
        weighting = Weighting({**WEIGHTS, "face": 1.0})
        embeddings = model(INPUTS)["face"]
        figures = step(model, weighting, objectives=objectives, accumulation=parts)(INPUTS, given)
        cuts = [slice(start, start + ROWS // parts) for start in range(0, ROWS, ROWS // parts)]
        totals, weights = zip(
            *(losses.for_task(task)(given["face"][cut], embeddings[cut]) for cut in cuts), strict=True
        )
        assert figures["face_loss"] == pytest.approx(float(sum(totals) / sum(weights)), rel=1e-5)
        found.append(figures["face_loss"])
    assert found[0] != pytest.approx(found[1])


class PerTask(Weighting):
    """Adds the tasks' gradients up by itself."""

    needs_task_gradients = True
    reached: Mapping[str, Sequence[bool]]

    def combine(
        self, gradients: Mapping[str, Sequence[tf.Tensor | None]], losses: Losses
    ) -> tuple[list[tf.Tensor | None], tf.Tensor]:
        self.reached = {task: [one is not None for one in row] for task, row in gradients.items()}
        sums = []
        for column in zip(*gradients.values(), strict=True):
            found = [
                WEIGHTS[task] * one
                for task, one in zip(gradients, column, strict=True)
                if one is not None
            ]
            sums.append(tf.add_n(found) if found else None)
        return sums, tf.add_n([WEIGHTS[task] * loss for task, loss in losses.items()])


@pytest.mark.parametrize("parts", [1, 2])
def test_gradients_of_each_task_add_up_to_those_of_the_sum(parts: int) -> None:
    model, other = network(), network()
    weighting = PerTask(WEIGHTS)
    figures = step(model, weighting, accumulation=parts)(INPUTS, labels())
    assert figures == pytest.approx(step(other)(INPUTS, labels()), rel=1e-5)
    assert_same(model, other)
    # Two variables each: of the shared layer, of mood, of pose.
    assert weighting.reached == {
        "mood": [True] * 4 + [False] * 2,
        "pose": [True] * 2 + [False] * 2 + [True] * 2,
    }


class Learned(Weighting):
    """A weight that the optimizer trains: exp(-s), as in homoscedastic uncertainty."""

    def __init__(self, weights: Mapping[str, float]) -> None:
        super().__init__(weights)
        self.log_variance = keras.Variable(0.5, dtype="float32")

    @property
    def variables(self) -> list[keras.Variable]:
        return [self.log_variance]

    trainable_variables = variables

    def total(self, parts: Losses, losses: Losses, share: float) -> tf.Tensor:
        scale = tf.exp(-self.log_variance)
        return tf.add_n([scale * part for part in parts.values()]) + share * self.log_variance


@pytest.mark.parametrize("parts", [1, 3])
def test_a_weighting_is_trained_and_counts_its_own_terms_once_a_step(parts: int) -> None:
    weighting = Learned(WEIGHTS)
    figures = step(network(), weighting, accumulation=parts)(INPUTS, labels())
    # d(exp(-s) L + s) / ds = 1 - exp(-s) L
    total = figures["mood_loss"] + figures["pose_loss"]
    gradient = 1.0 - np.exp(-0.5) * total
    assert figures["loss"] == pytest.approx(np.exp(-0.5) * total + 0.5, rel=1e-5)
    assert float(weighting.log_variance) == pytest.approx(0.5 - RATE * gradient, rel=1e-5)


def test_a_mixed_example_has_a_share_of_two_losses() -> None:
    model = network()
    logits = model(INPUTS)["mood"]
    partners, mix = MOOD[::-1].copy(), np.array([1.0, 0.75, 0.5, 0.5, 0.25, 1.0], np.float32)
    given = labels() | {
        "mood/mixed": tf.constant(partners, tf.int32),
        "pose/mixed": tf.constant(POSE[::-1].copy()),
        "mix": tf.constant(mix),
    }
    figures = step(model)(INPUTS, given)
    each = tf.nn.log_softmax(logits).numpy()
    total = weight = 0.0
    for row in range(ROWS):
        for label, share in ((MOOD[row], mix[row]), (partners[row], 1 - mix[row])):
            if label >= 0:
                total, weight = total - share * each[row, label], weight + share
    assert figures["mood_loss"] == pytest.approx(total / weight, rel=1e-5)
    assert figures["mood_labelled"] == 3


def test_a_teacher_has_its_share_of_a_task() -> None:
    teacher = network()
    for variable in teacher.variables:
        variable.assign(variable * 2.0)
    teach = losses.distillation_for_task(TASKS["mood"])
    answers = teacher(INPUTS)["mood"]
    alone, taught, both = (
        step(
            network(),
            objectives={
                "mood": Objective(
                    losses.for_task(TASKS["mood"]),
                    "mood",
                    True,
                    Teaching(teach, [teacher], "mood", weight),
                )
            },
            accumulation=parts,
        )(INPUTS, labels())["mood_loss"]
        for weight, parts in ((0.0, 1), (1.0, 1), (0.25, 2))
    )
    total, count = teach(network()(INPUTS)["mood"], [answers])
    assert taught == pytest.approx(float(total / count), rel=1e-5)  # without labels, too
    assert both == pytest.approx(0.75 * alone + 0.25 * taught, rel=1e-5)


def test_the_average_moves_after_the_step() -> None:
    model, averaged = network(), network()
    start = [np.array(variable) for variable in averaged.variables]
    step(model, average=Average(averaged, model, 0.9))(INPUTS, labels())
    for first, now, mean in zip(start, model.variables, averaged.variables, strict=True):
        # One step: (1 + 1) / (10 + 1) of the old average is kept.
        np.testing.assert_allclose(mean, 2 / 11 * first + 9 / 11 * np.array(now), atol=1e-6)

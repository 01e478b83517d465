import dataclasses
import json

import keras
import numpy as np
import pytest
from scipy import special

from kfer import evaluation, metrics
from kfer.input_pipeline import Decoded, DecodedPairs
from kfer.settings import EvaluationSettings, TaskSettings

EXPRESSION = TaskSettings("classes", ("sad", "happy"))
IDENTITY = TaskSettings("embedding")
YAW = TaskSettings("regression", ("yaw",), feature="angle")
TASKS = {"expression": EXPRESSION, "identity": IDENTITY, "yaw": YAW}
NAMES = {"source": ("studio", "street"), "pose": ("left", "right")}
SETTINGS = EvaluationSettings(resamples=50, folds=2, max_pairs=200, slices=("pose",))


def network(*names):
    """Its outputs are the grey values of an image of five pixels: logits, angle, direction of a face."""
    images = keras.Input((1, 5, 1))
    values = keras.layers.Flatten()(images)
    embedding = keras.layers.UnitNormalization()(values[:, 3:])
    outputs = {
        "expression": values[:, :2],
        "yaw": values[:, 2:3],
        "embedding": embedding,
        "identity": keras.layers.Dense(3)(embedding),
    }
    return keras.Model(images, {name: outputs[name] for name in names or outputs})


def examples(num=80, seed=0, votes=None, **labels):
    """Two sources, two poses and eight people; three in four expressions are told right."""
    rng = np.random.default_rng(seed)
    expression, people = rng.integers(0, 2, num), np.arange(num) % 8
    said = np.where(np.arange(num) % 4 > 0, expression, 1 - expression)
    angle = rng.integers(0, 90, num)
    # People look in directions 10 degrees apart, and each image is off by a degree or so.
    direction = np.radians(5 + 10 * people + rng.normal(0, 1, num))
    pixels = np.stack(
        [
            10 + rng.integers(1, 3, num) * (said == 0),
            10 + rng.integers(1, 3, num) * (said == 1),
            angle + 2,
            100 * np.cos(direction),
            100 * np.sin(direction),
        ],
        axis=1,
    )
    pose = np.where(np.arange(num) < 10, -1, np.arange(num) // 4 % 2)
    decoded = Decoded(
        images=pixels.round().astype(np.uint8).reshape(num, 1, 5, 1),
        expression=expression.astype(np.int32),
        identity=people.astype(np.int32),
        source=(np.arange(num) % 2).astype(np.int32),
        filename=np.array([f"{number}.png" for number in range(num)]),
        further={"pose": pose.astype(np.int32), "angle": angle.astype(np.float32)[:, np.newaxis]},
    )
    return dataclasses.replace(decoded, further=decoded.further | {"votes": votes}, **labels)


NOBODY = np.full(80, -1, np.int32)


@pytest.fixture(scope="module")
def judged():
    test, validation = examples(), examples(seed=1)
    return evaluation.evaluate(network(), test, validation, None, TASKS, NAMES, SETTINGS), test


def test_the_report_has_every_task_and_is_json(judged):
    (report, predictions), _ = judged
    json.dumps(report, allow_nan=False)
    assert list(report["tasks"]) == ["expression", "yaw", "identity"]
    assert [task["kind"] for task in report["tasks"].values()] == ["classes", "regression", "embedding"]
    assert [task["drawn"] for task in report["tasks"].values()] == ["people", "people", "pairs"]
    assert [task["num_drawn"] for task in report["tasks"].values()] == [8, 8, 200]
    assert report["tasks"]["expression"]["accuracy"] == 0.75
    assert report["tasks"]["yaw"]["mean_absolute_error"] == 2
    assert report["tasks"]["identity"]["accuracy"] == report["verification"]["accuracy"] > 0.9
    for task, figure in (("expression", "macro_f1"), ("yaw", "concordance"), ("identity", "accuracy")):
        interval = report["tasks"][task]["intervals"][figure]
        assert interval["value"] == pytest.approx(report["tasks"][task][figure])
        assert interval["low"] <= interval["value"] <= interval["high"]
    assert "tar_at_far_0.01" in report["tasks"]["identity"]["intervals"]
    assert predictions["probabilities"].shape == (80, 2) and predictions["embedding"].shape == (80, 2)
    assert predictions["probabilities"].dtype == np.float32
    told = [predictions[name] for name in ("similarities", "same", "folds")]
    assert metrics.verification_accuracy(*told).mean == report["verification"]["accuracy"]


def test_what_was_reported_before_is_still_there(judged):
    (report, predictions), test = judged
    probabilities, embeddings = predictions["probabilities"], predictions["embedding"]
    exact = special.softmax(test.images[:, 0, :2, 0].astype(np.float64), axis=1)
    assert report["expression"] == evaluation.class_report(test.expression, exact, EXPRESSION.names)
    assert report["identification"] == evaluation.identification_report(embeddings, test.identity)
    assert report["metrics"] == {
        "expression_accuracy": 0.75,
        "verification_accuracy": report["verification"]["accuracy"],
    }
    assert report["examples"] == evaluation.examples_to_show(test.expression, probabilities, 24)
    assert report["threshold"]["false_accept_rate"] == 0.01


def test_slices_are_of_sources_classes_and_attributes(judged):
    (report, _), _ = judged
    rows = [(row["attribute"], row["slice"]) for row in report["slices"] if row["task"] == "yaw"]
    assert rows == [
        ("source", "studio"),
        ("source", "street"),
        ("expression", "sad"),
        ("expression", "happy"),
        ("pose", "left"),
        ("pose", "right"),
        ("pose", "(not said)"),
    ]
    # Every fourth example is told wrong: they are all from the first source.
    by_source = [row for row in report["slices"] if row["attribute"] == "source"]
    values = {
        row["slice"]: row["figures"]["accuracy"]["value"]
        for row in by_source
        if row["task"] == "expression"
    }
    assert values == {"studio": 0.5, "street": 1.0}
    worst = [row for row in report["worst_slices"] if row["attribute"] == "source"]
    assert {(row["task"], row["slice"]) for row in worst if row["figure"] == "accuracy"} >= {
        ("expression", "studio")
    }
    assert "true_accept_rate" in next(row for row in by_source if row["task"] == "identity")["figures"]


def test_threshold_and_temperature_are_of_validation_alone(judged):
    (report, _), _ = judged
    other = examples(seed=7, expression=examples(seed=3).expression)
    again, _ = evaluation.evaluate(
        network(), other, examples(seed=1), None, TASKS, NAMES, dataclasses.replace(SETTINGS, resamples=1)
    )
    assert again["threshold"] == report["threshold"]
    before, after = report["calibration"]["expression"], again["calibration"]["expression"]
    assert before["temperature"] == after["temperature"] is not None
    assert before["num_validation_examples"] == 80
    assert before["ece_before"] != after["ece_before"]
    assert list(report["calibration"]) == ["expression"]


def test_no_temperature_is_fitted_where_none_is_wanted():
    settings = dataclasses.replace(SETTINGS, calibrate=False, resamples=1)
    report, _ = evaluation.evaluate(network(), examples(), examples(), None, TASKS, NAMES, settings)
    assert report["calibration"] == {}


def test_the_datasets_own_pairs_come_first():
    test = examples()
    chosen = np.array([0, 8, 1, 9, 2, 10]), np.array([8, 16, 10, 11, 12, 13])
    same = np.array([True, True, False, False, False, False])
    pairs = DecodedPairs(test.images[chosen[0]], test.images[chosen[1]], same, np.array([0, 1] * 3))
    report, _ = evaluation.evaluate(network(), test, test, pairs, TASKS, NAMES, SETTINGS)
    assert report["verification"]["num_pairs"] == report["tasks"]["identity"]["num_pairs"] == 6
    assert report["verification"]["num_genuine"] == 2


def test_a_task_without_labels_is_not_judged_and_says_so(caplog):
    test = examples(expression=NOBODY, identity=NOBODY)
    report, predictions = evaluation.evaluate(
        network(), test, examples(identity=NOBODY), None, TASKS, NAMES, SETTINGS
    )
    assert report["expression"] is report["verification"] is report["threshold"] is None
    assert (
        report["identification"] is report["tasks"]["identity"] is report["tasks"]["expression"] is None
    )
    assert report["metrics"] == {"expression_accuracy": None, "verification_accuracy": None}
    assert report["tasks"]["yaw"]["drawn"] == "examples"
    assert report["calibration"] == {} and "probabilities" in predictions
    assert {row["task"] for row in report["slices"]} == {"yaw"}
    for words in ("no test example has a label for expression", "verification is not judged"):
        assert words in caplog.text
    assert "no threshold is chosen" in caplog.text


def test_an_identity_that_was_not_trained_needs_no_people_to_be_blessed():
    tasks = {**TASKS, "identity": TaskSettings("embedding", loss="pretrained")}
    test = examples(identity=NOBODY)
    report, _ = evaluation.evaluate(network(), test, test, None, tasks, NAMES, SETTINGS)
    assert list(report["metrics"]) == ["expression_accuracy"] and report["tasks"]["identity"] is None
    assert evaluation.bless(report["metrics"], SETTINGS, None).blessed
    report, _ = evaluation.evaluate(network(), examples(), test, None, tasks, NAMES, SETTINGS)
    assert report["metrics"]["verification_accuracy"] > 0.5


def test_validation_without_labels_gives_no_temperature_and_no_threshold():
    angles = {"angle": np.full((80, 1), np.nan, np.float32), "pose": NOBODY}
    silent = dataclasses.replace(examples(expression=NOBODY, identity=NOBODY), further=angles)
    report, _ = evaluation.evaluate(network(), examples(), silent, None, TASKS, NAMES, SETTINGS)
    assert report["calibration"] == {} and report["threshold"] is None
    assert report["expression"]["accuracy"] == 0.75
    faces = next(row for row in report["slices"] if row["task"] == "identity")
    assert list(faces["figures"]) == ["accuracy"]


def test_a_task_without_an_output_is_left_out():
    alone = network("expression")
    report, predictions = evaluation.evaluate(
        alone, examples(), examples(), None, TASKS, {}, EvaluationSettings(resamples=1)
    )
    assert list(report["tasks"]) == ["expression"] and list(predictions) == ["probabilities"]
    assert report["metrics"] == {"expression_accuracy": 0.75}
    assert report["verification"] is None
    # Without names of the sources, only the classes are slices.
    assert {row["attribute"] for row in report["slices"]} == {"expression"}


def test_expressions_that_were_voted_on_are_judged_by_the_class_of_most_votes():
    truth = examples().expression
    votes = np.where(np.arange(2) == truth[:, np.newaxis], 7, 3).astype(np.float32)
    votes[:20] = np.nan
    tasks = {"expression": TaskSettings("soft_classes", EXPRESSION.names, feature="votes")}
    test = examples(expression=NOBODY, votes=votes)
    settings = EvaluationSettings(resamples=1)
    report, _ = evaluation.evaluate(network("expression"), test, test, None, tasks, NAMES, settings)
    assert report["tasks"]["expression"]["kind"] == "soft_classes"
    assert report["expression"]["num_examples"] == 60 and report["metrics"]["expression_accuracy"] == 0.75
    assert report["expression"]["votes"]["agreement"] == pytest.approx(0.75 * 0.7 + 0.25 * 0.3)
    assert min(report["examples"]["right"]) >= 20


def test_a_network_that_diverged_is_refused():
    diverged = network("expression", "yaw")
    values = keras.Input((1, 5, 1))
    outputs = diverged(values)
    broken = keras.Model(values, {"expression": outputs["expression"], "yaw": outputs["yaw"] / 0.0})
    with pytest.raises(ValueError, match="'yaw' has nan or inf: has the network diverged"):
        evaluation.evaluate(broken, examples(), examples(), None, TASKS, NAMES, SETTINGS)


@pytest.mark.parametrize(
    ("attribute", "names", "message"),
    [
        ("pose", {}, "attributes whose values have names; 'pose' has none"),
        ("angle", {"angle": ("a",)}, r"labels are classes; 'angle' has an array of float32 \[80, 1\]"),
        ("hat", {"hat": ("no", "yes")}, "carry no 'hat'"),
    ],
)
def test_attributes_that_make_no_slices_are_refused(attribute, names, message):
    settings = dataclasses.replace(SETTINGS, slices=(attribute,))
    with pytest.raises(ValueError, match=message):
        evaluation.evaluate(network(), examples(), examples(), None, TASKS, names, settings)

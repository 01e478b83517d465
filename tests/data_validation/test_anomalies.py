"""Small splits with one fault each: counted, named, and of the right severity."""

import dataclasses

import cv2
import numpy as np
import pytest
import toy_examples as toy

from kfer import data_validation
from kfer.settings import TaskSettings, default_tasks


def _rows(splits, max_bad_image_share=0.02, tasks=None, **further):
    tasks = default_tasks() | (tasks or {})
    statistics = toy.statistics(splits, **further)
    schema = data_validation.infer_schema(statistics)
    anomalies = data_validation.validate(statistics, schema, max_bad_image_share, tasks)
    rows = data_validation.anomaly_rows(anomalies)
    assert data_validation.has_errors(anomalies) == any(r["severity"] == "ERROR" for r in rows)
    return rows


def _only_row(splits, **arguments):
    (row,) = _rows(splits, **arguments)
    return row


def test_healthy_examples_have_no_anomaly():
    assert _rows(toy.splits()) == []


def test_what_is_not_learned_needs_no_labels():
    nobody = toy.splits(train=[toy.example(toy.image(i), i % 2, -1, 0, f"{i}") for i in range(9)])
    given = {"identity": TaskSettings("embedding", loss="pretrained")}
    assert not any("identity" in row["description"] for row in _rows(nobody, tasks=given))


@pytest.mark.parametrize("content", [b"", b"no image", toy.image(0, ".jpg")[:-40], toy.image(0)[:60]])
def test_undecodable_images_are_counted_up_to_the_allowed_share(content):
    splits = toy.splits(train=[*toy.healthy(0, 99), toy.example(content, 0, 0, 0, "broken.jpg")])
    row = _only_row(splits, max_bad_image_share=0.01)
    assert row["severity"] == "WARNING" and row["feature"] == "image"
    assert row["short"] == "Undecodable images in train"
    assert "1 of 100 images of train (1.0%)" in row["description"]
    assert "at most 1.0% may be" in row["description"]
    assert "such as broken.jpg." in row["description"]
    assert _only_row(splits, max_bad_image_share=0.009)["severity"] == "ERROR"


def test_undecodable_images_are_not_duplicates_of_each_other():
    bad = [toy.example(b"no image", i % 2, 0, 0, f"{i}") for i in range(3)]
    splits = toy.splits(train=toy.healthy(0) + bad, test=toy.healthy(2000, 9) + bad)
    assert {row["short"] for row in _rows(splits, max_bad_image_share=1.0)} == {
        "Undecodable images in train",
        "Undecodable images in test",
    }


@pytest.mark.parametrize("extension", [".png", ".jpg"])
def test_blank_images(extension):
    blank = toy.example(toy.flat((10, 200, 30), extension), filename="blank.png")
    row = _only_row(toy.splits(train=[*toy.healthy(0), blank]))
    assert row["severity"] == "WARNING" and row["short"] == "Blank images in train"
    assert "1 of 61 images of train" in row["description"] and "blank.png" in row["description"]


def test_an_image_with_one_flat_row_is_not_blank():
    pixels = np.random.default_rng(0).integers(0, 256, (9, 9, 3), np.uint8)
    pixels[4] = 7
    example = toy.example(cv2.imencode(".png", pixels)[1].tobytes())
    assert _rows(toy.splits(train=[*toy.healthy(0), example])) == []


def test_test_images_identical_to_a_training_image_in_any_format():
    pixels = cv2.imdecode(np.frombuffer(toy.image(3), np.uint8), cv2.IMREAD_COLOR)
    again = cv2.imencode(".bmp", pixels)[1].tobytes()  # the same pixels, other bytes
    row = _only_row(toy.splits(test=[*toy.healthy(2000, 9), toy.example(again, 0, 1, 0, "again.bmp")]))
    assert row["severity"] == "WARNING" and row["short"] == "Training images in test"
    assert "1 of 10 images of test are identical to a training image" in row["description"]
    assert "again.bmp" in row["description"]


def test_images_of_the_same_pixels_in_another_shape_are_different():
    flat = [np.arange(48, dtype=np.uint8).reshape(shape) for shape in ((2, 8, 3), (8, 2, 3))]
    images = [toy.example(cv2.imencode(".png", one)[1].tobytes(), i) for i, one in enumerate(flat)]
    assert _rows(toy.splits(train=toy.healthy(0) + images)) == []


@pytest.mark.parametrize(
    ("label", "values"),
    [("expression", {"expression": 2, "identity": 0}), ("identity", {"identity": 2})],
)
def test_identical_images_with_several_labels(label, values):
    again = toy.example(toy.image(0)) | values | {"filename": "again.png"}
    row = _only_row(toy.splits(train=[*toy.healthy(0), again]))
    assert row["feature"] == label and row["severity"] == "WARNING"
    assert row["short"] == "Contradictory labels in train"
    assert "1 groups of identical images, the first of them in train" in row["description"]
    assert "0_0.png" in row["description"]


def test_a_missing_label_contradicts_nothing():
    again = toy.example(toy.image(0), -1, -1)
    assert _rows(toy.splits(train=[*toy.healthy(0), again])) == []


@pytest.mark.parametrize(
    ("label", "value", "allowed"),
    [
        ("expression", 3, "0 to 2"),
        ("expression", -2, "0 to 2"),
        ("identity", -7, "0 up"),
        ("source", 2, "0 to 1"),
    ],
)
def test_labels_outside_the_domain(label, value, allowed):
    strange = toy.example(toy.image(77)) | {label: value}
    row = _only_row(toy.splits(validation=[*toy.healthy(1000, 9), strange]))
    assert row["severity"] == "ERROR" and row["feature"] == label
    assert row["short"] == "Labels outside the domain in validation"
    assert f"Expected labels from {allowed}, or -1" in row["description"]
    assert str(value) in row["description"]


def test_classes_that_training_lacks():
    train = [example for example in toy.healthy(0) if example["expression"] != 2]
    rows = _rows(toy.splits(train=train))
    assert [row["short"] for row in rows] == [
        "Rare classes in train",
        "Untrained classes in test",
        "Untrained classes in validation",
    ]
    assert all(row["severity"] == "WARNING" for row in rows)
    assert "fewer than 10 training examples: sad (0)." in rows[0]["description"]
    assert "test has classes without a training example: sad (3)." in rows[1]["description"]


def test_unbalanced_classes():
    extra = [toy.example(toy.image(5000 + i), 1, 0) for i in range(181)]
    row = _only_row(toy.splits(train=toy.healthy(0) + extra))
    assert row["short"] == "Unbalanced classes in train" and row["severity"] == "WARNING"
    assert "10.1 times as many examples of happy (201) as of angry (20)" in row["description"]
    assert _rows(toy.splits(train=toy.healthy(0) + extra[:180])) == []


@pytest.mark.parametrize(("split", "severity"), [("train", "ERROR"), ("test", "WARNING")])
def test_an_empty_split(split, severity):
    (row,) = [row for row in _rows(toy.splits(**{split: []})) if row["feature"] == "dataset"]
    assert row["severity"] == severity
    assert row["short"] == f"No example in {split}"
    assert "Expected examples in every split" in row["description"]


@pytest.mark.parametrize("task", ["expression", "identity"])
@pytest.mark.parametrize(("split", "severity"), [("train", "ERROR"), ("test", "WARNING")])
def test_a_task_without_a_label(task, split, severity):
    splits = toy.splits()
    splits[split] = [example | {task: -1} for example in splits[split]]
    row = next(row for row in _rows(splits) if row["short"].startswith("No "))
    assert row["severity"] == severity and row["feature"] == task
    assert row["short"] == f"No {task} label in {split}"
    assert f"tasks.{task}.weight 0" in row["description"]
    assert _rows(splits, tasks={task: dataclasses.replace(default_tasks()[task], weight=0)}) == []


@pytest.mark.parametrize(("split", "severity"), [("train", "ERROR"), ("test", "WARNING")])
def test_fewer_than_two_people(split, severity):
    splits = toy.splits()
    splits[split] = [example | {"identity": 4} for example in splits[split]]
    row = _only_row(splits)
    assert row["severity"] == severity and row["feature"] == "identity"
    assert f"Expected at least two people in {split}" in row["description"]


POSE = TaskSettings(names=("left", "right"))
UNITS = TaskSettings("multi_label", names=("AU1", "AU2"))
VOTES = TaskSettings("soft_classes", names=("happy", "sad"), feature="votes")
LANDMARKS = TaskSettings("regression", names=("y", "x"))


def _labelled(feature, label):
    """Healthy splits whose examples have a further label, by their number."""
    return {
        split: [{**example, feature: label(number)} for number, example in enumerate(examples)]
        for split, examples in toy.splits().items()
    }


def _rows_of(task_name, task, label):
    feature = task.feature or task_name
    return _rows(_labelled(feature, label), tasks={task_name: task}, **{feature: task.label()})


NAN = float("nan")


@pytest.mark.parametrize(
    ("task", "label"),
    [
        (POSE, lambda number: number % 2),
        (UNITS, lambda number: [number % 2, NAN if number % 3 else 1.0]),
        (VOTES, lambda number: [NAN, NAN] if number % 3 == 2 else [0.25, 0.75]),
        (LANDMARKS, lambda number: [-5.0, NAN if number % 2 else 700.0]),
    ],
)
def test_healthy_labels_of_every_kind_have_no_anomaly(task, label):
    assert _rows_of("task", task, label) == []


@pytest.mark.parametrize(
    ("task", "missing", "label"),
    [
        (POSE, -1, 0),
        (UNITS, [NAN, NAN], [1, 1]),
        (VOTES, [NAN, NAN], [1, 1]),
        (LANDMARKS, [NAN, NAN], [0, 0]),
    ],
)
def test_a_task_of_any_kind_without_a_training_label(task, missing, label):
    feature = task.feature or "task"
    splits = _labelled(feature, lambda number: label)
    splits["train"] = [{**example, feature: missing} for example in splits["train"]]
    rows = _rows(splits, tasks={"task": task}, **{feature: task.label()})
    error = next(row for row in rows if row["severity"] == "ERROR")
    assert error["feature"] == feature
    assert error["short"] == "No task label in train"
    assert f"a source that has the feature {feature!r}, or turn the task off" in error["description"]
    assert "tasks.task.weight 0" in error["description"]
    off = {"task": dataclasses.replace(task, weight=0)}
    assert _rows(splits, tasks=off, **{feature: task.label()}) == []


def test_names_that_are_rare_or_never_trained():
    rows = _rows_of("units", UNITS, lambda number: [number % 8 == 0, number == 1])
    assert [row["short"] for row in rows] == ["Rare labels in train"]
    assert "Labels with fewer than 10 training examples: AU1 (8), AU2 (1)." in rows[0]["description"]
    (votes,) = _rows_of("votes", VOTES, lambda number: [0.125, 0.875])
    assert votes["description"].endswith("Classes with fewer than 10 training examples: happy (7.5).")
    splits = _labelled("landmarks", lambda number: [0.5, 0.5])
    splits["train"] = [{**example, "landmarks": [0.5, NAN]} for example in splits["train"]]
    rows = _rows(splits, tasks={"landmarks": LANDMARKS}, landmarks=LANDMARKS.label())
    assert [row["short"] for row in rows] == [
        "Rare numbers in train",
        "Untrained numbers in test",
        "Untrained numbers in validation",
    ]
    assert "test has numbers without a training example: x (9)." in rows[1]["description"]


def test_unbalanced_classes_of_any_task():
    rows = _rows_of("pose", POSE, lambda number: int(number < 55))
    assert [row["feature"] for row in rows] == ["pose", "pose"]
    assert [row["short"] for row in rows] == ["Rare classes in train", "Unbalanced classes in train"]
    assert "11.0 times as many examples of right (55) as of left (5)" in rows[1]["description"]
    rows = _rows_of("votes", VOTES, lambda number: [0, 1] if number % 20 else [1, 0])
    assert "Unbalanced" not in "".join(row["short"] for row in rows)


def test_identical_images_with_several_labels_of_a_further_task():
    splits = _labelled("pose", lambda number: number % 2)
    splits["train"].append(splits["train"][0] | {"pose": 1, "filename": "again.png"})
    (row,) = _rows(splits, tasks={"pose": POSE}, pose=POSE.label())
    assert row["short"] == "Contradictory labels in train" and row["feature"] == "pose"


def test_numbers_outside_a_domain_that_the_schema_was_given():
    statistics = toy.statistics(
        _labelled("landmarks", lambda number: [0.25, number / 40]), landmarks=LANDMARKS.label()
    )
    schema = data_validation.infer_schema(statistics)
    (landmarks,) = [feature for feature in schema.feature if feature.name == "landmarks"]
    landmarks.float_domain.max = 1.0

    def descriptions():
        anomalies = data_validation.validate(statistics, schema, 0.02, default_tasks())
        return [row["description"] for row in data_validation.anomaly_rows(anomalies)]

    (description,) = descriptions()
    assert "Expected labels up to 1, or nan for a missing one; those of train go from 0 to 1.475." in (
        description
    )
    landmarks.float_domain.max = 2.0
    assert descriptions() == []
    landmarks.float_domain.min = 0.125
    assert [text.partition(",")[0] for text in descriptions()] == ["Expected labels from 0.125 to 2"] * 3

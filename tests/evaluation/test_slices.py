import json

import numpy as np
import pytest

from kfer.evaluation.answers import Answers
from kfer.evaluation.faces import Faces
from kfer.evaluation.slices import NOT_SAID, Attribute, slice_reports, worst_slices
from kfer.settings import EvaluationSettings, TaskSettings

SETTINGS = EvaluationSettings(resamples=50)
EXPRESSION = TaskSettings("classes", ("sad", "happy"))
YAW = TaskSettings("regression", ("yaw",))


def expressions(labels, right):
    """Answers, right where `right` is."""
    labels = np.array(labels)
    said = np.where(right, labels, 1 - np.abs(labels))
    return Answers(EXPRESSION, labels, np.eye(2)[said], np.full(len(labels), -1))


def poses(*counts, names=("left", "front", "right")):
    """So many examples of each pose, and as the last count, of none."""
    values = np.repeat([*range(len(counts) - 1), -1], counts)
    return {"pose": Attribute(values, names)}


def test_the_worst_pose_is_known():
    # 40 examples each: 30, 20 and 36 are right.
    right = np.concatenate([np.arange(40) < 30, np.arange(40) < 20, np.arange(40) < 36])
    answers = {"expression": expressions(np.arange(120) % 2, right)}
    found = slice_reports(poses(40, 40, 40, 0), answers, SETTINGS)
    assert [row["slice"] for row in found] == ["left", "front", "right"]
    accuracies = [row["figures"]["accuracy"] for row in found]
    assert [figure["value"] for figure in accuracies] == [30 / 40, 20 / 40, 36 / 40]
    assert all(figure["low"] < figure["value"] < figure["high"] for figure in accuracies)
    worst = worst_slices(found)
    assert [(row["attribute"], row["task"], row["figure"]) for row in worst] == [
        ("pose", "expression", "accuracy"),
        ("pose", "expression", "macro_f1"),
    ]
    assert worst[0]["slice"] == "front" and worst[0]["num_examples"] == 40
    assert worst[0]["value"] == 0.5 and worst[0]["low"] == accuracies[1]["low"]
    json.dumps([found, worst], allow_nan=False)


def test_29_examples_are_small_and_30_are_not():
    answers = {"expression": expressions(np.arange(59) % 2, np.ones(59, bool))}
    found = slice_reports(poses(29, 30, 0), answers, SETTINGS)
    assert [(row["num_examples"], row["small"]) for row in found] == [(29, True), (30, False)]


def test_only_labelled_examples_make_a_slice_large():
    labels = np.where(np.arange(60) < 29, np.arange(60) % 2, -1)
    (row,) = slice_reports(poses(60, 0), {"expression": expressions(labels, True)}, SETTINGS)
    assert row["num_examples"] == 29 and row["small"]


def test_small_slices_and_those_without_the_attribute_are_not_the_worst():
    # Nothing is right in 29 examples of the left, and nothing in those whose pose nobody said.
    right = np.concatenate([np.zeros(29), np.arange(30) < 15, np.ones(40), np.zeros(40)]).astype(bool)
    answers = {"expression": expressions(np.arange(139) % 2, right)}
    found = slice_reports(poses(29, 30, 40, 40), answers, SETTINGS)
    assert [row["slice"] for row in found] == ["left", "front", "right", NOT_SAID]
    assert [row["slice"] for row in worst_slices(found)] == ["front", "front"]


def test_one_slice_alone_is_not_the_worst():
    answers = {"expression": expressions(np.arange(79) % 2, np.arange(79) % 3 > 0)}
    found = slice_reports(poses(29, 50, 0), answers, SETTINGS)
    assert len(found) == 2 and worst_slices(found) == []


def test_of_equally_bad_slices_the_first_is_the_worst():
    answers = {"expression": expressions(np.arange(60) % 2, np.arange(60) % 30 < 15)}
    worst = worst_slices(slice_reports(poses(30, 30, 0), answers, SETTINGS))
    assert {row["slice"] for row in worst} == {"left"}


def test_the_slice_with_the_largest_error_is_the_worst():
    yaw = Answers(YAW, np.zeros((60, 1)), np.repeat([[1.0], [-3.0]], 30, axis=0), np.full(60, -1))
    found = slice_reports(poses(30, 30, 0), {"yaw": yaw}, SETTINGS)
    assert [row["figures"]["mean_absolute_error"]["value"] for row in found] == [1, 3]
    worst = {row["figure"]: row["slice"] for row in worst_slices(found)}
    assert worst["mean_absolute_error"] == "front"


def test_a_class_is_a_slice_whose_accuracy_is_its_recall():
    labels = np.repeat([0, 1], 40)
    answers = {"expression": expressions(labels, np.arange(80) % 4 > 0)}
    attributes = {"expression": Attribute(labels, EXPRESSION.names)}
    found = slice_reports(attributes, answers, SETTINGS)
    recalls = [one["recall"] for one in answers["expression"].report()["classes"]]
    assert [row["figures"]["accuracy"]["value"] for row in found] == recalls
    assert all(list(row["figures"]) == ["accuracy"] for row in found)


def test_slices_without_labels_for_a_task_are_left_out():
    labels = np.where(np.arange(80) < 40, np.arange(80) % 2, -1)
    found = slice_reports(poses(40, 40, 0), {"expression": expressions(labels, True)}, SETTINGS)
    assert [row["slice"] for row in found] == ["left"]


def test_verification_is_of_pairs_within_a_slice():
    # On the left the 10 people look in different directions; in front they all look the same.
    people = np.repeat(np.arange(10), 4)
    angles = np.concatenate([np.radians(36 * people), np.zeros(40)])
    embeddings = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    everybody = Faces(np.concatenate([people, people]), embeddings, SETTINGS, threshold=0.99)
    left, front = slice_reports(poses(40, 40, 0), {"identity": everybody}, SETTINGS)
    assert left["num_examples"] == 40 and left["num_pairs"] == 120  # 10 people with 6 pairs each, twice
    assert not left["small"]
    values = {name: figure["value"] for name, figure in left["figures"].items()}
    assert values == {"accuracy": 1, "true_accept_rate": 1, "false_accept_rate": 0}
    assert front["figures"]["accuracy"]["value"] <= 0.5
    assert front["figures"]["false_accept_rate"]["value"] == 1
    worst = {row["figure"]: (row["slice"], row["num_pairs"]) for row in worst_slices([left, front])}
    assert worst["accuracy"] == worst["false_accept_rate"] == ("front", 120)


def test_few_pairs_are_small_however_many_faces_there_are():
    # 40 people, 2 of them with two images.
    people = np.concatenate([np.arange(40), [0, 1]])
    faces = Faces(people, np.eye(42), SETTINGS)
    (row,) = slice_reports(poses(42, 0), {"identity": faces}, SETTINGS)
    assert (row["num_examples"], row["num_pairs"], row["small"]) == (42, 4, True)


@pytest.mark.parametrize("wrong", [3, -2])
def test_a_label_without_a_name_is_refused(wrong):
    attributes = {"pose": Attribute(np.array([0, wrong]), ("left", "front", "right"))}
    answers = {"expression": expressions([0, 1], True)}
    with pytest.raises(ValueError, match=rf"labels of 'pose' in \[0, 3\), .*or -1; got {wrong}"):
        slice_reports(attributes, answers, SETTINGS)

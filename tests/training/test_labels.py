import dataclasses

import numpy as np
import pytest
from toy_tasks import tasks

from kfer import training
from kfer.input_pipeline import Decoded
from kfer.settings import TaskSettings
from kfer.training.labels import labelled


def examples(expression: list[int], identity: list[int], **further: np.ndarray) -> Decoded:
    count = len(expression)
    labels = (np.array(expression), np.array(identity), np.arange(count) % 2)
    return Decoded(np.zeros((count, 1, 1, 1), np.uint8), *labels, np.array([""] * count), further)


def test_labels_of_both_tasks_are_enough() -> None:
    training.check_labels(examples([2, -1, -1], [-1, 0, 1]), tasks())


def test_a_task_without_labels_is_named_with_the_sources() -> None:
    with pytest.raises(ValueError, match=r"a label for expression; sources: lfw \(2 .*number 1 \(1 ex"):
        training.check_labels(examples([-1, -1, -1], [0, 1, 2]), tasks(), ["lfw"])
    with pytest.raises(ValueError, match=r"at least two people .* got 0 from the sources: number 0"):
        training.check_labels(examples([1, 2], [-1, -1]), tasks())


def test_one_person_is_not_enough() -> None:
    with pytest.raises(ValueError, match=r"at least two people to learn identity from; got 1 from"):
        training.check_labels(examples([1, 2], [5, 5]), tasks())


def test_a_task_without_weight_needs_no_labels() -> None:
    training.check_labels(examples([1, 2], [-1, -1]), tasks(identity=0))
    training.check_labels(examples([-1, -1], [0, 1]), tasks(expression=0))


def test_a_further_task_needs_a_label_of_its_own() -> None:
    pose = {"pose": TaskSettings("regression", names=("yaw", "pitch"), feature="angles")}
    nothing, one = np.full((2, 2), np.nan), np.array([[np.nan, np.nan], [np.nan, 1.0]])
    training.check_labels(examples([1, 2], [0, 1], angles=one), pose)
    with pytest.raises(ValueError, match=r"no training example has a label for pose.*feature 'angles'"):
        training.check_labels(examples([1, 2], [0, 1], angles=nothing), pose)
    with pytest.raises(ValueError, match="carry no 'angles'; they carry expression, identity, source"):
        training.check_labels(examples([1, 2], [0, 1]), pose)


@pytest.mark.parametrize(
    ("task", "labels", "message"),
    [
        (
            TaskSettings(names=("a", "b")),
            [0, 2, 1],
            r"tasks\.mood has 2 names, so labels from 0 to 1; .* has 2",
        ),
        (
            TaskSettings("regression", names=("a",)),
            [[1.0, 2.0]] * 3,
            "has 1 names; .* has 2 numbers an ex",
        ),
        (
            TaskSettings("multi_label", names=("a",)),
            [[0.0], [2.0], [np.nan]],
            "from 0 to 1; .* has 0 to 2",
        ),
        (
            TaskSettings("soft_classes", names=("a", "b")),
            [[1, -1.0]] * 3,
            "labels from 0 to inf; .* has -1",
        ),
    ],
)
def test_labels_outside_their_range(task: TaskSettings, labels: list, message: str) -> None:
    given = examples([0, 1, 1], [0, 1, 1], mood=np.array(labels))
    with pytest.raises(ValueError, match=message):
        training.check_labels(given, {"mood": task})


def test_classes_are_counted_for_the_tasks_that_weigh_them() -> None:
    nan = np.nan
    votes = np.array([[3, 1], [0, 8], [nan, nan], [nan, 5], [0, 0]], np.float32)
    given = examples([2, 0, -1, 2, -1], [0, 1, 2, 3, 4], votes=votes)
    feeling = TaskSettings(names=("a", "b", "c", "d"), feature="expression", imbalance="balanced")
    shares = TaskSettings("soft_classes", names=("a", "b"), imbalance="effective_number")
    counts = training.class_counts(
        given,
        {
            **tasks(4),
            "feeling": feeling,
            "votes": shares,
            "off": dataclasses.replace(feeling, weight=0),
        },
    )
    assert {name: count.tolist() for name, count in counts.items()} == {
        "feeling": [1, 0, 2, 0],
        "votes": [0.75, 1.25],
    }
    assert counts["feeling"].dtype == counts["votes"].dtype == np.float64


def test_labels_of_frames_are_known_where_one_of_them_is():
    labels = np.array([[-1, -1, -1], [-1, 2, -1], [0, 1, 2]], np.int32)
    np.testing.assert_array_equal(labelled(labels), [False, True, True])


def test_a_task_of_frames_needs_a_label_of_some_frame() -> None:
    shown = {"shown": TaskSettings(names=("calm", "glad"), feature="frame_expression")}
    for frames, words in (
        ([[-1, -1], [-1, -1]], "no training example has a label for shown"),
        ([[-1, 2], [0, 1]], r"tasks\.shown has 2 names, so labels from 0 to 1; .* has 2"),
    ):
        with pytest.raises(ValueError, match=words):
            training.check_labels(examples([0, 1], [0, 1], frame_expression=np.array(frames)), shown)
    known = examples([0, 1], [0, 1], frame_expression=np.array([[-1, 1], [-1, -1]]))
    training.check_labels(known, shown)
    balanced = {"shown": dataclasses.replace(shown["shown"], imbalance="balanced")}
    np.testing.assert_array_equal(training.class_counts(known, balanced)["shown"], [0, 1])

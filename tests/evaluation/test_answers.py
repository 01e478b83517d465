import numpy as np
import pytest
from scipy import special

from kfer import metrics
from kfer.evaluation.answers import Answers
from kfer.settings import TaskSettings

NAN = float("nan")
ALONE = np.full(4, -1)
SMILE = TaskSettings("classes", ("no", "yes"))
VOTES = TaskSettings("soft_classes", ("sad", "happy", "calm"))
UNITS = TaskSettings("multi_label", ("brow", "lip"))
POSE = TaskSettings("regression", ("yaw", "pitch"))


def test_answers_of_classes():
    logits = np.array([[2.0, 0], [0, 1], [3, 0], [0, 9]], np.float32)
    answers = Answers(SMILE, np.array([0, 1, 1, -1]), logits, ALONE)
    assert answers.sizes() == {"num_examples": 3}
    np.testing.assert_allclose(answers.probabilities(), special.softmax(logits, axis=1), rtol=1e-6)
    assert answers.report()["accuracy"] == pytest.approx(2 / 3)
    intervals = answers.intervals(100, seed=0)
    assert intervals["accuracy"].value == pytest.approx(2 / 3)
    assert intervals["macro_f1"].value == pytest.approx(answers.report()["macro_f1"])


def test_one_class_has_no_macro_f1():
    answers = Answers(SMILE, np.array([1, 1, -1, 1]), np.eye(2)[[0, 1, 0, 1]], ALONE)
    assert list(answers.intervals(10, seed=0)) == ["accuracy"]


def test_answers_of_votes_have_the_top_class_for_a_label():
    votes = np.array([[6, 2, 2], [5, 5, 0], [NAN] * 3, [1, 2, 7]])
    answers = Answers(VOTES, votes, np.eye(3)[[0, 0, 0, 1]], ALONE)
    np.testing.assert_array_equal(answers.single_labels, [0, -1, -1, 2])
    assert answers.sizes() == {"num_examples": 2}
    assert answers.report()["votes"]["num_examples"] == 3
    assert answers.intervals(10, seed=0)["accuracy"].value == answers.report()["accuracy"] == 0.5


def test_answers_of_several_labels():
    labels = np.array([[1, NAN], [0, 0], [NAN, NAN], [1, 1]])
    logits = np.array([[1.0, 0], [1, -1], [0, 0], [2, 0]])
    answers = Answers(UNITS, labels, logits, ALONE)
    assert answers.sizes() == {"num_examples": 3}
    np.testing.assert_allclose(answers.probabilities(), special.expit(logits))
    # The first label: precision 2/3, recall 1; the second: all right, with a logit of 0 for "there".
    assert answers.report()["macro_f1"] == pytest.approx((0.8 + 1) / 2)
    assert answers.intervals(10, seed=0)["macro_f1"].value == pytest.approx((0.8 + 1) / 2)
    votes, two = answers.as_classes()
    np.testing.assert_array_equal(votes[:, 1], [1, NAN, 0, 0, NAN, NAN, 1, 1])
    assert votes.shape == two.shape == (8, 2)


def test_answers_of_numbers():
    labels = np.array([[1, NAN], [2, 3], [NAN, NAN], [3, 5]])
    answers = Answers(POSE, labels, np.array([[2.0, 9], [3, 3], [9, 9], [4, 4]]), ALONE)
    assert answers.sizes() == {"num_examples": 3}
    assert answers.report()["mean_absolute_error"] == pytest.approx((1 + 0.5) / 2)
    assert answers.intervals(10, seed=0)["mean_absolute_error"].value == pytest.approx(0.75)
    assert answers.as_classes() is None


def test_chosen_answers_are_those_of_the_examples():
    labels, logits, people = np.array([0, 1, 1, -1]), np.eye(2)[[0, 0, 1, 1]], np.array([5, 5, 6, -1])
    answers = Answers(SMILE, labels, logits, people).chosen(labels == 1)
    assert answers.labels.tolist() == [1, 1] and answers.people.tolist() == [5, 6]
    assert answers.report()["accuracy"] == 0.5


def test_images_of_one_person_are_drawn_together():
    # Every image of each of 20 people is told right or wrong, all 10 alike.
    right = np.repeat(np.arange(20) % 2, 10)
    labels, logits = np.ones(200, int), np.eye(2)[right]
    people = np.repeat(np.arange(20), 10)
    known = Answers(SMILE, labels, logits, people)
    unknown = Answers(SMILE, labels, logits, np.full(200, -1))
    assert known.drawn() == {"drawn": "people", "num_drawn": 20}
    assert unknown.drawn() == {"drawn": "examples", "num_drawn": 200}
    wide, narrow = (a.intervals(500, seed=0)["accuracy"] for a in (known, unknown))
    assert wide.value == narrow.value == 0.5
    assert wide.high - wide.low > 2.5 * (narrow.high - narrow.low)
    assert narrow == metrics.class_intervals(labels, right, 2, 500, seed=0)["accuracy"]


def test_people_whose_images_are_not_labelled_are_not_drawn():
    answers = Answers(SMILE, np.array([0, -1, 1]), np.eye(2)[[0, 1, 1]], np.array([-1, 7, -1]))
    assert answers.drawn() == {"drawn": "examples", "num_drawn": 2}
    mixed = Answers(SMILE, np.array([0, 1, 1, 0]), np.eye(2)[[0, 1, 1, 0]], np.array([-1, 7, 7, -1]))
    assert mixed.drawn() == {"drawn": "people", "num_drawn": 3}

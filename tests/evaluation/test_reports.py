"""Reports on worked examples."""

import json

import numpy as np
import pytest

from kfer import evaluation

NAMES = ("angry", "happy", "sad")


def _probabilities(predictions, confidence=0.8, num_classes=3):
    rest = (1 - confidence) / (num_classes - 1)
    probabilities = np.full((len(predictions), num_classes), rest)
    probabilities[np.arange(len(predictions)), predictions] = confidence
    return probabilities


def _strict_json(report):
    return json.loads(json.dumps(report, allow_nan=False))


def test_class_report_by_hand():
    labels = np.array([0, 0, 1, 1, -1])
    report = _strict_json(evaluation.class_report(labels, _probabilities([0, 1, 1, 1, 2]), NAMES))
    assert report["num_examples"] == 4
    assert report["accuracy"] == 0.75
    assert report["confusion"] == [[1, 1, 0], [0, 2, 0], [0, 0, 0]]
    assert report["macro_f1"] == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert report["classes"][1] == pytest.approx(
        {"name": "happy", "precision": 2 / 3, "recall": 1.0, "f1": 0.8, "support": 2}
    )
    assert report["classes"][2]["support"] == 0
    assert report["expected_calibration_error"] == pytest.approx(0.05)
    filled = [row for row in report["reliability"] if row["count"]]
    assert len(report["reliability"]) == 15
    assert filled == [pytest.approx({"confidence": 0.8, "accuracy": 0.75, "count": 4})]


@pytest.mark.parametrize(
    ("labels", "probabilities", "message"),
    [
        ([-1, -1], np.full((2, 3), 1 / 3), "none of 2 has a label"),
        ([0, 1], np.full((2, 4), 1 / 4), r"expected probabilities of shape \(2, 3\).*\(2, 4\)"),
        ([0, 1], np.full((2, 3), np.nan), "expected finite probabilities"),
    ],
)
def test_class_report_refuses(labels, probabilities, message):
    with pytest.raises(ValueError, match=message):
        evaluation.class_report(np.array(labels), probabilities, NAMES)


def test_examples_to_show_are_spread_and_the_worst():
    labels = np.array([0, 1, 2, 0, 1, 2, 0, -1])
    predictions = np.array([0, 1, 2, 0, 1, 0, 1, 1])
    probabilities = _probabilities(predictions)
    probabilities[6] = [0.05, 0.9, 0.05]
    shown = evaluation.examples_to_show(labels, probabilities, 3)
    assert _strict_json(shown) == {"right": [0, 2, 4], "wrong": [6, 5]}
    assert evaluation.examples_to_show(labels, probabilities, 1)["wrong"] == [6]


def test_examples_to_show_of_nothing_right():
    shown = evaluation.examples_to_show(np.array([0, -1]), _probabilities([1, 0]), 3)
    assert shown == {"right": [], "wrong": [0]}


def test_class_report_of_votes_by_hand():
    # The classes of most votes are 0 and 1; two tie in the third, and nobody voted on the fourth.
    votes = np.array([[6, 2, 2], [1, 7, 2], [5, 5, 0], [np.nan] * 3])
    report = _strict_json(evaluation.class_report(votes, _probabilities([0, 0, 1, 2]), NAMES))
    assert report["num_examples"] == 2 and report["accuracy"] == 1 / 2
    assert report["confusion"] == [[1, 0, 0], [1, 0, 0], [0, 0, 0]]
    # The answers have 0.6, 0.1 and 0.5 of the votes; the network says 0.8 each time.
    assert report["votes"]["num_examples"] == 3
    assert report["votes"]["agreement"] == pytest.approx(1.2 / 3)
    assert report["votes"]["highest_agreement"] == pytest.approx(1.8 / 3)
    assert report["expected_calibration_error"] == pytest.approx(0.8 - 1.2 / 3)


def test_label_report_by_hand():
    labels = np.array([[1, 0], [0, np.nan], [1, np.nan], [np.nan, np.nan]])
    probabilities = np.array([[0.9, 0.2], [0.6, 0.9], [0.7, 0.9], [0.1, 0.1]])
    report = _strict_json(evaluation.label_report(labels, probabilities, ("smile", "frown")))
    assert report["num_examples"] == 3
    assert report["macro_f1"] == pytest.approx(0.8)  # precision 2/3, recall 1; nobody frowns
    assert report["mean_auc"] == 1.0 and report["mean_average_precision"] == 1.0
    assert report["labels"][0] == {
        "name": "smile",
        "precision": pytest.approx(2 / 3),
        "recall": 1.0,
        "f1": pytest.approx(0.8),
        "auc": 1.0,
        "average_precision": 1.0,
        "positives": 2,
        "support": 3,
    }
    assert report["labels"][1]["auc"] is None and report["labels"][1]["support"] == 1


def test_number_report_by_hand():
    labels = np.array([[0.0, 1.0], [2.0, np.nan], [np.nan, np.nan]])
    predictions = np.array([[1.0, 1.5], [3.0, 9.0], [9.0, 9.0]])
    report = _strict_json(evaluation.number_report(labels, predictions, ("valence", "arousal")))
    assert report["num_examples"] == 2
    assert report["mean_absolute_error"] == pytest.approx((1 + 0.5) / 2)
    # Of valence: covariance 1, both variances 1, means 1 apart; arousal has one example.
    assert report["concordance"] == pytest.approx(2 / 3) and report["pearson"] == pytest.approx(1)
    assert [number["name"] for number in report["numbers"]] == ["valence", "arousal"]
    assert [number["support"] for number in report["numbers"]] == [2, 1]
    assert report["numbers"][1]["concordance"] is None


@pytest.mark.parametrize("of", ["label_report", "number_report"])
@pytest.mark.parametrize(
    ("labels", "outputs", "message"),
    [
        (np.full((2, 2), np.nan), np.zeros((2, 2)), "none of 2 has a label"),
        (np.zeros((2, 2)), np.full((2, 2), np.nan), "expected finite .*: has the network diverged"),
        (
            np.zeros((2, 2)),
            np.zeros((2, 3)),
            r"of shape \(2, 2\), one column each for a, b; got \(2, 3\)",
        ),
        (np.zeros((2, 3)), np.zeros((2, 3)), r"expected labels of shape \(2, 2\).*got \(2, 3\)"),
    ],
)
def test_reports_of_columns_refuse(of, labels, outputs, message):
    with pytest.raises(ValueError, match=message):
        getattr(evaluation, of)(labels, outputs, ("a", "b"))

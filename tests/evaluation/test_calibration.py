import json

import numpy as np
import pytest
from scipy import special

from kfer import metrics
from kfer.evaluation.answers import Answers
from kfer.evaluation.calibration import calibration_report
from kfer.settings import TaskSettings

CLASSES = TaskSettings("classes", ("a", "b", "c"))
UNITS = TaskSettings("multi_label", ("brow", "lip"))


def overconfident(num, seed, factor=3.0):
    """Answers whose logits are 3 times what their labels were drawn from."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1.5, (num, 3))
    ladder = special.softmax(logits, axis=1).cumsum(axis=1)
    labels = np.argmax(rng.random(num)[:, np.newaxis] < ladder, axis=1)
    return Answers(CLASSES, labels, (factor * logits).astype(np.float32), np.full(num, -1))


def test_a_temperature_mends_overconfidence_on_other_examples():
    report = calibration_report(overconfident(5000, 0), overconfident(5000, 1))
    assert report["temperature"] == pytest.approx(3, rel=0.06)
    assert report["num_validation_examples"] == 5000
    assert report["ece_before"] > 0.15 and report["ece_after"] < 0.03
    assert report["nll_after"] < report["nll_before"] - 0.2
    json.dumps(report, allow_nan=False)


def test_the_temperature_does_not_see_the_test_examples():
    validation = overconfident(2000, 0)
    wrong = overconfident(500, 1, factor=-5.0)
    other = overconfident(500, 2, factor=0.1)
    reports = [calibration_report(validation, test) for test in (wrong, other)]
    assert reports[0]["temperature"] == reports[1]["temperature"]
    assert reports[0]["temperature"] == metrics.fit_temperature(validation.labels, validation.outputs)
    # What suits validation does not suit these, and the report says so.
    assert reports[1]["nll_after"] > reports[1]["nll_before"]


def test_before_is_what_the_report_of_the_task_says():
    test = overconfident(300, 1)
    report = calibration_report(overconfident(300, 0), test)
    assert report["ece_before"] == pytest.approx(test.report()["expected_calibration_error"])


def test_validation_that_determines_no_temperature_gives_none():
    perfect = Answers(CLASSES, np.arange(3), np.eye(3), np.full(3, -1))
    report = calibration_report(perfect, overconfident(50, 0))
    assert report["temperature"] is None and report["ece_after"] is None
    assert report["nll_after"] is None and report["ece_before"] > 0


def test_several_labels_an_example_share_a_temperature():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (4000, 2))
    labels = (rng.random((4000, 2)) < special.expit(logits)).astype(float)
    answers = Answers(UNITS, labels, 2 * logits, np.full(4000, -1))
    report = calibration_report(answers.chosen(np.arange(2000)), answers.chosen(np.arange(2000, 4000)))
    assert report["temperature"] == pytest.approx(2, rel=0.1)
    assert report["num_validation_examples"] == 2000
    assert report["ece_after"] < report["ece_before"] / 2


def test_numbers_have_no_confidence():
    pose = TaskSettings("regression", ("yaw",))
    answers = Answers(pose, np.zeros((3, 1)), np.ones((3, 1)), np.full(3, -1))
    assert calibration_report(answers, answers) is None

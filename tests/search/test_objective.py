import pytest

from kfer.search.objective import objective
from kfer.settings import MetricSettings

KNOWN = (
    "val_expression_accuracy",
    "val_expression_macro_f1",
    "val_verification_accuracy",
    "val_pose_mae",
)
EXPRESSION, VERIFICATION, POSE = KNOWN[0], KNOWN[2], KNOWN[3]


def test_by_default_it_is_the_mean_of_both_accuracies():
    made = objective({}, KNOWN)
    assert made.score({EXPRESSION: 0.5, VERIFICATION: 0.9, POSE: 1.0}) == pytest.approx(0.7)
    assert made.rule() == "mean of val_expression_accuracy, val_verification_accuracy"
    assert objective({}, [EXPRESSION]).score({EXPRESSION: 0.5}) == 0.5


def test_metrics_are_scaled_and_weighed():
    made = objective({EXPRESSION: MetricSettings(3.0), POSE: MetricSettings(worst=20.0, best=0.0)}, KNOWN)
    # 15 degrees are a quarter of the way from 20 to 0.
    assert made.score({EXPRESSION: 0.6, POSE: 15.0}) == pytest.approx((3 * 0.6 + 0.25) / 4)
    assert made.score({EXPRESSION: 0.6, POSE: 90.0}) == pytest.approx(3 * 0.6 / 4)
    assert made.rule() == "mean of 3 * val_expression_accuracy, val_pose_mae from 20 to 0"


def test_what_misses_a_floor_is_worse_than_what_misses_none():
    floor = MetricSettings(weight=0.0, floor=0.75)
    made = objective({EXPRESSION: MetricSettings(), VERIFICATION: floor}, KNOWN)
    assert made.rule() == "val_expression_accuracy, with val_verification_accuracy at least 0.75"
    assert made.score({EXPRESSION: 0.1, VERIFICATION: 0.75}) == pytest.approx(0.1)
    near, far = (made.score({EXPRESSION: 0.9, VERIFICATION: value}) for value in (0.7, 0.6))
    assert (near, far) == (pytest.approx(-0.05), pytest.approx(-0.15))


def test_a_ceiling_where_lower_is_better():
    made = objective({POSE: MetricSettings(worst=20.0, best=0.0, floor=5.0)}, KNOWN)
    assert made.score({POSE: 4.0}) == pytest.approx(0.8)
    assert made.score({POSE: 6.0}) == pytest.approx(-0.05)
    assert made.rule() == "val_pose_mae from 20 to 0, with val_pose_mae at most 5"


def test_a_metric_that_an_epoch_lacks_counts_as_its_worst():
    assert objective({}, KNOWN).score({EXPRESSION: 0.5}) == 0.25


def test_a_metric_that_no_trial_reports_is_answered_with_those_that_there_are():
    with pytest.raises(
        ValueError, match=r"got val_age_mae. They are: val_expression_accuracy, .*pose_mae"
    ):
        objective({"val_age_mae": MetricSettings()}, KNOWN)
    with pytest.raises(ValueError, match=r"cannot be compared.*report: val_pose_mae"):
        objective({}, [POSE])
    with pytest.raises(ValueError, match="none: the validation split has no labels"):
        objective({}, [])

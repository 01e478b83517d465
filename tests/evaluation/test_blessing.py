"""Every way a blessing can fail."""

import json

import pytest

from kfer import evaluation
from kfer.settings import EvaluationSettings

SETTINGS = EvaluationSettings(min_expression_accuracy=0.5, min_verification_accuracy=0.6, max_drop=0.02)
GOOD = {"expression_accuracy": 0.7, "verification_accuracy": 0.8}


@pytest.mark.parametrize(
    ("figures", "baseline", "reasons"),
    [
        (GOOD, None, []),
        (GOOD, {"expression_accuracy": 0.71, "verification_accuracy": 0.81}, []),
        (GOOD, {"expression_accuracy": 0.71}, []),
        (
            GOOD,
            {"expression_accuracy": 0.75, "verification_accuracy": 0.1},
            ["expression_accuracy is 0.7000; expected at least 0.7300 (latest blessed)"],
        ),
        (
            {**GOOD, "expression_accuracy": 0.4},
            None,
            ["expression_accuracy is 0.4000; expected at least 0.5000 (lower bound)"],
        ),
        (
            {"expression_accuracy": 0.7},
            None,
            ["verification_accuracy was not measured; expected at least 0.6000 (lower bound)"],
        ),
        (
            {**GOOD, "verification_accuracy": float("nan")},
            None,
            ["verification_accuracy was not measured; expected at least 0.6000 (lower bound)"],
        ),
    ],
)
def test_blessing(figures, baseline, reasons):
    blessing = evaluation.bless(figures, SETTINGS, baseline)
    assert blessing.reasons == reasons
    assert blessing.blessed == (not reasons)
    assert len([check for check in blessing.checks if not check["passed"]]) == len(reasons)
    json.dumps(blessing.checks, allow_nan=False)


def test_blessing_skips_a_task_that_is_off_but_not_one_that_failed():
    free = EvaluationSettings()
    blessing = evaluation.bless({"expression_accuracy": 0.1}, free, GOOD | {"expression_accuracy": 0.1})
    assert blessing.blessed
    assert {check["metric"] for check in blessing.checks} == {"expression_accuracy"}
    failed = evaluation.bless({"expression_accuracy": None}, free, None)
    assert not failed.blessed
    assert failed.checks == [
        {
            "metric": "expression_accuracy",
            "check": "lower bound",
            "value": None,
            "limit": 0.0,
            "passed": False,
        }
    ]

import dataclasses
import math

import pytest
from toy_tuning import OPTIMIZER, RATE, SIZE, make_results, scored_by

from kfer.settings import ParameterSettings
from kfer.settings.tuning import ALL_WEIGHTS
from kfer.tuning.importance import importance

RATE_ALONE = {RATE: ParameterSettings(low=1e-4, high=1e-1, scale="log")}


def place(trial) -> float:
    return math.log10(trial.values[RATE] / 1e-4) / 3


def test_what_the_score_is_made_of_is_what_it_hangs_on():
    found = importance(scored_by(make_results(60, ()), place))
    assert set(found.shares) == {ALL_WEIGHTS, RATE, SIZE, OPTIMIZER}
    assert next(iter(found.shares)) == RATE and found.shares[RATE] > 0.9
    assert found.explained > 0.8 and found.reason == ""


def test_two_settings_share_what_they_add():
    # Of a uniform number the variance is a twelfth: 2 and 1 times that are 4 parts and 1.
    made = make_results(150, ())
    found = importance(scored_by(made, lambda trial: 2 * place(trial) + (trial.values[SIZE] - 16) / 240))
    assert found.shares[RATE] == pytest.approx(0.8, abs=0.08)
    assert found.shares[SIZE] == pytest.approx(0.2, abs=0.08)


def test_what_two_settings_make_together_is_neithers_own():
    def both(trial) -> float:
        return (place(trial) > 0.5) != (trial.values[SIZE] > 136)

    found = importance(scored_by(make_results(150, ()), both))
    assert sum(found.shares.values()) < 0.5


def test_names_and_weights_can_matter():
    made = make_results(60, ())
    by_name = importance(scored_by(made, lambda trial: float(trial.values[OPTIMIZER] == "adamw")))
    assert by_name.shares[OPTIMIZER] > 0.8
    by_weight = importance(scored_by(made, lambda trial: trial.values["tasks.identity.weight"]))
    assert by_weight.shares[ALL_WEIGHTS] > 0.8


def test_failed_trials_and_the_unit_of_the_score_make_no_difference():
    made = make_results(40, (5, 9, 20))
    without = dataclasses.replace(made, trials=tuple(made.scored))
    twice = scored_by(made, lambda trial: 2 * trial.score)
    assert importance(without).shares == importance(made).shares
    assert importance(twice).shares == pytest.approx(importance(made).shares)


def test_shares_are_shares_and_the_largest_comes_first(results):
    shares = list(importance(results).shares.values())
    assert sum(shares) <= 1 and min(shares) >= 0
    assert shares == sorted(shares, reverse=True)


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (make_results(1, ()), "Trials do not differ in any setting."),
        (make_results(11, ()), "11 trials with a score are too few"),
        (make_results(12, range(12)), "0 trials with a score are too few"),
        (make_results(20, (), space=RATE_ALONE), f"Trials differ in {RATE} alone."),
        (scored_by(make_results(14, ()), lambda trial: int(trial.trial) % 2), "tell nothing of others"),
        (scored_by(make_results(), lambda trial: 0.5), "All scores are equal."),
    ],
)
def test_where_nothing_can_be_told_a_reason_is_given(made, reason):
    found = importance(made)
    assert found.shares == {} and reason in found.reason and math.isnan(found.explained)

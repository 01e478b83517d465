import numpy as np
import pytest

from kfer import metrics

GENUINE = [0.9, 0.8, 0.7, 0.3]
IMPOSTOR = [0.75, 0.4, 0.2, 0.1, 0.0]
SIMILARITIES = np.array([*GENUINE, *IMPOSTOR])
SAME = np.arange(len(SIMILARITIES)) < len(GENUINE)


def test_a_worked_example():
    none, one, all_ = metrics.thresholds_at_rates(SIMILARITIES, SAME, [0.0, 0.2, 1.0], 200, 0)
    # Above 0.75, the most similar impostor, lie two of four; halfway to it from 0.8.
    assert none.threshold.value == pytest.approx(0.775) and none.true_accept_rate.value == 0.5
    assert none.measured_false_accept_rate.value == 0.0
    # No false accept among five says that up to 1 - 0.025 ** (1 / 5) may be.
    assert none.measured_false_accept_rate.high == pytest.approx(1 - 0.025 ** (1 / 5))
    assert one.threshold.value == pytest.approx(0.55) and one.true_accept_rate.value == 0.75
    assert one.measured_false_accept_rate.value == 0.2
    assert all_.true_accept_rate.value == 1.0 and all_.threshold.value < 0.0


def test_intervals_hold_the_value_and_narrow_with_more_pairs():
    widths = []
    for times in (10, 1000):
        rng = np.random.default_rng(1)
        similarities = np.concatenate(
            [rng.normal(0.6, 0.15, 4 * times), rng.normal(0.1, 0.15, 4 * times)]
        )
        (found,) = metrics.thresholds_at_rates(
            similarities, np.arange(8 * times) < 4 * times, [0.1], 300, 0
        )
        for interval in (found.threshold, found.true_accept_rate, found.measured_false_accept_rate):
            assert interval.low <= interval.value <= interval.high
        widths.append(found.threshold.high - found.threshold.low)
    # The 90th percentile of a normal distribution.
    assert found.threshold.value == pytest.approx(0.1 + 1.2816 * 0.15, abs=0.02)
    assert widths[1] < widths[0] / 5


def test_the_interval_of_a_threshold_covers_that_of_many_samples():
    rng = np.random.default_rng(2)
    same = np.arange(400) < 200
    hits = 0
    for seed in range(60):
        similarities = np.where(same, rng.normal(0.6, 0.15, 400), rng.normal(0.1, 0.15, 400))
        (found,) = metrics.thresholds_at_rates(similarities, same, [0.1], 200, seed)
        hits += found.threshold.low <= 0.1 + 1.2816 * 0.15 <= found.threshold.high
    assert hits >= 50


def test_rates_are_reliable_where_ten_false_accepts_are_expected():
    same = np.arange(200) < 100
    similarities = np.linspace(1, 0, 200)
    found = metrics.thresholds_at_rates(similarities, same, [0.1, 0.09], 10, 0)
    assert [each.reliable for each in found] == [True, False]


def test_rates_that_are_none():
    with pytest.raises(ValueError, match=r"expected a false accept rate in \[0, 1\]; got 1.5"):
        metrics.thresholds_at_rates(SIMILARITIES, SAME, [1.5], 10, 0)

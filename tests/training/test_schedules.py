import numpy as np
import pytest

from kfer.settings import FineTuningStage, TrainingSettings
from kfer.training.schedules import PiecewiseLinear, learning_rate


def rates(steps: list[int], **settings: object) -> list[float]:
    chosen = TrainingSettings(epochs=10, learning_rate=0.2, **settings)
    rate = learning_rate(chosen, 10, chosen.planned_stages()[0])
    return [float(rate(step)) for step in steps]


def test_one_cycle_goes_up_down_and_out() -> None:
    # 100 steps: up for 45 of them, down for 45, and out; half of the way up is the mean of both ends.
    found = rates([0, 15, 45, 75, 90, 95, 100], schedule="one_cycle", warmup_epochs=3)
    expected = [0.02, 0.02 + 0.18 / 3, 0.2, 0.02 + 0.18 / 3, 0.02, (0.02 + 0.0002) / 2, 0.0002]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_a_constant_rate_has_a_warm_up() -> None:
    found = rates([0, 10, 20, 99], schedule="constant", warmup_epochs=2)
    np.testing.assert_allclose(found, [0.01, 0.01 + 0.19 / 2, 0.2, 0.2], rtol=1e-5)
    np.testing.assert_allclose(rates([0, 99], schedule="constant", warmup_epochs=0), [0.2, 0.2])


def test_a_cosine_is_at_half_its_peak_halfway() -> None:
    found = rates([0, 50, 100], warmup_epochs=0)
    np.testing.assert_allclose(found, [0.2, 0.1, 0.0], atol=1e-7)


@pytest.mark.parametrize("schedule", ["cosine", "one_cycle", "constant"])
def test_a_stage_has_its_own_peak(schedule: str) -> None:
    stage = FineTuningStage(4, ("all",), learning_rate_factor=0.5)
    settings = TrainingSettings(stages=(stage,), learning_rate=0.2, schedule=schedule)
    rate = learning_rate(settings, 10, stage)
    assert max(float(rate(step)) for step in range(40)) == pytest.approx(0.1, rel=0.05)


def test_a_schedule_is_made_again_from_its_config() -> None:
    rate = PiecewiseLinear([0, 4], [1.0, 3.0])
    assert float(PiecewiseLinear.from_config(rate.get_config())(1)) == 1.5

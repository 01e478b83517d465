import numpy as np
import pytest

from kfer.training.weighting import DynamicAverage

FIXED = {"expression": 1.0, "identity": 0.1}


def weights(method: DynamicAverage) -> dict[str, float]:
    # The losses of a step are not looked at.
    losses = dict.fromkeys(method.fixed, 7.0)
    return {task: float(weight) for task, weight in method.weights(losses).items()}


def after(*epochs: tuple[float, float], temperature: float = 2.0) -> DynamicAverage:
    method = DynamicAverage(FIXED, temperature)
    for expression, identity in epochs:
        method.end_epoch({"identity": identity, "expression": expression})
    return method


def expected(expression: float, identity: float, temperature: float = 2.0) -> dict[str, float]:
    """From the ratios of losses."""
    exponents = np.exp(np.array([expression, identity]) / temperature)
    factors = 2 * exponents / exponents.sum()
    return {"expression": factors[0], "identity": 0.1 * factors[1]}


def test_in_the_first_two_epochs_the_fixed_weights_hold() -> None:
    assert weights(after()) == pytest.approx(FIXED)
    assert weights(after((2.0, 12.0))) == pytest.approx(FIXED)


@pytest.mark.parametrize("temperature", [2.0, 0.5])
def test_weights_by_hand(temperature: float) -> None:
    # The first loss is halved, the second is as it was.
    found = weights(after((9.0, 9.0), (2.0, 12.0), (1.0, 12.0), temperature=temperature))
    assert found == pytest.approx(expected(0.5, 1.0, temperature))
    assert found["expression"] + found["identity"] / 0.1 == pytest.approx(2)


def test_an_epoch_without_labels_of_a_task_is_passed_over() -> None:
    method = after((2.0, 12.0), (1.0, 6.0), (0.9, 0.0))
    assert weights(method) == pytest.approx(expected(0.9, 0.5))
    method.end_epoch({"expression": 0.9, "identity": 3.0})
    assert weights(method) == pytest.approx(expected(1.0, 0.5))


def test_a_task_that_is_labelled_late_has_two_epochs_of_its_own() -> None:
    method = after((2.0, 0.0), (1.0, 0.0), (0.5, 8.0))
    assert weights(method) == pytest.approx(expected(0.5, 1.0))
    method.end_epoch({"expression": 0.5, "identity": 2.0})
    assert weights(method) == pytest.approx(expected(1.0, 0.25))


def test_a_run_that_goes_on_has_the_weights_of_one_that_never_stopped() -> None:
    method, resumed = after((2.0, 12.0), (1.0, 9.0)), DynamicAverage(FIXED)
    for old, new in zip(method.variables, resumed.variables, strict=True):
        new.assign(np.asarray(old))
    for _ in range(2):
        assert weights(resumed) == weights(method)
        for each in (method, resumed):
            each.end_epoch({"expression": 0.9, "identity": 3.0})

import math

import numpy as np
import pytest
import tensorflow as tf

from kfer.training.weighting import Uncertainty


def method(expression: float = 1.0, pose: float = 2.0, log_variances=(0.0, 0.5)) -> Uncertainty:
    made = Uncertainty({"expression": expression, "pose": pose}, regressions=["pose"])
    made.variables[0].assign(log_variances)
    return made


def total(made: Uncertainty, losses: dict[str, float], share: float = 1.0) -> tuple[float, np.ndarray]:
    """The total, and its gradient for the log variances."""
    parts = {name: tf.constant(loss) for name, loss in losses.items()}
    with tf.GradientTape() as tape:
        value = made.total(parts, parts, share)
    (variable,) = made.trainable_variables
    return float(value), tape.gradient(value, variable).numpy()


def test_total_and_gradient_by_hand() -> None:
    value, gradient = total(method(), {"pose": 1.5, "expression": 3.0})
    # The classes: exp(-0) * 3 + 0 / 2. The regression: exp(-0.5) * (2 * 1.5) / 2 + 0.5 / 2.
    assert value == pytest.approx(3 + math.exp(-0.5) * 1.5 + 0.25)
    np.testing.assert_allclose(gradient, [-3 + 0.5, -math.exp(-0.5) * 1.5 + 0.5], rtol=1e-6)


def test_weights_in_force_by_hand() -> None:
    weights = method().weights({"expression": tf.constant(3.0), "pose": tf.constant(1.5)})
    assert float(weights["expression"]) == pytest.approx(1.0)
    assert float(weights["pose"]) == pytest.approx(2 * math.exp(-0.5) / 2)


@pytest.mark.parametrize("fixed", [0.1, 1.0, 5.0])
def test_fixed_weights_cancel_where_the_variances_have_settled(fixed: float) -> None:
    # exp(s) is twice the weighted loss of classes, and once that of a regression.
    made = method(fixed, fixed, [math.log(2 * fixed * 3.0), math.log(fixed * 1.5)])
    losses = {"expression": 3.0, "pose": 1.5}
    np.testing.assert_allclose(total(made, losses)[1], [0, 0], atol=1e-6)
    weights = made.weights({name: tf.constant(loss) for name, loss in losses.items()})
    assert float(weights["expression"]) == pytest.approx(1 / (2 * 3.0))
    assert float(weights["pose"]) == pytest.approx(1 / (2 * 1.5))


def test_a_task_without_labels_leaves_its_variance_and_adds_nothing() -> None:
    value, gradient = total(method(), {"expression": 3.0, "pose": 0.0})
    assert value == pytest.approx(3.0)
    np.testing.assert_allclose(gradient, [-2.5, 0.0])


def test_parts_of_a_batch_add_up_to_the_whole() -> None:
    made = method()
    whole, gradient = total(made, {"expression": 3.0, "pose": 1.5})
    halves = [
        total(made, losses, share=0.5)
        for losses in ({"expression": 2.0, "pose": 0.5}, {"expression": 1.0, "pose": 1.0})
    ]
    assert sum(value for value, _ in halves) == pytest.approx(whole)
    np.testing.assert_allclose(sum(own for _, own in halves), gradient, rtol=1e-6)

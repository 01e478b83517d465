import math

import pytest
import tensorflow as tf

from kfer.training.weighting import SoftOptimalUncertainty


def weights(method: SoftOptimalUncertainty, **losses: float) -> dict[str, float]:
    found = method.weights({task: tf.constant(loss) for task, loss in losses.items()})
    return {task: float(weight) for task, weight in found.items()}


def test_weights_by_hand() -> None:
    method = SoftOptimalUncertainty({"expression": 1.0, "identity": 0.1}, temperature=2.0)
    # Losses times fixed weights: 2 and 0.5; their inverses over the temperature: 1/4 and 1.
    first, second = math.exp(0.25), math.exp(1.0)
    assert weights(method, identity=5.0, expression=2.0) == pytest.approx(
        {"expression": first / (first + second), "identity": 0.1 * second / (first + second)}
    )


def test_weights_are_constants_in_the_gradient() -> None:
    method = SoftOptimalUncertainty({"a": 1.0, "b": 3.0})
    with tf.GradientTape() as tape:
        parts = {"a": tf.constant(2.0), "b": tf.constant(0.5)}
        tape.watch(parts)
        total = method.total(parts, {task: tf.stop_gradient(loss) for task, loss in parts.items()}, 1.0)
    in_force = weights(method, a=2.0, b=0.5)
    assert float(total) == pytest.approx(in_force["a"] * 2.0 + in_force["b"] * 0.5)
    gradient = tape.gradient(total, parts)
    assert {task: float(slope) for task, slope in gradient.items()} == pytest.approx(in_force)


def test_a_task_without_labels_leaves_the_weights_of_the_others() -> None:
    three = SoftOptimalUncertainty({"a": 1.0, "b": 3.0, "c": 1.0})
    two = SoftOptimalUncertainty({"a": 1.0, "b": 3.0})
    expected = weights(two, a=2.0, b=0.5) | {"c": 0.0}
    assert weights(three, a=2.0, b=0.5, c=0.0) == pytest.approx(expected)
    assert weights(three, a=0.0, b=0.0, c=0.0) == {"a": 0.0, "b": 0.0, "c": 0.0}


def test_the_smallest_loss_has_finite_weights() -> None:
    method = SoftOptimalUncertainty({"a": 1.0, "b": 1.0}, temperature=0.01)
    assert weights(method, a=1e-30, b=1.0) == pytest.approx({"a": 1.0, "b": 0.0})

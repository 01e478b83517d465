"""What every loss with labels has in common."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import tensorflow as tf

from kfer import losses

NAN = float("nan")


@dataclass(frozen=True)
class Case:
    """A loss, labels of which the second and the fourth are missing, and outputs, tame and extreme."""

    loss: Callable[..., tf.Tensor]
    labels: list
    outputs: np.ndarray
    extremes: list
    weighted: bool = True


def uniform(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(-0.9, 0.9, shape)


def on_sphere(*shape: int) -> np.ndarray:
    vectors = np.random.default_rng(0).normal(size=shape)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def with_arguments(loss: Callable[..., tf.Tensor], **arguments) -> Callable[..., tf.Tensor]:
    return lambda labels, outputs, **more: loss(labels, outputs, **arguments, **more)


CLASSES = [2, -1, 0, -1]
SHARES = [[0.2, 0.3, 0.5], [NAN] * 3, [1.0, 0.0, 3.0], [NAN] * 3]
BINARY = [[1, 0, 1], [NAN] * 3, [0, NAN, 1], [NAN] * 3]
NUMBERS = [[0.3, -2.0, 1.0], [NAN] * 3, [1.0, NAN, 0.0], [NAN] * 3]
FULL_NUMBERS = [[0.3, -2.0, 1.0], [NAN] * 3, [1.0, 0.5, 0.0], [NAN] * 3]
HUGE_LOGITS = [[1e30, -1e30, 0.0], [0.0, 0.0, 0.0], [-1e30, 1e30, 1e30], [0.0, 0.0, 0.0]]
HUGE_NUMBERS = [[1e15, -1e15, 0.0], [0.0, 0.0, 0.0], [-1e15, 1e15, 0.0], [0.0, 0.0, 0.0]]
END_COSINES = [[1.0, -1.0, -1.0], [0.0, 0.0, 0.0], [-1.0, 1.0, 1.0], [0.0, 0.0, 0.0]]
EQUAL_EMBEDDINGS = [[1.0, 0.0, 0.0]] * 6
PEOPLE = [4, -1, 4, -1, 9, 4]

CASES = {
    "cross_entropy": Case(losses.cross_entropy, CLASSES, uniform(4, 3), HUGE_LOGITS),
    "smoothed": Case(
        with_arguments(losses.cross_entropy, label_smoothing=0.1, class_weights=[1.0, 2.0, 3.0]),
        CLASSES,
        uniform(4, 3),
        HUGE_LOGITS,
    ),
    "focal": Case(losses.focal, CLASSES, uniform(4, 3), HUGE_LOGITS),
    "focal of a small gamma": Case(
        with_arguments(losses.focal, gamma=0.1), CLASSES, uniform(4, 3), HUGE_LOGITS
    ),
    "soft_cross_entropy": Case(losses.soft_cross_entropy, SHARES, uniform(4, 3), HUGE_LOGITS),
    "binary_cross_entropy": Case(losses.binary_cross_entropy, BINARY, uniform(4, 3), HUGE_LOGITS),
    "binary_focal": Case(losses.binary_focal, BINARY, uniform(4, 3), HUGE_LOGITS),
    "binary focal of a small gamma": Case(
        with_arguments(losses.binary_focal, gamma=0.1, alpha=0.25), BINARY, uniform(4, 3), HUGE_LOGITS
    ),
    "huber": Case(losses.huber, NUMBERS, uniform(4, 3), HUGE_NUMBERS),
    "mean_squared_error": Case(losses.mean_squared_error, NUMBERS, uniform(4, 3), HUGE_NUMBERS),
    "mean_absolute_error": Case(losses.mean_absolute_error, NUMBERS, uniform(4, 3), HUGE_NUMBERS),
    "concordance": Case(losses.concordance, FULL_NUMBERS, uniform(4, 3), HUGE_NUMBERS),
    "arcface": Case(losses.arcface, CLASSES, uniform(4, 3), END_COSINES),
    "cosface": Case(losses.cosface, CLASSES, uniform(4, 3), END_COSINES),
    "subcenter_arcface": Case(
        losses.subcenter_arcface, CLASSES, uniform(4, 3, 2), np.stack([END_COSINES, END_COSINES], -1)
    ),
    "center": Case(losses.center, CLASSES, uniform(4, 3), END_COSINES),
    "adacos": Case(with_arguments(losses.adacos, scale=9.0), CLASSES, uniform(4, 3), END_COSINES),
    "triplet_semihard": Case(
        losses.triplet_semihard, PEOPLE, on_sphere(6, 3), EQUAL_EMBEDDINGS, weighted=False
    ),
    "triplet_hard": Case(losses.triplet_hard, PEOPLE, on_sphere(6, 3), EQUAL_EMBEDDINGS, weighted=False),
    "triplet_hard of a soft margin": Case(
        with_arguments(losses.triplet_hard, soft=True),
        PEOPLE,
        on_sphere(6, 3),
        EQUAL_EMBEDDINGS,
        weighted=False,
    ),
    "supervised_contrastive": Case(
        with_arguments(losses.supervised_contrastive, temperature=0.01),
        PEOPLE,
        on_sphere(6, 3),
        EQUAL_EMBEDDINGS,
        weighted=False,
    ),
}
WEIGHTED = [name for name, case in CASES.items() if case.weighted]

each = pytest.mark.parametrize("name", CASES)
each_weighted = pytest.mark.parametrize("name", WEIGHTED)


@pytest.mark.parametrize("outputs_of_missing", [0.5, np.nan, np.inf])
@each
def test_a_missing_label_equals_a_removed_example(name, outputs_of_missing, value_and_gradient) -> None:
    case = CASES[name]
    outputs = np.array(case.outputs)
    outputs[[1, 3]] = outputs_of_missing
    kept = [index for index in range(len(outputs)) if index not in (1, 3)]
    value, gradient = value_and_gradient(case.loss, case.labels, outputs)
    labels = [case.labels[index] for index in kept]
    removed_value, removed_gradient = value_and_gradient(case.loss, labels, outputs[kept])
    assert removed_value != 0
    assert value == pytest.approx(removed_value, rel=1e-5)
    np.testing.assert_allclose(gradient[kept], removed_gradient, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(gradient[[1, 3]], 0)


@each
def test_no_label_at_all_gives_zero(name, value_and_gradient) -> None:
    case = CASES[name]
    labels = [case.labels[1]] * 2
    value, gradient = value_and_gradient(case.loss, labels, case.outputs[:2])
    assert value == 0
    np.testing.assert_array_equal(gradient, np.zeros_like(gradient))
    value, gradient = value_and_gradient(case.loss, np.array(labels)[:0], case.outputs[:0])
    assert value == 0


@each
def test_extreme_outputs_have_a_finite_gradient(name, value_and_gradient) -> None:
    case = CASES[name]
    value, gradient = value_and_gradient(case.loss, case.labels, case.extremes)
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("dtype", [tf.bfloat16, tf.float16])
@each
def test_outputs_of_mixed_precision_are_computed_with_in_float32(name, dtype, value_and_gradient) -> None:
    case = CASES[name]
    rounded = tf.cast(tf.constant(case.outputs, dtype), tf.float32).numpy()
    value, _ = value_and_gradient(case.loss, case.labels, rounded)
    narrow_value, gradient = value_and_gradient(case.loss, case.labels, case.outputs, dtype=dtype)
    assert narrow_value == value
    assert gradient.dtype == dtype.as_numpy_dtype


@each
def test_a_graph_gives_what_eager_execution_gives(name, value_and_gradient) -> None:
    case = CASES[name]
    signature = tf.TensorSpec([None, *case.outputs.shape[1:]], tf.float32)
    graph = tf.function(lambda outputs: case.loss(case.labels, outputs), input_signature=[signature])
    value, gradient = value_and_gradient(case.loss, case.labels, case.outputs)
    graph_value, graph_gradient = value_and_gradient(lambda _, x: graph(x), None, case.outputs)
    assert graph_value == pytest.approx(value, rel=1e-5)
    np.testing.assert_allclose(graph_gradient, gradient, rtol=1e-4, atol=1e-6)


@each
def test_a_step_against_the_gradient_lowers_the_loss(name, value_and_gradient) -> None:
    case = CASES[name]
    value, gradient = value_and_gradient(case.loss, case.labels, case.outputs)
    after, _ = value_and_gradient(case.loss, case.labels, case.outputs - 1e-3 * gradient)
    assert after < value


@each_weighted
def test_a_weight_of_two_equals_an_example_twice(name, value_and_gradient) -> None:
    case = CASES[name]
    outputs = case.outputs[[0, 2, 0]]
    labels = [case.labels[index] for index in (0, 2, 0)]
    twice, gradient_of_twice = value_and_gradient(case.loss, labels, outputs)
    value, gradient = value_and_gradient(case.loss, labels[:2], outputs[:2], sample_weight=[2.0, 1.0])
    assert value == pytest.approx(twice, rel=1e-5)
    summed = np.stack([gradient_of_twice[0] + gradient_of_twice[2], gradient_of_twice[1]])
    np.testing.assert_allclose(gradient, summed, rtol=1e-4, atol=1e-6)


@each_weighted
def test_a_weight_of_zero_equals_a_removed_example(name, value_and_gradient) -> None:
    case = CASES[name]
    outputs, labels = case.outputs[[0, 2, 1]], [case.labels[index] for index in (0, 2, 0)]
    value, gradient = value_and_gradient(case.loss, labels, outputs, sample_weight=[1.0, 1.0, 0.0])
    removed, _ = value_and_gradient(case.loss, labels[:2], outputs[:2])
    assert value == pytest.approx(removed, rel=1e-5)
    np.testing.assert_array_equal(gradient[2], 0)


@each_weighted
def test_only_the_ratio_of_weights_counts(name, value_and_gradient) -> None:
    case = CASES[name]
    weights = np.array([0.2, 1.0, 0.8, 1.0])
    value, _ = value_and_gradient(case.loss, case.labels, case.outputs, sample_weight=weights)
    scaled, _ = value_and_gradient(case.loss, case.labels, case.outputs, sample_weight=5 * weights)
    even, _ = value_and_gradient(case.loss, case.labels, case.outputs)
    assert value == pytest.approx(scaled, rel=1e-5)
    assert value != pytest.approx(even, rel=1e-4)

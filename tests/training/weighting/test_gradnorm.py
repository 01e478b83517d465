import math
from collections.abc import Sequence

import numpy as np
import pytest
import tensorflow as tf

from kfer.training.weighting import GradNorm

FIXED = {"a": 1.0, "b": 0.5}


def rows(*lengths: float) -> list[list[tf.Tensor | None]]:
    """Gradients of such lengths in a shared kernel, and of others elsewhere, by task."""
    kernels = [tf.constant([[-length], [0.0]]) for length in lengths]
    heads = [
        [tf.constant([[100.0]]) if own == task else None for own in range(len(lengths))]
        for task in range(len(lengths))
    ]
    return [
        [tf.constant([[50.0]]), kernel, tf.constant([30.0]), *head]
        for kernel, head in zip(kernels, heads, strict=True)
    ]


def step(
    method: GradNorm, gradients: Sequence[Sequence[tf.Tensor | None]], losses: Sequence[float]
) -> tuple[list[tf.Tensor | None], float]:
    constants = {task: tf.constant(loss) for task, loss in zip(method.fixed, losses, strict=True)}
    combined, total = method.combine(dict(zip(method.fixed, gradients, strict=True)), constants)
    return combined, float(total)


def factors(method: GradNorm) -> np.ndarray:
    return np.asarray(method.variables[0])


def test_a_step_by_hand() -> None:
    method = GradNorm(FIXED, alpha=1.0, learning_rate=0.3)
    combined, total = step(method, rows(5.0, 2.0), [4.0, 6.0])
    # The step has the weights that were in force.
    assert total == pytest.approx(4.0 + 0.5 * 6.0)
    np.testing.assert_allclose(combined[1], [[-(5.0 + 1.0)], [0.0]])
    np.testing.assert_allclose(combined[3], [[100.0]])
    np.testing.assert_allclose(combined[4], [[50.0]])
    # Weighted lengths are 5 and 1, their mean 3. All rates are 1, and so 3 is the target of both.
    moved = np.exp([-0.3 * 5 / 3, +0.3 * 1 / 3])
    np.testing.assert_allclose(factors(method), 2 * moved / moved.sum(), rtol=1e-5)
    weights = method.weights({task: tf.constant(1.0) for task in FIXED})
    assert [float(weights[task]) for task in FIXED] == pytest.approx(factors(method) * [1.0, 0.5])


@pytest.mark.parametrize(("alpha", "signs"), [(0.0, (-1, 1)), (1.0, (1, -1))])
def test_a_task_that_learns_more_slowly_may_have_the_longer_gradient(
    alpha: float, signs: tuple[int, int]
) -> None:
    method = GradNorm(FIXED, alpha, learning_rate=0.3)
    step(method, rows(3.0, 6.0), [4.0, 6.0])
    np.testing.assert_allclose(factors(method), [1, 1])  # weighted lengths are equal
    # Losses are halved, and as they were: with alpha 1, relative rates are 2/3 and 4/3. Weighted lengths
    # of 2.5 and 3.5 have the mean 3, and so the targets 2 and 4; with alpha 0, 3 and 3.
    step(method, rows(2.5, 7.0), [2.0, 6.0])
    moved = np.exp(-0.3 * np.array(signs) * [2.5 / 3, 3.5 / 3])
    np.testing.assert_allclose(factors(method), 2 * moved / moved.sum(), rtol=1e-5)


def test_weighted_gradients_end_up_of_one_length() -> None:
    method = GradNorm(FIXED, learning_rate=0.05)
    for _ in range(100):
        step(method, rows(10.0, 2.0), [4.0, 6.0])
    lengths = factors(method) * [10.0, 0.5 * 2.0]
    assert lengths[0] / lengths[1] == pytest.approx(1.0, abs=0.1)
    assert factors(method).sum() == pytest.approx(2.0, rel=1e-5)


def test_the_unit_of_the_gradients_does_not_matter() -> None:
    plain, scaled = GradNorm(FIXED), GradNorm(FIXED)
    step(plain, rows(5.0, 2.0), [4.0, 6.0])
    step(scaled, rows(5.0 * 2.0**15, 2.0 * 2.0**15), [4.0, 6.0])
    np.testing.assert_allclose(factors(scaled), factors(plain), rtol=1e-6)


@pytest.mark.parametrize("length", [0.0, math.inf, math.nan])
def test_gradients_that_cannot_be_compared_leave_the_factors(length: float) -> None:
    method = GradNorm(FIXED)
    step(method, rows(length, length), [4.0, 6.0])
    np.testing.assert_allclose(factors(method), [1, 1])


def test_a_task_without_labels_takes_no_part() -> None:
    two, three = GradNorm(FIXED, alpha=1.0), GradNorm({**FIXED, "c": 7.0}, alpha=1.0)
    for losses in ([4.0, 6.0], [3.0, 5.0]):
        step(two, rows(5.0, 2.0), losses)
        step(three, rows(5.0, 2.0, 0.0), [*losses, 0.0])
    assert abs(factors(two)[0] - 1) > 0.01
    np.testing.assert_allclose(factors(three), [*factors(two), 1.0], rtol=1e-6)
    # Its first loss is the first one that it has.
    step(three, rows(5.0, 2.0, 1.0), [3.0, 5.0, 8.0])
    np.testing.assert_allclose(three.variables[1], [4.0, 0.5 * 6.0, 7.0 * 8.0], rtol=1e-6)


def test_one_labelled_task_of_two_moves_nothing() -> None:
    method = GradNorm(FIXED)
    step(method, rows(5.0, 2.0), [4.0, 6.0])
    before = factors(method)
    combined, total = step(method, rows(5.0, 0.0), [4.0, 0.0])
    np.testing.assert_allclose(factors(method), before, rtol=1e-6)
    assert total == pytest.approx(4.0 * before[0])
    np.testing.assert_allclose(combined[1], [[-5.0 * before[0]], [0.0]], rtol=1e-6)


def test_tasks_that_share_no_kernel_keep_their_weights() -> None:
    method = GradNorm(FIXED)
    (_, _, bias, *heads), (_, _, _, *others) = rows(5.0, 2.0)
    combined, _ = step(method, [[None, None, bias, *heads], [None, None, bias, *others]], [4.0, 6.0])
    np.testing.assert_allclose(factors(method), [1, 1])
    assert combined[:2] == [None, None]
    np.testing.assert_allclose(combined[2], [30.0 + 0.5 * 30.0])


def test_a_run_that_goes_on_has_the_weights_of_one_that_never_stopped() -> None:
    method, resumed = GradNorm(FIXED), GradNorm(FIXED)
    step(method, rows(5.0, 2.0), [4.0, 6.0])
    for old, new in zip(method.variables, resumed.variables, strict=True):
        new.assign(np.asarray(old))
    for each in (method, resumed):
        step(each, rows(4.0, 2.0), [3.0, 1.0])
    np.testing.assert_array_equal(factors(resumed), factors(method))

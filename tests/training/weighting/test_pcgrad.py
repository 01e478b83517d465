import itertools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pytest
import tensorflow as tf

from kfer.training.weighting import PCGrad

ONES = {"a": 1.0, "b": 1.0}
THREE = {"a": 1.0, "b": 1.0, "c": 1.0}
# Each conflicts with each: what is left of one depends on the order of the other two.
CONFLICTING = [[1.0, 0.2, -0.5], [-0.6, 0.9, 0.1], [-0.2, -1.0, 0.4]]


def combine(method: PCGrad, *gradients: Sequence[tf.Tensor | None]) -> list[np.ndarray | None]:
    losses = dict.fromkeys(method.fixed, tf.constant(1.0))
    combined, _ = method.combine(dict(zip(method.fixed, gradients, strict=True)), losses)
    return [None if gradient is None else gradient.numpy() for gradient in combined]


def combine_vectors(method: PCGrad, *vectors: Sequence[float]) -> np.ndarray:
    (combined,) = combine(method, *([tf.constant(vector)] for vector in vectors))
    assert combined is not None
    return combined


def projected_sums(vectors: Sequence[Sequence[float]]) -> Iterator[np.ndarray]:
    """The sum of the projected gradients for each choice of orders, straight from the paper."""
    originals = np.array(vectors)
    names = range(len(originals))
    orders = [list(itertools.permutations([j for j in names if j != i])) for i in names]
    for chosen in itertools.product(*orders):
        projected = originals.copy()
        for i, others in enumerate(chosen):
            for j in others:
                inner = projected[i] @ originals[j]
                if inner < 0:
                    projected[i] -= inner / (originals[j] @ originals[j]) * originals[j]
        yield projected.sum(axis=0)


def test_two_conflicting_gradients_by_hand() -> None:
    # The inner product is -1. (1, 0) + (-1, 1) / 2 = (0.5, 0.5); (-1, 1) + (1, 0) / 1 = (0, 1).
    found = combine_vectors(PCGrad(ONES, seed=0), [1.0, 0.0], [-1.0, 1.0])
    np.testing.assert_allclose(found, [0.5, 1.5])


def test_gradients_without_conflict_are_added() -> None:
    found = combine_vectors(PCGrad(ONES, seed=0), [1.0, 2.0], [3.0, -1.0])
    np.testing.assert_allclose(found, [4.0, 1.0])


def test_fixed_weights_multiply_first() -> None:
    method = PCGrad({"a": 2.0, "b": 1.0}, seed=0)
    # (2, 0) + 2 / 2 * (-1, 1) = (1, 1); (-1, 1) + 2 / 4 * (2, 0) = (0, 1).
    np.testing.assert_allclose(combine_vectors(method, [1.0, 0.0], [-1.0, 1.0]), [1.0, 2.0])
    losses = {"a": tf.constant(3.0), "b": tf.constant(5.0)}
    _, total = method.combine({"a": [None], "b": [None]}, losses)
    assert float(total) == 2 * 3 + 5
    assert {task: float(weight) for task, weight in method.weights(losses).items()} == method.fixed


def test_only_shared_variables_are_compared_and_changed() -> None:
    own = tf.constant([10.0]), tf.constant([-20.0])
    a = [tf.constant([1.0]), own[0], tf.constant([[0.0]]), None, None]
    b = [tf.constant([-1.0]), None, tf.constant([[1.0]]), own[1], None]
    first, head_a, second, head_b, none = combine(PCGrad(ONES, seed=0), a, b)
    # As by hand above: the gradients of the heads would make the projections much shorter.
    np.testing.assert_allclose(first, [0.5])
    np.testing.assert_allclose(second, [[1.5]])
    np.testing.assert_allclose(head_a, own[0])
    np.testing.assert_allclose(head_b, own[1])
    assert none is None


def test_tasks_that_share_nothing_are_left_as_they_are() -> None:
    found = combine(PCGrad(ONES, seed=0), [tf.constant([1.0]), None], [None, tf.constant([2.0])])
    np.testing.assert_allclose(found, [[1.0], [2.0]])


def test_the_order_of_the_other_tasks_is_random() -> None:
    allowed = list(projected_sums(CONFLICTING))
    method = PCGrad(THREE, seed=0)
    found = [combine_vectors(method, *CONFLICTING) for _ in range(20)]
    for combined in found:
        assert any(np.allclose(combined, expected, rtol=1e-5) for expected in allowed)
    assert len({tuple(np.round(combined, 4)) for combined in found}) > 1


def test_the_order_is_a_function_of_seed_and_step() -> None:
    def run(method: PCGrad, steps: int) -> list[np.ndarray]:
        return [combine_vectors(method, *CONFLICTING) for _ in range(steps)]

    method, resumed = PCGrad(THREE, seed=3), PCGrad(THREE, seed=3)
    whole = run(method, 12)
    np.testing.assert_array_equal(run(PCGrad(THREE, seed=3), 12), whole)
    assert not np.array_equal(run(PCGrad(THREE, seed=4), 12), whole)
    resumed.variables[0].assign(4.0)
    np.testing.assert_array_equal(run(resumed, 8), whole[4:])
    np.testing.assert_array_equal(method.variables[0], 12.0)


def test_gradients_may_be_scaled_for_float16() -> None:
    scaled = np.array(CONFLICTING, np.float32) * 2.0**15
    np.testing.assert_allclose(
        combine_vectors(PCGrad(THREE, seed=0), *scaled.tolist()),
        combine_vectors(PCGrad(THREE, seed=0), *CONFLICTING) * 2.0**15,
        rtol=1e-4,
    )


@pytest.mark.parametrize("missing", ["a", "b", "c"])
def test_a_task_without_labels_is_in_nobodys_way(missing: str) -> None:
    gradients: Mapping[str, Sequence[float]] = dict(zip(THREE, CONFLICTING, strict=True))
    with_zeros = {task: [0.0] * 3 if task == missing else own for task, own in gradients.items()}
    others = [own for task, own in gradients.items() if task != missing]
    np.testing.assert_allclose(
        combine_vectors(PCGrad(THREE, seed=0), *with_zeros.values()),
        combine_vectors(PCGrad(ONES, seed=0), *others),
        rtol=1e-5,
    )

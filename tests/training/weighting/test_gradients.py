import numpy as np
import tensorflow as tf

from kfer.training.weighting.gradients import inner_products, last_shared_kernel, shared, weighted_sum

KERNEL, BIAS = tf.ones([2, 3]), tf.ones([3])


def test_a_variable_is_shared_by_those_that_reach_it() -> None:
    rows = [[KERNEL, None, BIAS, None], [KERNEL, KERNEL, None, None], [None, None, BIAS, None]]
    assert shared(rows) == [True, False, True, False]


def test_the_last_shared_kernel_is_no_bias_and_no_tasks_own() -> None:
    rows = [[KERNEL, KERNEL, BIAS, KERNEL, None], [KERNEL, KERNEL, BIAS, None, KERNEL]]
    assert last_shared_kernel(rows) == 1


def test_the_last_shared_kernel_is_one_that_all_tasks_reach_which_share() -> None:
    # The third parts early, the fourth shares nothing: its features let no gradient through.
    rows = [
        [KERNEL, KERNEL, KERNEL, None],
        [KERNEL, KERNEL, KERNEL, None],
        [KERNEL, None, None, None],
        [None, None, None, KERNEL],
    ]
    assert last_shared_kernel(rows) == 0
    assert last_shared_kernel(rows[:2]) == 2
    assert last_shared_kernel(rows[2:]) is None


def test_inner_products_are_over_what_counts() -> None:
    rows = [
        [tf.constant([[1.0, 2.0]]), tf.constant([3.0]), None],
        [tf.constant([[4.0, -5.0]]), tf.constant([6.0]), tf.constant([7.0])],
    ]
    np.testing.assert_allclose(inner_products(rows, [True, True, True]), [[14, 12], [12, 126]])
    np.testing.assert_allclose(inner_products(rows, [True, False, False]), [[5, -6], [-6, 41]])
    np.testing.assert_allclose(inner_products(rows, [False, False, False]), np.zeros([2, 2]))


def test_a_weighted_sum_leaves_out_what_nobody_reaches() -> None:
    rows = {
        "a": [tf.constant([1.0, 2.0]), None, None],
        "b": [tf.constant([3.0, 4.0]), tf.constant([5.0]), None],
    }
    both, own, none = weighted_sum(rows, {"a": tf.constant(2.0), "b": tf.constant(10.0)})
    np.testing.assert_allclose(both, [32, 44])
    np.testing.assert_allclose(own, [50])
    assert none is None

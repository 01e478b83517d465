import math

import numpy as np
import pytest
import tensorflow as tf

from kfer import losses

# The softmax of (log 3, 0) is (3/4, 1/4).
LOGITS = [[math.log(3), 0.0], [math.log(3), 0.0]]
LIKELY, UNLIKELY = math.log(4 / 3), math.log(4)


def test_cross_entropy_by_hand() -> None:
    assert float(losses.cross_entropy([0, 1], LOGITS)) == pytest.approx((LIKELY + UNLIKELY) / 2)


def test_label_smoothing_by_hand() -> None:
    # With 0.2 of smoothing over two classes, label 0 is (0.9, 0.1).
    value = losses.cross_entropy([0], LOGITS[:1], label_smoothing=0.2)
    assert float(value) == pytest.approx(0.9 * LIKELY + 0.1 * UNLIKELY)


def test_class_weights_weigh_the_mean() -> None:
    value = losses.cross_entropy([0, 1], LOGITS, class_weights=[1.0, 3.0])
    assert float(value) == pytest.approx((LIKELY + 3 * UNLIKELY) / 4)


def test_a_class_without_weight_counts_nothing() -> None:
    value = losses.cross_entropy([0, 1], LOGITS, class_weights=[1.0, 0.0])
    assert float(value) == pytest.approx(LIKELY)
    assert float(losses.cross_entropy([1, 1], LOGITS, class_weights=[1.0, 0.0])) == 0


def test_class_and_sample_weights_multiply() -> None:
    value = losses.cross_entropy([0, 1], LOGITS, class_weights=[1.0, 3.0], sample_weight=[2.0, 1.0])
    assert float(value) == pytest.approx((2 * LIKELY + 3 * UNLIKELY) / 5)


def test_soft_cross_entropy_by_hand() -> None:
    value = losses.soft_cross_entropy([[0.4, 0.6]], LOGITS[:1])
    assert float(value) == pytest.approx(0.4 * LIKELY + 0.6 * UNLIKELY)


def test_votes_count_as_their_shares() -> None:
    value = losses.soft_cross_entropy([[4.0, 6.0]], LOGITS[:1])
    assert float(value) == pytest.approx(0.4 * LIKELY + 0.6 * UNLIKELY)


def test_a_label_that_is_sure_is_a_class() -> None:
    logits = np.random.default_rng(0).normal(size=(4, 3))
    labels, weights = [2, 0, 1, -1], [0.5, 1.0, 2.0]
    shares = np.where(np.array(labels)[:, None] < 0, np.nan, np.eye(3)[labels])
    assert float(losses.soft_cross_entropy(shares, logits, weights)) == pytest.approx(
        float(losses.cross_entropy(labels, logits, class_weights=weights)), rel=1e-5
    )


def test_a_shared_label_is_an_example_of_each_class() -> None:
    logits = [[0.3, -1.0, 2.0]]
    value = losses.soft_cross_entropy([[0.2, 0.8, 0.0]], logits, [3.0, 1.0, 2.0])
    apart = losses.cross_entropy(
        [0, 1], logits * 2, class_weights=[3.0, 1.0, 2.0], sample_weight=[0.2, 0.8]
    )
    assert float(value) == pytest.approx(float(apart))


@pytest.mark.parametrize("missing", [[float("nan"), 1.0], [0.0, 0.0]])
def test_a_row_without_shares_is_missing(missing: list) -> None:
    value = losses.soft_cross_entropy([[1.0, 0.0], missing], LOGITS)
    assert float(value) == pytest.approx(LIKELY)


def test_focal_by_hand() -> None:
    # (1 - 3/4)^2 log(4/3) and (1 - 1/4)^2 log 4.
    assert float(losses.focal([0, 1], LOGITS)) == pytest.approx((LIKELY / 16 + UNLIKELY * 9 / 16) / 2)
    weighted = losses.focal([0, 1], LOGITS, class_weights=[3.0, 1.0])
    assert float(weighted) == pytest.approx((3 * LIKELY / 16 + UNLIKELY * 9 / 16) / 4)


def test_focal_of_gamma_zero_is_the_cross_entropy() -> None:
    logits = np.random.default_rng(0).normal(size=(5, 4))
    labels = [0, 1, 2, 3, -1]
    value = losses.focal(labels, logits, gamma=0.0)
    assert float(value) == pytest.approx(float(losses.cross_entropy(labels, logits)))


def test_focal_tells_small_differences_near_certainty() -> None:
    # The probability of 1 - exp(-20) is 1 in float32; gamma 1 makes exp(-20) exp(-20) of it.
    value = losses.focal([0], [[20.0, 0.0]], gamma=1.0)
    assert float(value) == pytest.approx(math.exp(-40), rel=1e-4)


def test_outputs_of_missing_examples_may_be_infinite() -> None:
    with tf.GradientTape() as tape:
        logits = tf.constant([[0.0, 0.0], [np.inf, 0.0]])
        tape.watch(logits)
        value = losses.cross_entropy([0, -1], logits)
    assert float(value) == pytest.approx(math.log(2))
    np.testing.assert_allclose(tape.gradient(value, logits), [[-0.5, 0.5], [0.0, 0.0]])

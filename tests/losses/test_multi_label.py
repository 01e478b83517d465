import math

import numpy as np
import pytest

from kfer import losses

NAN = float("nan")
# The sigmoid of log 3 is 3/4.
LOGITS = [[math.log(3), math.log(3)]]


def test_binary_cross_entropy_by_hand() -> None:
    value = losses.binary_cross_entropy([[1.0, 0.0]], LOGITS)
    assert float(value) == pytest.approx((math.log(4 / 3) + math.log(4)) / 2)


def test_each_missing_element_is_left_out_by_itself() -> None:
    labels = [[1.0, NAN], [NAN, NAN], [0.0, 1.0]]
    logits = np.random.default_rng(0).normal(size=(3, 2))
    value = losses.binary_cross_entropy(labels, logits)
    elements = losses.binary_cross_entropy([[1.0], [0.0], [1.0]], logits[[0, 2, 2], [0, 0, 1]][:, None])
    assert float(value) == pytest.approx(float(elements))


def test_a_missing_element_has_no_gradient(value_and_gradient) -> None:
    for loss in (losses.binary_cross_entropy, losses.binary_focal):
        value, gradient = value_and_gradient(
            loss, [[1.0, NAN], [NAN, 0.0]], [[0.3, np.nan], [np.inf, 1.0]]
        )
        assert np.isfinite(value)
        assert gradient[0, 1] == gradient[1, 0] == 0
        assert gradient[0, 0] < 0 < gradient[1, 1]


def test_binary_focal_by_hand() -> None:
    # (1/4)^2 log(4/3) where the label is 1, (3/4)^2 log 4 where it is 0.
    yes, no = math.log(4 / 3) / 16, math.log(4) * 9 / 16
    assert float(losses.binary_focal([[1.0, 0.0]], LOGITS)) == pytest.approx((yes + no) / 2)
    value = losses.binary_focal([[1.0, 0.0]], LOGITS, alpha=0.25)
    assert float(value) == pytest.approx((0.25 * yes + 0.75 * no) / 2)


def test_binary_focal_of_gamma_zero_is_the_cross_entropy() -> None:
    logits = np.random.default_rng(0).normal(size=(3, 2))
    labels = [[1.0, 0.0], [NAN, 1.0], [0.3, NAN]]
    value = losses.binary_focal(labels, logits, gamma=0.0)
    assert float(value) == pytest.approx(float(losses.binary_cross_entropy(labels, logits)), rel=1e-5)


def test_binary_focal_is_focal_of_two_classes() -> None:
    value = losses.binary_focal([[1.0], [0.0]], [[0.7], [-1.2]])
    assert float(value) == pytest.approx(float(losses.focal([1, 0], [[0.0, 0.7], [0.0, -1.2]])), rel=1e-5)


def test_sample_weights_weigh_elements() -> None:
    # One element of weight 3, two of weight 1.
    value = losses.binary_cross_entropy([[1.0, NAN], [0.0, 1.0]], LOGITS * 2, sample_weight=[3.0, 1.0])
    assert float(value) == pytest.approx((4 * math.log(4 / 3) + math.log(4)) / 5)

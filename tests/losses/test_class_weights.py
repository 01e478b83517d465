import numpy as np
import pytest

from kfer import losses

COUNTS = np.array([7215, 436, 0, 4830])


def test_balanced_by_hand() -> None:
    weights = losses.balanced([30, 10])
    np.testing.assert_allclose(weights, [40 / 60, 40 / 20], rtol=1e-6)
    assert weights.dtype == np.float32


def test_balanced_classes_weigh_alike() -> None:
    totals = losses.balanced(COUNTS) * COUNTS
    np.testing.assert_allclose(totals[[0, 1, 3]], totals.sum() / 3, rtol=1e-5)


def test_effective_number_by_hand() -> None:
    # Of 1, 2 and 3 examples: 1, 1 + 1/2 and 1 + 1/2 + 1/4 are effective.
    weights = losses.effective_number([1, 2, 3], beta=0.5)
    inverse = np.array([1, 1 / 1.5, 1 / 1.75])
    np.testing.assert_allclose(weights, inverse * 6 / (inverse @ [1, 2, 3]), rtol=1e-6)


@pytest.mark.parametrize("weigh", [losses.balanced, losses.effective_number])
def test_mean_over_examples_is_one_and_a_class_without_examples_weighs_nothing(weigh) -> None:
    weights = weigh(COUNTS)
    assert weights @ COUNTS / COUNTS.sum() == pytest.approx(1, rel=1e-6)
    assert weights[2] == 0
    assert weights[1] > weights[3] > weights[0] > 0


def test_beta_goes_from_even_to_balanced() -> None:
    np.testing.assert_allclose(losses.effective_number(COUNTS, beta=0.0), [1, 1, 0, 1])
    nearly = losses.effective_number(COUNTS, beta=1 - 1e-12)
    np.testing.assert_allclose(nearly, losses.balanced(COUNTS), rtol=1e-6)


@pytest.mark.parametrize("counts", [[0, 0], [1, -1], [1.0, np.nan], [[1, 2]], []])
def test_counts_that_cannot_be_are_refused(counts) -> None:
    for weigh in (losses.balanced, losses.effective_number):
        with pytest.raises(ValueError, match="number of examples of each class, at least 0"):
            weigh(counts)


@pytest.mark.parametrize("beta", [1.0, -0.1, np.nan])
def test_beta_out_of_range_is_refused(beta: float) -> None:
    with pytest.raises(ValueError, match=r"expected beta in \[0, 1\)"):
        losses.effective_number([1, 2], beta)

import numpy as np
import pytest

from kfer import losses

NAN = float("nan")


def concordance_of(x: np.ndarray, y: np.ndarray) -> float:
    """Lin's coefficient as his paper has it."""
    covariance = np.mean((x - x.mean()) * (y - y.mean()))
    return 2 * covariance / (x.var() + y.var() + (x.mean() - y.mean()) ** 2)


def test_huber_by_hand() -> None:
    # Errors of 0.5, -1 and 3 with delta 1: 1/8, 1/2 and 1 (3 - 1/2).
    value = losses.huber([[0.0, 1.0, 0.0]], [[0.5, 0.0, 3.0]])
    assert float(value) == pytest.approx((0.125 + 0.5 + 2.5) / 3)


def test_huber_has_a_gradient_of_at_most_delta(value_and_gradient) -> None:
    _, gradient = value_and_gradient(losses.huber, [[0.0]] * 3, [[0.5], [100.0], [-100.0]], delta=2.0)
    np.testing.assert_allclose(3 * gradient[:, 0], [0.5, 2.0, -2.0], rtol=1e-6)


def test_means_of_errors_by_hand() -> None:
    labels, outputs = [[1.0, NAN], [NAN, -2.0]], [[3.0, 7.0], [7.0, -3.0]]
    assert float(losses.mean_squared_error(labels, outputs)) == pytest.approx((4 + 1) / 2)
    assert float(losses.mean_absolute_error(labels, outputs)) == pytest.approx((2 + 1) / 2)
    assert float(losses.mean_absolute_error(labels, outputs, [3.0, 1.0])) == pytest.approx((6 + 1) / 4)


@pytest.mark.parametrize(
    "loss",
    [losses.huber, losses.mean_squared_error, losses.mean_absolute_error, losses.concordance],
)
def test_a_missing_element_has_no_gradient(loss, value_and_gradient) -> None:
    labels = [[1.0, NAN], [2.0, 0.0], [NAN, 1.0]]
    value, gradient = value_and_gradient(loss, labels, [[0.3, NAN], [1.5, 1.0], [np.inf, 0.2]])
    assert np.isfinite(value)
    assert gradient[0, 1] == gradient[2, 0] == 0
    assert (gradient[[0, 1, 1, 2], [0, 0, 1, 1]] != 0).all()


def test_concordance_is_one_minus_lins_coefficient() -> None:
    x, y = np.random.default_rng(0).normal(size=(2, 20, 3)).astype(np.float32)
    y += 0.5 * x + [0.0, 1.0, -3.0]
    expected = np.mean([1 - concordance_of(x[:, column], y[:, column]) for column in range(3)])
    assert float(losses.concordance(x, y)) == pytest.approx(expected, rel=1e-5)


def test_concordance_of_a_column_with_gaps_is_that_of_its_labelled_part() -> None:
    x, y = np.random.default_rng(0).normal(size=(2, 6, 2)).astype(np.float32)
    gaps = x.copy()
    gaps[[0, 3], 0] = np.nan
    gaps[5, 1] = np.nan
    expected = 1 - np.mean(
        [concordance_of(x[[1, 2, 4, 5], 0], y[[1, 2, 4, 5], 0]), concordance_of(x[:5, 1], y[:5, 1])]
    )
    assert float(losses.concordance(gaps, y)) == pytest.approx(expected, rel=1e-5)


def test_concordance_leaves_out_columns_of_one_labelled_row(value_and_gradient) -> None:
    labels, outputs = [[0.0, 5.0], [2.0, NAN]], [[1.0, 9.0], [3.0, 9.0]]
    value, gradient = value_and_gradient(losses.concordance, labels, outputs)
    assert value == pytest.approx(1 / 3)
    np.testing.assert_array_equal(gradient[:, 1], 0)
    assert value_and_gradient(losses.concordance, [[5.0]], [[9.0]])[0] == 0


def test_concordance_ends_at_zero_and_two() -> None:
    column = np.array([[0.0], [1.0], [5.0]])
    assert float(losses.concordance(column, column)) == pytest.approx(0, abs=1e-6)
    assert float(losses.concordance(column - 2, 2 - column)) == pytest.approx(2)


def test_concordance_of_constants_has_a_finite_gradient(value_and_gradient) -> None:
    value, gradient = value_and_gradient(losses.concordance, [[1.0]] * 3, [[1.0]] * 3)
    assert value == 0
    np.testing.assert_array_equal(gradient, 0)
    value, gradient = value_and_gradient(losses.concordance, [[0.0], [1.0]], [[0.5], [0.5]])
    assert value == pytest.approx(1)
    assert np.isfinite(gradient).all()
    assert gradient[0, 0] < 0 or gradient[1, 0] < 0

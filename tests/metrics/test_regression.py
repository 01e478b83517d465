import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sklearn_metrics

from kfer import metrics
from kfer.metrics.regression import weighted_figures

NAN = float("nan")


def test_figures_by_hand():
    # Errors 1, 1, -2. Means 1 and 1; variances 2/3 and 2/3; covariance (-1 * 0 + 0 * 1 + 1 * -1) / 3.
    labels, predictions = np.array([[0.0], [1.0], [2.0]]), np.array([[1.0], [2.0], [0.0]])
    figures = metrics.per_number(labels, predictions)
    assert figures.mean_absolute_error == pytest.approx(4 / 3)
    assert figures.root_mean_squared_error == pytest.approx(np.sqrt(6 / 3))
    assert figures.pearson == pytest.approx(-1 / 2)
    assert figures.concordance == pytest.approx(-1 / 2)
    assert figures.support == 3


def test_concordance_falls_with_a_wrong_scale_and_a_wrong_mean():
    # Predictions 2 x + 1 of x = -1, 0, 1: variances 2/3 and 8/3, covariance 4/3, means 1 apart.
    labels = np.array([[-1.0], [0.0], [1.0]])
    figures = metrics.per_number(labels, 2 * labels + 1)
    assert figures.pearson == pytest.approx(1)
    assert figures.concordance == pytest.approx((8 / 3) / (10 / 3 + 1))
    assert metrics.per_number(labels, labels).concordance == pytest.approx(1)


@pytest.mark.parametrize("offset", [0.0, 1e6])
@pytest.mark.parametrize("seed", range(3))
def test_figures_agree_with_scipy_and_scikit_learn_where_labels_are_known(seed, offset):
    rng = np.random.default_rng(seed)
    labels = rng.normal(offset, 2, (60, 3))
    predictions = 0.7 * labels + rng.normal(0, 1, (60, 3))
    labels[rng.random((60, 3)) < 0.3] = NAN
    figures = metrics.per_number(labels, predictions)
    for column in range(3):
        known = ~np.isnan(labels[:, column])
        x, y = labels[known, column], predictions[known, column]
        assert figures.pearson[column] == pytest.approx(stats.pearsonr(x, y).statistic)
        assert figures.mean_absolute_error[column] == pytest.approx(
            sklearn_metrics.mean_absolute_error(x, y)
        )
        assert figures.root_mean_squared_error[column] == pytest.approx(
            sklearn_metrics.root_mean_squared_error(x, y)
        )
        covariance = np.cov(x, y, ddof=0)
        concordance = 2 * covariance[0, 1] / (np.trace(covariance) + (x.mean() - y.mean()) ** 2)
        assert figures.concordance[column] == pytest.approx(concordance)
        assert figures.support[column] == known.sum()


def test_what_has_no_figure_is_nan_and_left_out_of_the_means():
    # Columns: one example; labels all equal; both all the same number; none labelled; as they should be.
    labels = np.array([[0.5, 0.1, 0.3, NAN, 1.0], [NAN, 0.1, 0.3, NAN, 2.0], [NAN, 0.1, 0.3, NAN, 3.0]])
    predictions = np.array([[1.0, 1.0, 0.3, 1, 1.0], [9, 0.5, 0.3, 1, 2.0], [9, 0.2, 0.3, 1, 3.0]])
    figures = metrics.per_number(labels, predictions)
    np.testing.assert_allclose(figures.pearson, [NAN, NAN, NAN, NAN, 1])
    np.testing.assert_allclose(figures.concordance, [NAN, 0, NAN, NAN, 1], atol=1e-12)
    np.testing.assert_allclose(figures.mean_absolute_error, [0.5, (0.9 + 0.4 + 0.1) / 3, 0, NAN, 0])
    np.testing.assert_array_equal(figures.support, [1, 3, 3, 0, 3])
    means = figures.means()
    assert means["concordance"] == pytest.approx(1 / 2) and means["pearson"] == pytest.approx(1)
    assert means["mean_absolute_error"] == pytest.approx((0.5 + 1.4 / 3) / 4)
    assert "support" not in means


def test_an_example_that_counts_twice_is_as_good_as_two():
    rng = np.random.default_rng(0)
    labels, predictions = rng.normal(size=(6, 2)), rng.normal(size=(6, 2))
    labels[0, 1] = NAN
    counts = np.array([[2.0, 0, 1, 3, 1, 1]])
    chosen = np.repeat(np.arange(6), counts[0].astype(int))
    drawn = metrics.per_number(labels[chosen], predictions[chosen])
    for name, values in weighted_figures(labels, predictions, counts).items():
        np.testing.assert_allclose(values[0], getattr(drawn, name), err_msg=name)


def test_one_example_that_counts_twice_has_no_concordance():
    figures = weighted_figures(np.array([[1.0], [2.0]]), np.array([[1.0], [3.0]]), np.array([[2.0, 0.0]]))
    assert np.isnan(figures["concordance"]).all() and np.isnan(figures["pearson"]).all()


@pytest.mark.parametrize("seed", range(10))
def test_labels_that_are_all_equal_in_a_resample_have_no_correlation(seed):
    # Rounding leaves a covariance of 1e-17 or so, which divided by no variance is 1 or -1.
    rng = np.random.default_rng(seed)
    labels = np.append(np.full(5, rng.normal()), 0.0)[:, np.newaxis]
    counts = np.array([[1.0, 1, 1, 1, 1, 0]])
    figures = weighted_figures(labels, rng.normal(size=(6, 1)), counts)
    assert np.isnan(figures["pearson"]).all()
    assert figures["concordance"] == pytest.approx(0, abs=1e-12)


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match=r"labels and predictions of one shape.*\(3,\) and \(3, 1\)"):
        metrics.per_number(np.zeros(3), np.zeros((3, 1)))

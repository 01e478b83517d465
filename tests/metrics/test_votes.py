import numpy as np
import pytest

from kfer import metrics
from kfer.metrics.votes import label_shares

NAN = float("nan")


def test_the_top_class_is_missing_without_votes_and_where_two_tie():
    votes = np.array([[0.1, 0.6, 0.3], [5, 5, 0], [NAN, NAN, NAN], [0, 0, 10]])
    np.testing.assert_array_equal(metrics.top_class(votes), [1, -1, -1, 2])


def test_agreement_by_hand():
    # Ten people each: 6 to 4, and all of one mind; a third image was not voted on.
    votes = np.array([[6, 4], [0, 10], [NAN, NAN]])
    probabilities = np.array([[0.5, 0.5], [0.75, 0.25], [0.9, 0.1]])
    found = metrics.agreement(votes, probabilities)
    assert found.agreement == pytest.approx((0.6 + 0) / 2)
    assert found.highest_agreement == pytest.approx((0.6 + 1) / 2)
    assert found.cross_entropy == pytest.approx((np.log(2) + np.log(4)) / 2)
    entropy = -(0.6 * np.log(0.6) + 0.4 * np.log(0.4))
    assert found.divergence == pytest.approx((np.log(2) - entropy + np.log(4)) / 2)
    assert found.support == 2


def test_a_network_that_says_the_votes_diverges_from_them_by_nothing():
    votes = np.random.default_rng(0).dirichlet(np.ones(5), 20)
    found = metrics.agreement(7 * votes, votes)
    assert found.divergence == pytest.approx(0, abs=1e-12)
    assert found.agreement == pytest.approx(found.highest_agreement)


def test_a_probability_of_zero_costs_much_but_not_infinitely_much():
    found = metrics.agreement(np.array([[0.5, 0.5]]), np.array([[1.0, 0.0]]))
    assert 300 < found.cross_entropy < 400


def test_nothing_voted_on_is_no_agreement():
    found = metrics.agreement(np.full((3, 2), NAN), np.full((3, 2), 0.5))
    assert np.isnan(found.agreement) and np.isnan(found.divergence) and found.support == 0


@pytest.mark.parametrize("row", [[0.5, NAN], [1.0, -1.0], [0.0, 0.0]])
def test_rows_that_are_no_votes_are_refused(row):
    with pytest.raises(ValueError, match="expected votes of at least 0, some above, or nan for all"):
        metrics.agreement(np.array([[1.0, 2.0], row]), np.full((2, 2), 0.5))


def test_a_label_is_one_vote():
    shares, known = label_shares(np.array([2, -1, 0]), 3)
    np.testing.assert_array_equal(shares, [[0, 0, 1], [1, 0, 0]])
    np.testing.assert_array_equal(known, [True, False, True])

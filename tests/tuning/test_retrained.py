import math

import numpy as np
import pytest
from toy_tuning import retrained

from kfer.tuning.retrained import changes


def test_a_change_is_of_seeds_that_both_have(results):
    found = retrained(results, {"as_set": (0.60, 0.62), "best": (0.65, 0.69, 0.1)}).retrained
    (change,) = changes(found)
    assert (change.seeds, change.figure.name) == (2, "expression_accuracy")
    assert (change.as_set, change.best) == pytest.approx((0.61, 0.67))
    assert change.difference.value == pytest.approx(0.06)
    # Of 0.05 and 0.07; Student's t with one degree of freedom.
    reach = 12.7062 * np.std((0.05, 0.07), ddof=1) / 2**0.5
    assert change.difference.high == pytest.approx(0.06 + reach, rel=1e-4)
    assert change.sign == 0


@pytest.mark.parametrize(("best", "sign"), [((0.7, 0.71, 0.72), 1), ((0.5, 0.51, 0.52), -1)])
def test_a_change_is_more_than_chance_where_the_interval_says_so(results, best, sign):
    found = retrained(results, {"as_set": (0.60, 0.61, 0.62), "best": best}).retrained
    assert [change.sign for change in changes(found)] == [sign]


def test_one_seed_has_no_interval(results):
    (change,) = changes(retrained(results, {"as_set": (0.6,), "best": (0.7,)}).retrained)
    assert math.isnan(change.difference.low) and change.sign == 0


def test_without_both_there_is_no_change(results):
    assert changes(retrained(results, {"as_set": (0.6,), "best": ()}).retrained) == []

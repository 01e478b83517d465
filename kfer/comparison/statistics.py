"""How sure a difference between networks is: intervals over seeds, and tests. NumPy and SciPy."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from kfer import spec
from kfer.metrics import LEVEL, Interval

#: Discordant pairs below which McNemar's test is exact, and from which it is approximate.
FEW_DISCORDANT = 25


@dataclass(frozen=True)
class McNemar:
    """Whether two networks err on different images in a way that chance does not explain.

    Attributes:
        only_first: Images that only the first network told right.
        only_second: Images that only the second network told right.
        p_value: Of the hypothesis that both are right equally often, two-sided.
        exact: Whether it is from the binomial distribution, not from the approximation.
    """

    only_first: int
    only_second: int
    p_value: float
    exact: bool


def over_seeds(values: Sequence[float]) -> Interval:
    """Returns the mean and Student's t interval of one figure of several trainings.

    Args:
        values: One a seed, at least two.

    Raises:
        ValueError: There are fewer than two.
    """
    if len(values) < 2:
        raise ValueError(f"an interval over seeds needs at least 2 of them; got {len(values)}")
    mean = float(np.mean(values))
    error = float(np.std(values, ddof=1)) / len(values) ** 0.5
    reach = float(stats.t.ppf((1 + LEVEL) / 2, len(values) - 1)) * error
    return Interval(mean, mean - reach, mean + reach)


def mcnemar(labels: np.ndarray, first: np.ndarray, second: np.ndarray) -> McNemar:
    """Returns McNemar's test (1947) of two networks' predictions on the same images.

    With fewer than 25 images on which only one is right, the binomial distribution gives the exact
    value; else chi-squared with Edwards's continuity correction (1948) approximates it.

    Args:
        labels: int `[n]`, -1 where missing: such images do not count.
        first: int `[n]`, one network's predictions.
        second: int `[n]`, the other's.

    Raises:
        ValueError: The lengths differ.
    """
    labels, first, second = np.asarray(labels), np.asarray(first), np.asarray(second)
    if not labels.shape == first.shape == second.shape:
        raise ValueError(
            "expected as many predictions of each network as labels; got shapes "
            f"{labels.shape}, {first.shape} and {second.shape}"
        )
    known = labels != spec.MISSING_LABEL
    first_right, second_right = (first == labels) & known, (second == labels) & known
    only_first = int(np.sum(first_right & ~second_right))
    only_second = int(np.sum(second_right & ~first_right))
    discordant = only_first + only_second
    if not discordant:
        return McNemar(0, 0, 1.0, exact=True)
    if discordant < FEW_DISCORDANT:
        p_value = stats.binomtest(only_first, discordant).pvalue
        return McNemar(only_first, only_second, float(p_value), exact=True)
    # Where both are equal, the correction would make a difference of what is none.
    difference = max(abs(only_first - only_second) - 1, 0)
    p_value = stats.chi2.sf(difference**2 / discordant, 1)
    return McNemar(only_first, only_second, float(p_value), exact=False)


def holm(p_values: Sequence[float]) -> list[float]:
    """Returns p values that allow for as many tests as there are (Holm 1979), in the given order."""
    count = len(p_values)
    adjusted, highest = [0.0] * count, 0.0
    for rank, index in enumerate(sorted(range(count), key=lambda index: p_values[index])):
        highest = max(highest, min(1.0, (count - rank) * p_values[index]))
        adjusted[index] = highest
    return adjusted

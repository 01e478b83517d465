"""How far a figure may be off: percentile intervals over examples drawn with replacement (Efron 1979).

A share of examples that are independent has an exact one instead (Clopper and Pearson 1934).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy import stats

from kfer.metrics.classes import mean_f1

LEVEL = 0.95
#: Numbers that a step of the bootstrap holds in one array: 64 MB.
_MOST_NUMBERS = 2**23

#: From how often each example is drawn, float64 [resamples, n], to figures, float64 [resamples] each.
Figures = Callable[[np.ndarray], Mapping[str, np.ndarray]]


@dataclass(frozen=True)
class Interval:
    """A figure and how far it may be off.

    Attributes:
        value: The figure.
        low: Lower end of its 95 % interval; nan where there is nothing to tell it from.
        high: Upper end, likewise.
    """

    value: float
    low: float
    high: float


def intervals(
    figures: Figures,
    num_examples: int,
    resamples: int,
    seed: int,
    groups: np.ndarray | None = None,
    strata: np.ndarray | None = None,
) -> dict[str, Interval]:
    """Returns figures with percentile intervals over examples.

    Examples are drawn with replacement, as many as there are. Those of one group are drawn together:
    images of one person are alike, and an interval that takes them for independent is too narrow.

    An interval says how much the figure would vary with other examples of the same kind. It does not
    see what no example shows: where all answers are right, it has no width, however few there are. And
    with few groups (ten, say) it is too narrow: they have not shown how much people differ.

    Args:
        figures: Gives the figures of resamples. One that is nan in some of them (a class that was
            not drawn) has its interval from the others.
        num_examples: How many examples there are.
        resamples: How often they are drawn.
        seed: Seeds the draws.
        groups: int [num_examples], equal for examples that are drawn together; None draws each alone.
        strata: int or bool [num_examples]. Each value keeps its number of groups in every resample,
            as genuine and impostor pairs do, whose numbers somebody chose. None is one stratum.

    Returns:
        The figures by name. The ends are nan where a stratum has fewer than two groups.
    """
    groups = np.arange(num_examples) if groups is None else np.asarray(groups)
    strata = np.zeros(num_examples, int) if strata is None else np.asarray(strata)
    values = figures(np.ones((1, num_examples)))
    members = [np.flatnonzero(strata == stratum) for stratum in np.unique(strata)]
    numbered = [np.unique(groups[own], return_inverse=True) for own in members]
    if not numbered or min(len(names) for names, _ in numbered) < 2:
        nan = float("nan")
        return {name: Interval(float(value[0]), nan, nan) for name, value in values.items()}
    rng = np.random.default_rng(seed)
    drawn: dict[str, list[np.ndarray]] = {name: [] for name in values}
    chunk = max(1, _MOST_NUMBERS // num_examples)
    for start in range(0, resamples, chunk):
        counts = np.empty((min(chunk, resamples - start), num_examples))
        for own, (names, group) in zip(members, numbered, strict=True):
            counts[:, own] = _draw(rng, len(counts), len(names))[:, group]
        for name, figure in figures(counts).items():
            drawn[name].append(figure)
    return {name: _percentiles(float(values[name][0]), np.concatenate(drawn[name])) for name in values}


def confusion_intervals(confusion: np.ndarray, resamples: int, seed: int) -> tuple[Interval, Interval]:
    """Returns accuracy and macro F1 with percentile intervals over images.

    Which images are drawn does not matter to either figure, only how many fall in each cell of the
    confusion matrix: a multinomial draw.

    Args:
        confusion: int `[classes, classes]` from `confusion_matrix`, at least one image.
        resamples: How often all images are drawn.
        seed: Seeds the draws.

    Raises:
        ValueError: There are no images.
    """
    confusion = _checked(confusion)
    images = int(confusion.sum())
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(images, confusion.ravel() / images, resamples)
    # The confusion matrix itself comes first, then the resamples.
    every = np.concatenate([confusion[np.newaxis], drawn.reshape(resamples, *confusion.shape)])
    right = np.diagonal(every, axis1=1, axis2=2)
    accuracy = right.sum(axis=1) / images
    macro_f1 = mean_f1(right, every.sum(axis=1), every.sum(axis=2))
    return (
        _percentiles(float(accuracy[0]), accuracy[1:]),
        _percentiles(float(macro_f1[0]), macro_f1[1:]),
    )


def balanced_accuracy_interval(confusion: np.ndarray, resamples: int, seed: int) -> Interval:
    """Returns the mean recall of the classes that have images, with its percentile interval.

    Each class keeps its number of images in every resample, as where somebody chose it.

    Args:
        confusion: int `[classes, classes]` from `confusion_matrix`, at least one image.
        resamples: How often all images are drawn.
        seed: Seeds the draws.

    Raises:
        ValueError: There are no images.
    """
    confusion = _checked(confusion)
    present = confusion.sum(axis=1) > 0
    support, right = confusion.sum(axis=1)[present], np.diag(confusion)[present]
    drawn = np.random.default_rng(seed).binomial(support, right / support, (resamples, len(support)))
    return _percentiles(float(np.mean(right / support)), np.mean(drawn / support, axis=1))


def share_interval(count: int, total: int) -> Interval:
    """Returns a share with its exact interval, which has a width where none or all are counted.

    Args:
        count: How many are.
        total: Out of how many, at least 1.
    """
    around = stats.binomtest(count, total).proportion_ci(LEVEL, "exact")
    return Interval(count / total, float(around.low), float(around.high))


def _checked(confusion: np.ndarray) -> np.ndarray:
    confusion = np.asarray(confusion)
    if not confusion.sum():
        raise ValueError("expected a confusion matrix of at least one image; it is empty")
    return confusion


def _draw(rng: np.random.Generator, resamples: int, num: int) -> np.ndarray:
    """How often each of `num` is drawn, int [resamples, num]; each row's sum is `num`."""
    cells = rng.integers(num, size=(resamples, num)) + num * np.arange(resamples)[:, np.newaxis]
    return np.bincount(cells.ravel(), minlength=resamples * num).reshape(resamples, num)


def _percentiles(value: float, drawn: np.ndarray) -> Interval:
    drawn = drawn[~np.isnan(drawn)]
    if np.isnan(value) or not len(drawn):
        return Interval(value, float("nan"), float("nan"))
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(value, float(low), float(high))

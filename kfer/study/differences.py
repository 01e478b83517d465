"""By how much networks differ on the very same test images and pairs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kfer import metrics, spec
from kfer.metrics import Figures, Interval, bootstrap
from kfer.study import recalls
from kfer.study.settings import FALSE_ACCEPT_RATE

_SEED = 0


@dataclass(frozen=True)
class Expressions:
    """What a network said of the test images whose expression is known.

    Attributes:
        labels: int [n].
        predictions: int [n].
        people: int [n], who is on each image, -1 where nobody knows.
        num_classes: Expressions there are.
    """

    labels: np.ndarray
    predictions: np.ndarray
    people: np.ndarray
    num_classes: int


@dataclass(frozen=True)
class Pairs:
    """How similar a network takes the images of each test pair to be.

    Attributes:
        similarities: float [n].
        same: bool [n], whether both images show one person.
        folds: int [n].
    """

    similarities: np.ndarray
    same: np.ndarray
    folds: np.ndarray


def of_expressions(
    first: Sequence[Expressions], second: Sequence[Expressions], resamples: int
) -> dict[str, Interval]:
    """Returns the second's figures less the first's, with 95 % intervals over images.

    They are "accuracy", "macro_f1" and, of each class that has images, "recall_0" and so on.

    Each draw of the test images counts for all networks alike, which makes the interval narrower the
    more their errors are the same. Images of one person are drawn together, others each alone.

    Args:
        first: Of some networks, whose mean counts; the seeds of a variant.
        second: Of others, likewise.
        resamples: How often the images are drawn.

    Raises:
        ValueError: They were judged on different images.
    """
    one = first[0]
    for other in (*first, *second):
        _check_alike("images", (one.labels, one.people), (other.labels, other.people))
    unknown = one.people == spec.MISSING_LABEL
    groups = np.where(unknown, -1 - np.arange(len(one.people)), one.people)
    own, others = ([_of_expressions(said) for said in networks] for networks in (first, second))
    return bootstrap.intervals(_less(own, others), len(one.labels), resamples, _SEED, groups)


def of_pairs(first: Sequence[Pairs], second: Sequence[Pairs], resamples: int) -> dict[str, Interval]:
    """Returns the second's figures less the first's, with 95 % intervals over pairs.

    They are "accuracy" and "tar_at_far_0.01", as `kfer.metrics.pair_intervals` has them.

    Args:
        first: Of some networks, whose mean counts; the seeds of a variant.
        second: Of others, likewise.
        resamples: How often the pairs are drawn, genuine and impostor ones apart.

    Raises:
        ValueError: They were judged on different pairs.
    """
    one = first[0]
    for other in (*first, *second):
        _check_alike("pairs", (one.same, one.folds), (other.same, other.folds))
    own, others = (
        [
            metrics.pair_figures(told.similarities, told.same, told.folds, (FALSE_ACCEPT_RATE,))
            for told in networks
        ]
        for networks in (first, second)
    )
    return bootstrap.intervals(_less(own, others), len(one.same), resamples, _SEED, strata=one.same)


def _of_expressions(said: Expressions) -> Figures:
    told = (said.labels, said.predictions, said.num_classes)
    whole, each = metrics.class_figures(*told), recalls.of_resamples(*told)
    return lambda counts: {**whole(counts), **each(counts)}


def _less(first: Sequence[Figures], second: Sequence[Figures]) -> Figures:
    """What gives, of resamples, the mean of the second's figures less that of the first's."""

    def figures(counts: np.ndarray) -> dict[str, np.ndarray]:
        own, others = ([one(counts) for one in networks] for networks in (first, second))
        # Rounded, for means over seeds that are equal may differ in their last bit, which has a sign.
        return {
            name: np.round(
                np.mean([figure[name] for figure in others], axis=0)
                - np.mean([figure[name] for figure in own], axis=0),
                12,
            )
            for name in own[0]
        }

    return figures


def _check_alike(what: str, one: Sequence[np.ndarray], other: Sequence[np.ndarray]) -> None:
    if not all(np.array_equal(array, own) for array, own in zip(one, other, strict=True)):
        raise ValueError(
            f"expected networks that were judged on the same {what}; they differ, since the data or the "
            "code changed between the runs: run the study again, and what is outdated is made anew"
        )

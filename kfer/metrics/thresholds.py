"""Thresholds for stated false accept rates, and how sure they are."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from kfer.metrics import bootstrap
from kfer.metrics.bootstrap import Figures, Interval, share_interval
from kfer.metrics.verification import roc, threshold_at_far

#: From how often each pair is drawn to false and true accept rates; see `accepts`.
Accepts = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
#: Expected false accepts below which a rate is called unreliable.
FALSE_ACCEPTS_NEEDED = 10


@dataclass(frozen=True)
class ThresholdAtRate:
    """A threshold that was chosen not to exceed a false accept rate.

    Attributes:
        false_accept_rate: The rate that was asked for, in [0, 1].
        threshold: The similarity from which pairs are accepted, in [-1, 1], or a little above 1 where no
            pair may be; its interval is over other pairs of the same kind.
        true_accept_rate: The share of genuine pairs that are accepted.
        measured_false_accept_rate: The share of these impostor pairs that are; its interval is the exact
            one of a share (Clopper and Pearson 1934), so that it has a width where none was accepted.
        reliable: Whether at least 10 false accepts are expected among so many impostor pairs.
    """

    false_accept_rate: float
    threshold: Interval
    true_accept_rate: Interval
    measured_false_accept_rate: Interval
    reliable: bool


def thresholds_at_rates(
    similarities: np.ndarray, same: np.ndarray, rates: Sequence[float], resamples: int, seed: int
) -> list[ThresholdAtRate]:
    """Returns the threshold of each false accept rate, with 95 % intervals.

    Pairs are drawn as in `pair_intervals`, and each resample chooses its own threshold.

    Args:
        similarities: float [n], finite.
        same: bool [n], some of each kind.
        rates: False accept rates in [0, 1].
        resamples: How often the pairs are drawn.
        seed: Seeds the draws.

    Raises:
        ValueError: There is no genuine pair, no impostor pair, a similarity is not finite, or a rate is
            not in [0, 1].
    """
    similarities, same = np.asarray(similarities, np.float64), np.asarray(same, bool)
    curve = roc(similarities, same)
    thresholds = [threshold_at_far(curve, rate) for rate in rates]
    figures = _figures(similarities, same, rates)
    drawn = bootstrap.intervals(figures, len(same), resamples, seed, strata=same)
    impostors = similarities[~same]
    found = []
    for number, (rate, threshold) in enumerate(zip(rates, thresholds, strict=True)):
        around = drawn[f"threshold {number}"]
        found.append(
            ThresholdAtRate(
                rate,
                Interval(threshold, around.low, around.high),
                drawn[f"tar {number}"],
                share_interval(int((impostors >= threshold).sum()), len(impostors)),
                len(impostors) * rate >= FALSE_ACCEPTS_NEEDED,
            )
        )
    return found


def accepts(similarities: np.ndarray, same: np.ndarray) -> tuple[np.ndarray, Accepts]:
    """Returns where a threshold can lie, and what gives the rates of accepting down to there.

    Args:
        similarities: float [n].
        same: bool [n], some of each kind.

    Returns:
        The different similarities, float [steps], descending; and the function that returns, of how often
        each pair is drawn, float64 [resamples, n], the false and the true accept rates of accepting what
        is at least as similar, float64 [resamples, steps] each.
    """
    order = np.argsort(-np.asarray(similarities, np.float64), kind="stable")
    ordered, genuine = np.asarray(similarities)[order], np.asarray(same, bool)[order]
    # Behind the last of pairs that are equally similar.
    ends = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)

    def rates(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        by_similarity = counts[:, order]
        far, tar = (
            np.cumsum(by_similarity * kind, axis=1)[:, ends] / kind.sum() for kind in (~genuine, genuine)
        )
        return far, tar

    return ordered[ends], rates


def _figures(similarities: np.ndarray, same: np.ndarray, rates: Sequence[float]) -> Figures:
    seen, rates_of = accepts(similarities, same)
    # As `threshold_at_far` lays them.
    steps = np.concatenate([[seen[0] + 1e-6], (seen[:-1] + seen[1:]) / 2, [seen[-1] - 1e-6]])

    def figures(counts: np.ndarray) -> dict[str, np.ndarray]:
        far, tar = rates_of(counts)
        rows, found = np.arange(len(counts)), {}
        for number, rate in enumerate(rates):
            # So many of the steps keep to the rate; with none of them, nothing is accepted.
            kept = (far <= rate).sum(axis=1)
            found[f"threshold {number}"] = steps[kept]
            found[f"tar {number}"] = np.where(kept > 0, tar[rows, np.maximum(kept, 1) - 1], 0.0)
        return found

    return figures

"""Reports of how well a network knows people, as `reports` are of other tasks."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from kfer import metrics, spec

_ROC_POINTS = 200
_HISTOGRAM_EDGES = np.linspace(-1.0, 1.0, 51)


def verification_report(
    similarities: np.ndarray,
    same: np.ndarray,
    folds: np.ndarray | None,
    num_folds: int,
    false_accept_rates: Sequence[float],
) -> dict[str, Any]:
    """Returns how well pairs are told to show one person or two.

    Args:
        similarities: float [n], cosines.
        same: bool [n].
        folds: int [n], the protocol's own folds. With None, or where a fold is -1, each kind of pair is
            dealt out in turn to `num_folds` folds; then people may be in several folds.
        num_folds: Folds where the pairs bring none.
        false_accept_rates: Rates at which the true accept rate is reported.

    Returns:
        `num_pairs`, `num_genuine`, `num_folds`, `accuracy` and `accuracy_std` over folds, each with the
        threshold that is best on the other folds; `auc`; `eer`; `tar_at_far`: `far`, `tar` and `reliable`
        of each rate, which is reliable where at least 10 false accepts are expected, so with 10 / far
        impostor pairs; `roc`: at most 200 pairs of far and tar; `histogram`: `edges` of bins of
        similarity, and counts of `genuine` and `impostor` pairs in them.

    Raises:
        ValueError: There is no genuine or no impostor pair, or a similarity is not finite.
    """
    similarities, same = np.asarray(similarities, np.float64), np.asarray(same, bool)
    curve = metrics.roc(similarities, same)
    folds = metrics.folds_of(same, folds, num_folds)
    accuracy = metrics.verification_accuracy(similarities, same, folds)
    num_impostors = int(np.sum(~same))
    points = np.unique(np.linspace(0, len(curve.far) - 1, _ROC_POINTS).round().astype(int))
    within = np.clip(similarities, -1.0, 1.0)
    return {
        "num_pairs": len(same),
        "num_genuine": int(same.sum()),
        "num_folds": len(accuracy.per_fold),
        "accuracy": accuracy.mean,
        "accuracy_std": accuracy.std,
        "auc": metrics.auc(curve),
        "eer": metrics.equal_error_rate(curve),
        "tar_at_far": [
            {
                "far": float(rate),
                "tar": metrics.tar_at_far(curve, rate),
                "reliable": num_impostors * rate >= metrics.FALSE_ACCEPTS_NEEDED,
            }
            for rate in false_accept_rates
        ],
        "roc": np.stack([curve.far, curve.tar], axis=1)[points].tolist(),
        "histogram": {
            "edges": _HISTOGRAM_EDGES.tolist(),
            "genuine": np.histogram(within[same], _HISTOGRAM_EDGES)[0].tolist(),
            "impostor": np.histogram(within[~same], _HISTOGRAM_EDGES)[0].tolist(),
        },
    }


def identification_report(embeddings: np.ndarray, identities: np.ndarray) -> dict[str, Any]:
    """Returns how often the closest gallery image is of the probe's person.

    The gallery has the first image of each person, the others are probes. People with one image are
    in the gallery as distractors: they can only be mistaken for somebody.

    Args:
        embeddings: float [n, size], not necessarily normalised.
        identities: int [n], -1 where missing: such images do not take part.

    Returns:
        `num_people` in the gallery, of them `num_distractors`; `num_probes`; `rank1` in [0, 1].

    Raises:
        ValueError: Lengths differ, or nobody has two images.
    """
    embeddings, identities = np.asarray(embeddings), np.asarray(identities)
    if len(embeddings) != len(identities):
        raise ValueError(
            f"expected one identity an embedding; got {len(identities)} identities and "
            f"{len(embeddings)} embeddings"
        )
    known = np.flatnonzero(identities != spec.MISSING_LABEL)
    people, first, counts = np.unique(identities[known], return_index=True, return_counts=True)
    if len(people) == len(known):
        raise ValueError(
            f"expected at least one person with two images, one of them a probe; got {len(known)} "
            f"labelled images of {len(people)} people"
        )
    gallery, probes = known[first], np.delete(known, first)
    return {
        "num_people": len(people),
        "num_distractors": int(np.sum(counts == 1)),
        "num_probes": len(probes),
        "rank1": metrics.rank1(
            embeddings[probes], identities[probes], embeddings[gallery], identities[gallery]
        ),
    }


def choose_threshold(
    similarities: np.ndarray, same: np.ndarray, false_accept_rate: float
) -> dict[str, float]:
    """Returns the threshold from which pairs are accepted in use.

    Choose it on validation pairs, never on those that the model is judged by.

    Args:
        similarities: float [n], cosines.
        same: bool [n].
        false_accept_rate: Largest share of impostor pairs that may be accepted, in [0, 1].

    Returns:
        `threshold`; `false_accept_rate` as asked; `measured_false_accept_rate` and `true_accept_rate`
        of these pairs at the threshold; `num_pairs`.

    Raises:
        ValueError: There is no genuine or no impostor pair, or the rate is not in [0, 1].
    """
    similarities, same = np.asarray(similarities, np.float64), np.asarray(same, bool)
    threshold = metrics.threshold_at_far(metrics.roc(similarities, same), false_accept_rate)
    accepted = similarities >= threshold
    return {
        "threshold": threshold,
        "false_accept_rate": false_accept_rate,
        "measured_false_accept_rate": float(accepted[~same].mean()),
        "true_accept_rate": float(accepted[same].mean()),
        "num_pairs": len(same),
    }

"""Verification: whether two images show one person, told by the similarity of their embeddings.

A similarity is the cosine of two embeddings: higher is closer. A pair is accepted where its similarity is
at least the threshold. `same` says which pairs are genuine (one person); the others are impostors.
"""

from dataclasses import dataclass

import numpy as np
from sklearn import metrics as sklearn_metrics


@dataclass(frozen=True)
class Roc:
    """True accept rate over false accept rate, from the strictest threshold to the loosest.

    Attributes:
        far: float64 [points], ascending from 0 to 1.
        tar: float64 [points], ascending from 0 to 1.
        thresholds: float64 [points], descending; the first is infinite (nothing is accepted).
    """

    far: np.ndarray
    tar: np.ndarray
    thresholds: np.ndarray


@dataclass(frozen=True)
class FoldedAccuracy:
    """Verification accuracy over folds.

    Attributes:
        mean: Mean over folds.
        std: Standard deviation over folds (population; the standard error is std / sqrt(folds)).
        per_fold: float64 [folds].
    """

    mean: float
    std: float
    per_fold: np.ndarray


def cosine_similarity(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Returns the cosine of each row of `a` with the same row of `b`, float32 [n] in [-1, 1].

    Args:
        a: float [n, size], not necessarily normalised.
        b: float [n, size].
    """
    a, b = np.asarray(a, np.float32), np.asarray(b, np.float32)
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    cosines = np.einsum("ij,ij->i", a, b) / np.maximum(norms, np.finfo(np.float32).tiny)
    return np.clip(cosines, -1.0, 1.0)


def roc(similarities: np.ndarray, same: np.ndarray) -> Roc:
    """Returns the receiver operating characteristic of accepting pairs by similarity.

    Args:
        similarities: float [n], finite.
        same: bool [n].

    Raises:
        ValueError: There is no genuine pair, no impostor pair, or a similarity is not finite.
    """
    similarities, same = _checked_pairs(similarities, same)
    far, tar, thresholds = sklearn_metrics.roc_curve(same, similarities, drop_intermediate=False)
    return Roc(far, tar, thresholds)


def auc(curve: Roc) -> float:
    """Returns the area under the curve: how often a genuine pair is closer than an impostor's."""
    return float(sklearn_metrics.auc(curve.far, curve.tar))


def equal_error_rate(curve: Roc) -> float:
    """Returns the rate at which false accepts equal false rejects, in [0, 1].

    Between two points of the curve the rates are interpolated linearly.
    """
    difference = curve.far - (1.0 - curve.tar)  # ascends from -1 to 1
    after = int(np.argmax(difference >= 0.0))
    before = max(after - 1, 0)
    step = difference[after] - difference[before]
    share = -difference[before] / step if step > 0 else 0.0
    return float(curve.far[before] + share * (curve.far[after] - curve.far[before]))


def tar_at_far(curve: Roc, false_accept_rate: float) -> float:
    """Returns the highest true accept rate whose false accept rate is no more than the asked one.

    Args:
        curve: From `roc`.
        false_accept_rate: In [0, 1].
    """
    return float(curve.tar[_last_point(curve, false_accept_rate)])


def threshold_at_far(curve: Roc, false_accept_rate: float) -> float:
    """Returns the similarity from which pairs are accepted so that at most this share is false.

    It lies halfway to the next lower similarity seen, so that rounding in an exported model moves
    no pair across it. Where the highest similarity is an impostor's and may not be accepted, it
    lies above every similarity.

    Args:
        curve: From `roc`.
        false_accept_rate: In [0, 1].
    """
    return _between(curve.thresholds, _last_point(curve, false_accept_rate))


def best_threshold(similarities: np.ndarray, same: np.ndarray) -> float:
    """Returns the threshold with the most pairs right; of equally good ones, the highest.

    It lies halfway between two similarities that were seen, so that it does not hang on one pair.

    Args:
        similarities: float [n].
        same: bool [n]; all of one kind is allowed.
    """
    similarities, same = np.asarray(similarities, np.float64), np.asarray(same, bool)
    order = np.argsort(-similarities, kind="stable")
    ordered, genuine = similarities[order], same[order]
    # Accepting the first k pairs is right about their genuine ones and the impostors that remain.
    right = np.concatenate([[0], np.cumsum(np.where(genuine, 1, -1))])
    possible = np.concatenate([[True], np.append(ordered[1:] != ordered[:-1], True)])
    accepted = int(np.argmax(np.where(possible, right, right.min() - 1)))
    return _between(np.concatenate([[np.inf], ordered]), accepted)


def verification_accuracy(
    similarities: np.ndarray, same: np.ndarray, folds: np.ndarray
) -> FoldedAccuracy:
    """Returns accuracy over folds, each with the threshold that is best on the other folds.

    This is the protocol of Labeled Faces in the Wild (Huang et al. 2007), View 2.

    Args:
        similarities: float [n].
        same: bool [n].
        folds: int [n], the fold of each pair, two or more different ones.

    Raises:
        ValueError: There are fewer than two folds, or as in `roc`.
    """
    folds = np.asarray(folds)
    right = right_on_held_out_folds(similarities, same, folds)
    per_fold = np.array([right[folds == name].mean() for name in np.unique(folds)])
    return FoldedAccuracy(float(per_fold.mean()), float(per_fold.std()), per_fold)


def right_on_held_out_folds(similarities: np.ndarray, same: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Returns which pairs are told right by the threshold that is best on the other folds, bool [n].

    Args:
        similarities: float [n].
        same: bool [n].
        folds: int [n], the fold of each pair, two or more different ones.

    Raises:
        ValueError: There are fewer than two folds, or as in `roc`.
    """
    similarities, same = _checked_pairs(similarities, same)
    folds = np.asarray(folds)
    names = np.unique(folds)
    if len(names) < 2:
        raise ValueError(f"expected at least 2 folds of pairs; got {len(names)}")
    right = np.empty(len(same), bool)
    for name in names:
        held_out = folds == name
        threshold = best_threshold(similarities[~held_out], same[~held_out])
        right[held_out] = (similarities[held_out] >= threshold) == same[held_out]
    return right


def folds_of(same: np.ndarray, folds: np.ndarray | None, num_folds: int) -> np.ndarray:
    """Returns the fold of each pair, int64 [n].

    Args:
        same: bool [n].
        folds: int [n], the protocol's own folds. With None, or where a fold is -1, each kind of pair is
            dealt out in turn.
        num_folds: Folds where the pairs bring none.
    """
    if folds is not None and np.all(np.asarray(folds) >= 0):
        return np.asarray(folds, np.int64)
    dealt = np.empty(len(same), np.int64)
    for kind in (True, False):
        dealt[same == kind] = np.arange(np.sum(same == kind)) % num_folds
    return dealt


def _checked_pairs(similarities: np.ndarray, same: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    similarities, same = np.asarray(similarities, np.float64), np.asarray(same, bool)
    if similarities.ndim != 1 or similarities.shape != same.shape:
        raise ValueError(
            "expected as many similarities as labels `same`, in one dimension each; "
            f"got shapes {similarities.shape} and {same.shape}"
        )
    genuine = int(same.sum())
    if not 0 < genuine < len(same):
        raise ValueError(
            "expected genuine and impostor pairs; "
            f"got {genuine} genuine and {len(same) - genuine} impostor pairs"
        )
    if not np.isfinite(similarities).all():
        raise ValueError(
            f"expected finite similarities; {int((~np.isfinite(similarities)).sum())} of "
            f"{len(similarities)} are not: has the network diverged?"
        )
    return similarities, same


def _last_point(curve: Roc, false_accept_rate: float) -> int:
    if not 0.0 <= false_accept_rate <= 1.0:
        raise ValueError(f"expected a false accept rate in [0, 1]; got {false_accept_rate}")
    return int(np.searchsorted(curve.far, false_accept_rate, side="right")) - 1


def _between(descending: np.ndarray, index: int) -> float:
    """The middle of a similarity and the next lower one; beside the ends, a little outside."""
    if index == len(descending) - 1:
        return float(descending[index] - 1e-6)
    if not np.isfinite(descending[index]):
        return float(descending[index + 1] + 1e-6)
    return float((descending[index] + descending[index + 1]) / 2)

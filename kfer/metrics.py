"""What is measured: expression classification, verification of pairs, identification. All numpy.

Labels that are missing (`spec.MISSING_LABEL`) never count. A similarity is the cosine of two
embeddings: higher is closer. A pair is accepted where its similarity is at least the threshold.
`same` says which pairs are genuine (one person); the others are impostors.
"""

from dataclasses import dataclass

import numpy as np
from sklearn import metrics as sklearn_metrics

from kfer import spec

#: Bins of the calibration error, as in Guo et al. 2017, "On Calibration of Modern Neural Networks".
CALIBRATION_BINS = 15


@dataclass(frozen=True)
class Calibration:
    """How far confidence is from accuracy, bin by bin of confidence.

    Attributes:
        error: Expected calibration error in [0, 1] (Guo et al. 2017, equation 3).
        confidence: float64 [bins], mean confidence of each bin; its middle where the bin is empty.
        accuracy: float64 [bins], share of right answers; 0 where the bin is empty.
        count: int64 [bins], examples.
    """

    error: float
    confidence: np.ndarray
    accuracy: np.ndarray
    count: np.ndarray


@dataclass(frozen=True)
class PerClass:
    """Figures of each class; 0 where a figure's denominator is 0.

    Attributes:
        precision: float64 [classes] in [0, 1].
        recall: float64 [classes] in [0, 1].
        f1: float64 [classes] in [0, 1].
        support: int64 [classes], labelled examples.
    """

    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    support: np.ndarray


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


def confusion_matrix(labels: np.ndarray, predictions: np.ndarray, num_classes: int) -> np.ndarray:
    """Returns counts, int64 [num_classes, num_classes]: rows are labels, columns predictions.

    Args:
        labels: int [n], in [0, num_classes), or -1 where missing.
        predictions: int [n], in [0, num_classes).
        num_classes: Classes there are.

    Raises:
        ValueError: The lengths differ, or a value is not a class.
    """
    labels, predictions = np.asarray(labels), np.asarray(predictions)
    if labels.ndim != 1 or labels.shape != predictions.shape:
        raise ValueError(
            "expected as many labels as predictions, in one dimension each; "
            f"got shapes {labels.shape} and {predictions.shape}"
        )
    known = labels != spec.MISSING_LABEL
    labels, predictions = labels[known], predictions[known]
    for name, values in (("labels", labels), ("predictions", predictions)):
        wrong = values[(values < 0) | (values >= num_classes)]
        if len(wrong):
            raise ValueError(f"expected {name} in [0, {num_classes}), or label -1; got {wrong[0]}")
    cells = labels.astype(np.int64) * num_classes + predictions
    return np.bincount(cells, minlength=num_classes**2).reshape(num_classes, num_classes)


def accuracy(labels: np.ndarray, predictions: np.ndarray) -> float:
    """Returns the share of labelled examples whose prediction is right; nan where none is labelled.

    Args:
        labels: int [n], -1 where missing.
        predictions: int [n].
    """
    labels, predictions = np.asarray(labels), np.asarray(predictions)
    known = labels != spec.MISSING_LABEL
    return float(np.mean(labels[known] == predictions[known])) if known.any() else float("nan")


def per_class(confusion: np.ndarray) -> PerClass:
    """Returns precision, recall, F1 and support of each class.

    Args:
        confusion: int [classes, classes] from `confusion_matrix`.
    """
    right = np.diag(confusion).astype(np.float64)
    predicted, support = confusion.sum(axis=0), confusion.sum(axis=1)
    return PerClass(
        precision=right / np.maximum(predicted, 1),
        recall=right / np.maximum(support, 1),
        f1=2 * right / np.maximum(predicted + support, 1),
        support=support,
    )


def macro_f1(confusion: np.ndarray) -> float:
    """Returns the mean F1 of the classes that have labelled examples; nan where none has.

    A class without examples is left out, rather than counted as 0: a test set that lacks it says
    nothing about it. Predicting it still costs recall of the true class.

    Args:
        confusion: int [classes, classes] from `confusion_matrix`.
    """
    figures = per_class(confusion)
    present = figures.support > 0
    return float(figures.f1[present].mean()) if present.any() else float("nan")


def calibration(
    labels: np.ndarray, probabilities: np.ndarray, num_bins: int = CALIBRATION_BINS
) -> Calibration:
    """Returns the expected calibration error and its bins, equally wide in (0, 1].

    Args:
        labels: int [n], -1 where missing.
        probabilities: float [n, classes] in [0, 1]; the largest of a row is its confidence.
        num_bins: Bins of confidence.
    """
    labels, probabilities = np.asarray(labels), np.asarray(probabilities, np.float64)
    known = labels != spec.MISSING_LABEL
    labels, probabilities = labels[known], probabilities[known]
    confidences = probabilities.max(axis=1, initial=0.0)
    right = probabilities.argmax(axis=1) == labels
    # Guo's bins are open below and closed above: (0, 1/15], (1/15, 2/15] ...
    bins = np.clip(np.ceil(confidences * num_bins).astype(np.int64) - 1, 0, num_bins - 1)
    count = np.bincount(bins, minlength=num_bins)
    sum_confidence = np.bincount(bins, confidences, num_bins)
    sum_right = np.bincount(bins, right, num_bins)
    error = np.abs(sum_right - sum_confidence).sum() / max(len(labels), 1)
    middle = (np.arange(num_bins) + 0.5) / num_bins
    return Calibration(
        error=float(error),
        confidence=np.where(count > 0, sum_confidence / np.maximum(count, 1), middle),
        accuracy=sum_right / np.maximum(count, 1),
        count=count,
    )


def expected_calibration_error(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Returns the expected calibration error in [0, 1] over 15 bins (Guo et al. 2017).

    Args:
        labels: int [n], -1 where missing.
        probabilities: float [n, classes] in [0, 1].
    """
    return calibration(labels, probabilities).error


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
    similarities, same = _checked_pairs(similarities, same)
    folds = np.asarray(folds)
    names = np.unique(folds)
    if len(names) < 2:
        raise ValueError(f"expected at least 2 folds of pairs; got {len(names)}")
    scores = []
    for name in names:
        held_out = folds == name
        threshold = best_threshold(similarities[~held_out], same[~held_out])
        scores.append(np.mean((similarities[held_out] >= threshold) == same[held_out]))
    per_fold = np.array(scores)
    return FoldedAccuracy(float(per_fold.mean()), float(per_fold.std()), per_fold)


def rank1(
    probes: np.ndarray,
    probe_identities: np.ndarray,
    gallery: np.ndarray,
    gallery_identities: np.ndarray,
    chunk: int = 1024,
) -> float:
    """Returns the share of probes whose closest gallery embedding is of the same person.

    Args:
        probes: float [p, size].
        probe_identities: int [p].
        gallery: float [g, size].
        gallery_identities: int [g].
        chunk: Probes compared at once: a float32 matrix [chunk, g] is in memory.

    Raises:
        ValueError: There is no probe, or nobody in the gallery.
    """
    if not len(probes) or not len(gallery):
        raise ValueError(
            "expected at least one probe and one gallery image; "
            f"got {len(probes)} probes and {len(gallery)} gallery images"
        )
    towards, right = _normalised(gallery).T, 0
    for start in range(0, len(probes), chunk):
        closest = np.argmax(_normalised(probes[start : start + chunk]) @ towards, axis=1)
        identities = np.asarray(gallery_identities)[closest]
        right += int(np.sum(identities == np.asarray(probe_identities)[start : start + chunk]))
    return right / len(probes)


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


def _normalised(embeddings: np.ndarray) -> np.ndarray:
    embeddings = np.asarray(embeddings, np.float32)
    norms = np.linalg.norm(embeddings, axis=1, keepdims=True)
    return embeddings / np.maximum(norms, np.finfo(np.float32).tiny)

"""How far a network's confidence is from its accuracy. Missing labels never count."""

from dataclasses import dataclass

import numpy as np

from kfer.metrics.votes import label_shares

#: Bins of the calibration error, as in Guo et al. 2017, "On Calibration of Modern Neural Networks".
CALIBRATION_BINS = 15


@dataclass(frozen=True)
class Calibration:
    """How far confidence is from accuracy, bin by bin of confidence.

    Attributes:
        error: Expected calibration error in [0, 1] (Guo et al. 2017, equation 3).
        confidence: float64 [bins], mean confidence of each bin; its middle where the bin is empty.
        accuracy: float64 [bins], mean share of votes, which of a label is 1 where the answer is right and
            0 where it is wrong; 0 where the bin is empty.
        count: int64 [bins], examples.
    """

    error: float
    confidence: np.ndarray
    accuracy: np.ndarray
    count: np.ndarray


def calibration(
    labels: np.ndarray, probabilities: np.ndarray, num_bins: int = CALIBRATION_BINS
) -> Calibration:
    """Returns the expected calibration error and its bins, equally wide in (0, 1].

    Where several people voted, an answer is as right as its share of the votes.

    Args:
        labels: int [n], -1 where missing; or votes, float [n, classes], a row of nan where missing.
        probabilities: float [n, classes] in [0, 1]; the largest of a row is its confidence.
        num_bins: Bins of confidence.
    """
    probabilities = np.asarray(probabilities, np.float64)
    shares, known = label_shares(labels, probabilities.shape[1])
    probabilities = probabilities[known]
    confidences = probabilities.max(axis=1, initial=0.0)
    right = shares[np.arange(len(shares)), probabilities.argmax(axis=1)]
    # Guo's bins are open below and closed above: (0, 1/15], (1/15, 2/15] ...
    bins = np.clip(np.ceil(confidences * num_bins).astype(np.int64) - 1, 0, num_bins - 1)
    count = np.bincount(bins, minlength=num_bins)
    sum_confidence = np.bincount(bins, confidences, num_bins)
    sum_right = np.bincount(bins, right, num_bins)
    error = np.abs(sum_right - sum_confidence).sum() / max(len(right), 1)
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
        labels: int [n], -1 where missing; or votes, float [n, classes], a row of nan where missing.
        probabilities: float [n, classes] in [0, 1].
    """
    return calibration(labels, probabilities).error

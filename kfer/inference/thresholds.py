"""From which similarity on two faces are one person's, and what that was measured on."""

import math
from dataclasses import dataclass
from pathlib import Path

from kfer import documents
from kfer.documents.fields import BEYOND
from kfer.documents.models import Calibration, Verification

#: What `kfer calibrate` writes beside a model.
FILE = "thresholds.json"
_ADVICE = "delete it, and let `kfer calibrate` make it anew"


@dataclass(frozen=True)
class Threshold:
    """From which similarity on two faces are taken for one person's.

    Attributes:
        similarity: The cosine of two embeddings, in [-1, 1].
        false_accept_rate: How many of the pairs of different people reach it, a share in [0, 1], as
            measured; None where nobody measured it.
        chosen_for: The false accept rate that it was chosen not to exceed; None where it was not.
    """

    similarity: float
    false_accept_rate: float | None = None
    chosen_for: float | None = None

    def __post_init__(self) -> None:
        check_similarity(self.similarity)
        for name in ("false_accept_rate", "chosen_for"):
            rate = getattr(self, name)
            if rate is not None and not 0 <= rate <= 1:
                raise ValueError(f"{name} must be in [0, 1]; got {rate!r}")


def check_similarity(threshold: float) -> None:
    """Checks a threshold of similarities.

    Raises:
        ValueError: It is not in [-1, 1], so that everybody or nobody would reach it.
    """
    if not (math.isfinite(threshold) and -1 <= threshold <= 1 + BEYOND):
        raise ValueError(f"the threshold must be a cosine, in [-1, 1]; got {threshold!r}")


def of_evaluator(verification: Verification) -> Threshold:
    """Returns the threshold that the Evaluator chose, of "verification" in a model's description."""
    return Threshold(
        verification.threshold,
        verification.measured_false_accept_rate,
        verification.false_accept_rate,
    )


def calibration(folder: Path) -> Calibration | None:
    """Returns what `kfer calibrate` wrote beside a model; None where it wrote nothing.

    Raises:
        DamagedError: The file cannot be understood.
    """
    path = folder / FILE
    return documents.read(path, Calibration, _ADVICE) if path.exists() else None


def calibrated(folder: Path, fingerprint: str) -> tuple[Threshold, ...]:
    """Returns the thresholds that were found for a model on its user's pairs, the preferred one first.

    Args:
        folder: Where the model is.
        fingerprint: The model's.

    Raises:
        DamagedError: The file cannot be understood.
        ValueError: It is of another model.
    """
    content = calibration(folder)
    if content is None:
        return ()
    if content.weights != fingerprint:
        raise ValueError(f"{folder / FILE} has the thresholds of another model: {_ADVICE}")
    return tuple(
        Threshold(each.threshold.value, each.measured_false_accept_rate.value, each.false_accept_rate)
        for each in content.thresholds
    )

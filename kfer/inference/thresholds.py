"""From which similarity on two faces are one person's, and what that was measured on."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kfer import files

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


def of_evaluator(verification: Mapping[str, Any]) -> Threshold:
    """Returns the threshold that the Evaluator chose, of "verification" in a model's description.

    Raises:
        KeyError: It has none.
    """
    return Threshold(
        float(verification["threshold"]),
        verification.get("measured_false_accept_rate"),
        verification.get("false_accept_rate"),
    )


def calibrated(folder: Path, fingerprint: str) -> tuple[Threshold, ...]:
    """Returns the thresholds that were found for a model on its user's pairs, the preferred one first.

    Args:
        folder: Where the model is.
        fingerprint: The model's.

    Raises:
        DamagedError: The file cannot be understood.
        ValueError: It is of another model.
    """
    path = folder / FILE
    if not path.exists():
        return ()
    content = files.read_json(path, _ADVICE)
    with files.named_if_damaged(path, _ADVICE):
        weights = content["weights"]
        found = tuple(
            Threshold(
                float(each["threshold"]["value"]),
                float(each["measured_false_accept_rate"]["value"]),
                float(each["false_accept_rate"]),
            )
            for each in content["thresholds"]
        )
    if weights != fingerprint:
        raise ValueError(f"{path} has the thresholds of another model: {_ADVICE}")
    return found

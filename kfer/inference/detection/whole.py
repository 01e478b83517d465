"""No detection: each picture is a face."""

from typing import Any

import numpy as np

from kfer.inference.detection import Detector
from kfer.inference.face import Detection


class Whole(Detector):
    """Takes each picture for a face."""

    smallest_share, least_score = 1.0, 0.5

    def _detect_one(self, image: np.ndarray) -> list[Detection]:
        return [Detection(np.array([0, 0, *image.shape[:2]], np.float32), None, 1.0)]


def make(**settings: Any) -> Whole:
    """The detector."""
    return Whole(**settings)

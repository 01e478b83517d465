"""MTCNN (https://arxiv.org/abs/1604.02878): three networks, from a pyramid of scales to landmarks.

The package `mtcnn` brings weights and networks for TensorFlow. Its cost is that of the largest scale: so
a large picture is made smaller first, until the smallest face that is looked for has as many pixels as
the package's first scale wants.
"""

import threading
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from kfer import forks
from kfer.inference.detection import Detector
from kfer.inference.face import Detection

# What the first network looks for, in pixels.
_FACE = 20
# Smaller pictures have no second scale, which the package takes for granted.
_LEAST_SIDE = 48
# Pictures share a pass up to so many, which bounds its memory to some hundred MB.
_MOST_PIXELS = 2_000_000


class MTCNN(Detector):
    """Finds faces with the package `mtcnn`."""

    smallest_share, least_score = 1 / 40, 0.9

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        forks.check_tensorflow()
        import mtcnn

        self._networks = mtcnn.MTCNN()
        self._lock = threading.Lock()

    def _detect_one(self, image: np.ndarray) -> list[Detection]:
        return self._detect_alike([image])[0]

    def _detect_alike(self, images: Sequence[np.ndarray]) -> list[list[Detection]]:
        shape = images[0].shape[:2]
        scale = max(min(1.0, _FACE / self.smallest(images[0])), _LEAST_SIDE / min(shape))
        height, width = (round(side * scale) for side in shape)
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        at_once = max(_MOST_PIXELS // (height * width), 1)
        found: list[list[Detection]] = [[] for _ in images]
        for start in range(0, len(images), at_once):
            small = [
                cv2.resize(image, (width, height), interpolation=method)
                for image in images[start : start + at_once]
            ]
            with self._lock:
                # As numbers: its dictionaries have whole pixels, of the smaller picture.
                rows = self._networks.detect_faces(
                    small,
                    fit_to_image=False,
                    box_format="xyxy",
                    output_type="numpy",
                    min_face_size=_FACE,
                    threshold_onet=self.least_score,
                )
            for row in rows:
                face = _detection(row, np.array([height, width]) / shape)
                found[start + int(row[0])].append(face)
        return found


def _detection(row: np.ndarray, scale: np.ndarray) -> Detection:
    """Of the picture's number, xmin, ymin, xmax, ymax, score, and five x and five y of landmarks."""
    box = row[[2, 1, 4, 3]].reshape(2, 2) / scale
    landmarks = row[6:16].reshape(2, 5)[::-1].T / scale
    return Detection(box.astype(np.float32).reshape(4), landmarks.astype(np.float32), float(row[5]))


def make(**settings: Any) -> MTCNN:
    """The detector."""
    return MTCNN(**settings)

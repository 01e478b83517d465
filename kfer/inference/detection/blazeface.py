"""BlazeFace (https://arxiv.org/abs/1907.05047), the full-range model, run by LiteRT.

The network sees 192 pixels; a picture is shown to it as a whole and, where smaller faces are looked for,
in squares that overlap by a face.
"""

import threading
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np

from kfer.inference import mediapipe
from kfer.inference.detection import Detector, without_overlaps
from kfer.inference.face import Detection

_FILE = "face_detection_full_range.tflite"
# One anchor in the middle of each square of so many pixels.
_STRIDE = 4
# A box's centre and size, then eyes, nose, middle of the mouth and two ears, x before y.
_POINTS = 8
# What a face must have on a side, of the pixels that the network sees, to be found.
_FACE = 14
# The largest face that squares are laid out for, as a multiple of the smallest: the whole picture shows
# what is larger.
_LARGEST = 2
_MOST_OVERLAP = 0.3
# From the middle of the mouth to a corner, as a share of the way between the eyes: ArcFace's template's.
_HALF_MOUTH = 0.414


class BlazeFace(Detector):
    """Finds faces with BlazeFace.

    Its boxes are from the brows to the chin. It knows no corners of the mouth: they are put where a face
    at rest has them, in the direction of the eyes.

    Raises:
        ModuleNotFoundError: The package that brings the file is missing.
    """

    smallest_share, least_score = 1 / 24, 0.6

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._interpreter = mediapipe.load(_FILE, "the detector blazeface")
        (given,) = self._interpreter.get_input_details()
        self._input, self._side = given["index"], int(given["shape"][1])
        outputs = self._interpreter.get_output_details()
        self._scores, self._boxes = (
            output["index"] for output in sorted(outputs, key=lambda each: int(each["shape"][-1]))
        )
        middles = (np.arange(0, self._side, _STRIDE) + _STRIDE / 2).astype(np.float32)
        rows, columns = np.meshgrid(middles, middles, indexing="ij")
        self._anchors = np.stack([columns, rows], axis=-1).reshape(-1, 1, 2)
        self._lock = threading.Lock()

    def _detect_one(self, image: np.ndarray) -> list[Detection]:
        found = []
        for top, left, side in self._squares(image):
            bottom, right = min(top + side, image.shape[0]), min(left + side, image.shape[1])
            corner = np.array([top, left])
            for face in self._in_square(image[top:bottom, left:right]):
                moved = (face.box.reshape(2, 2) + corner).astype(np.float32)
                # What a square cuts, another one shows whole.
                inside = (moved[0] >= corner) | (corner == 0)
                inside &= (moved[1] <= [bottom, right]) | (np.array([bottom, right]) == image.shape[:2])
                if inside.all():
                    landmarks = (face.landmarks + corner).astype(np.float32)
                    found.append(Detection(moved.reshape(4), landmarks, face.score))
        return without_overlaps(found, _MOST_OVERLAP)

    def _squares(self, image: np.ndarray) -> Iterator[tuple[int, int, int]]:
        """Top, left and side of each part that is searched; the first holds the whole picture."""
        yield 0, 0, max(image.shape[:2])
        smallest = self.smallest(image)
        side = round(smallest * self._side / _FACE)
        if side >= max(image.shape[:2]):
            return
        step = max(side - round(_LARGEST * smallest), side // 2)
        for top in _starts(image.shape[0], side, step):
            for left in _starts(image.shape[1], side, step):
                yield top, left, side

    def _in_square(self, part: np.ndarray) -> list[Detection]:
        """The faces in a part of a picture, in its pixels; each several times."""
        scale = self._side / max(part.shape[:2])
        height, width = (max(round(side * scale), 1) for side in part.shape[:2])
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        shown = np.zeros((1, self._side, self._side, 3), np.float32)
        top, left = (self._side - height) // 2, (self._side - width) // 2
        small = cv2.resize(part, (width, height), interpolation=method)
        shown[0, top : top + height, left : left + width] = small / np.float32(127.5) - 1
        with self._lock:
            self._interpreter.set_tensor(self._input, shown)
            self._interpreter.invoke()
            logits = self._interpreter.get_tensor(self._scores)[0, :, 0]
            points = self._interpreter.get_tensor(self._boxes)[0].reshape(-1, _POINTS, 2)
        scores = 1 / (1 + np.exp(-np.clip(logits, -80, 80)))
        sure = scores > self.least_score
        chosen = points[sure]
        chosen[:, 2:] += self._anchors[sure]
        centres = chosen[:, 0] + self._anchors[sure][:, 0]
        found = []
        for score, centre, size, place in zip(
            scores[sure], centres, chosen[:, 1], chosen[:, 2:], strict=True
        ):
            corners = np.stack([centre - size / 2, centre + size / 2])
            box, landmarks = ((each - [left, top]) / scale for each in (corners, _five(place)))
            found.append(
                Detection(
                    box[:, ::-1].astype(np.float32).reshape(4),
                    landmarks[:, ::-1].astype(np.float32),
                    float(score),
                )
            )
        return found


def _starts(length: int, side: int, step: int) -> list[int]:
    """Where squares begin along a side of a picture, so that they cover it."""
    if length <= side:
        return [0]
    count = -(-(length - side) // step) + 1
    return [round(start) for start in np.linspace(0, length - side, count)]


def _five(points: np.ndarray) -> np.ndarray:
    """Eyes, nose and corners of the mouth `[5, 2]`, of eyes, nose, middle of the mouth and ears."""
    across = (points[1] - points[0]) * _HALF_MOUTH
    return np.stack([points[0], points[1], points[2], points[3] - across, points[3] + across])


def make(**settings: Any) -> BlazeFace:
    """The detector."""
    return BlazeFace(**settings)

"""OpenCV's YuNet, of an ONNX file that the user has (https://doi.org/10.1007/s11633-023-1423-y)."""

import threading
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from kfer.files import named_if_damaged
from kfer.inference import proof
from kfer.inference.detection import Detector
from kfer.inference.face import Detection

# What a face must have on a side for the network to find it.
_FACE = 12
_SIZE = (64, 64)
_ADVICE = "expected YuNet's ONNX file, face_detection_yunet_2023mar.onnx of OpenCV's model zoo"


class YuNet(Detector):
    """Finds faces with `cv2.FaceDetectorYN`.

    Args:
        weights: face_detection_yunet_2023mar.onnx, of OpenCV's model zoo.

    Raises:
        DamagedError: OpenCV cannot read the file, or it is another network.
    """

    smallest_share, least_score = 1 / 48, 0.7

    def __init__(self, weights: Path | str, **settings: Any) -> None:
        super().__init__(**settings)
        if not Path(weights).is_file():
            raise FileNotFoundError(f"there is no file {weights}")
        with named_if_damaged(str(weights), _ADVICE):
            # OpenCV ends Python on some damaged files.
            proof.try_first(Path(weights))
            self._network = opened(Path(weights), self.least_score)
        self._lock = threading.Lock()

    def _detect_one(self, image: np.ndarray) -> list[Detection]:
        scale = min(1.0, _FACE / self.smallest(image))
        height, width = (max(round(side * scale), 1) for side in image.shape[:2])
        small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        with self._lock:
            self._network.setInputSize((width, height))
            _, rows = self._network.detect(cv2.cvtColor(small, cv2.COLOR_RGB2BGR))
        return [_detection(row, scale) for row in (rows if rows is not None else ())]


def opened(weights: Path, least_score: float) -> Any:
    """OpenCV's detector of a file, which was asked once: another network is only found out so."""
    network = cv2.FaceDetectorYN.create(str(weights), "", _SIZE, least_score)
    network.detect(np.zeros((*_SIZE, 3), np.uint8))
    return network


def _detection(row: np.ndarray, scale: float) -> Detection:
    x, y, width, height = row[:4] / scale
    landmarks = row[4:14].reshape(5, 2)[:, ::-1] / scale
    box = np.array([y, x, y + height, x + width], np.float32)
    return Detection(box, landmarks.astype(np.float32), float(np.clip(row[14], 0, 1)))


def make(**settings: Any) -> YuNet:
    """The detector."""
    return YuNet(**settings)

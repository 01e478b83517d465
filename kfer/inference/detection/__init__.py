"""Where faces are in a picture: detectors of one interface.

Each imports its library when it is made.
"""

import abc
import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kfer import forks
from kfer.inference.face import Detection

#: Detectors by their names: the module of each, which has a class `Detector`.
DETECTORS = ("mtcnn", "blazeface", "yunet", "none")

# Smaller faces say nothing to a network, so that nobody looks for them who does not ask for it.
_LEAST_FACE = 20.0


class Detector(forks.OfOneProcess, abc.ABC):
    """Finds faces.

    Attributes:
        smallest_face: Faces are looked for from this many pixels on, the longer side of their box, and
            smaller ones left out; None to look from a share of the picture's longer side on, which is
            `smallest_share`, but from no less than 20 pixels, and to leave out none that are found.
        smallest_share: That share.
        least_score: Detections of a lower score are left out.
    """

    smallest_share: float
    least_score: float

    def __init__(self, smallest_face: float | None = None, least_score: float | None = None) -> None:
        if smallest_face is not None and not smallest_face > 0:
            raise ValueError(f"smallest_face must be a number of pixels above 0; got {smallest_face!r}")
        if least_score is not None:
            if not 0 < least_score < 1:
                raise ValueError(f"least_score must be in (0, 1); got {least_score!r}")
            self.least_score = least_score
        self.smallest_face = smallest_face

    def detect(self, images: Sequence[np.ndarray]) -> list[list[Detection]]:
        """Returns the faces in each picture, the largest first.

        Args:
            images: RGB uint8 `[height, width, 3]` each, of any sizes; those of one size share a pass
                where the detector can do that.
        """
        self.check_process()
        alike: dict[tuple[int, ...], list[int]] = {}
        for index, image in enumerate(images):
            alike.setdefault(image.shape, []).append(index)
        found: dict[int, list[Detection]] = {}
        for indices in alike.values():
            found |= zip(indices, self._detect_alike([images[index] for index in indices]), strict=True)
        return [
            sorted(filter(self._is_large, found[index]), key=_area, reverse=True)
            for index in range(len(images))
        ]

    def _detect_alike(self, images: Sequence[np.ndarray]) -> list[list[Detection]]:
        """The faces in pictures of one size, in any order."""
        return [self._detect_one(image) for image in images]

    @abc.abstractmethod
    def _detect_one(self, image: np.ndarray) -> list[Detection]:
        """The same of one picture, in any order."""

    def _is_large(self, face: Detection) -> bool:
        sides = face.box[2:] - face.box[:2]
        return self.smallest_face is None or float(sides.max()) >= self.smallest_face

    def smallest(self, image: np.ndarray) -> float:
        """From how many pixels on faces are looked for in a picture."""
        return self.smallest_face or max(self.smallest_share * max(image.shape[:2]), _LEAST_FACE)


def _area(face: Detection) -> float:
    return face.area


def load(
    name: str,
    smallest_face: float | None = None,
    least_score: float | None = None,
    weights: Path | str | None = None,
) -> Detector:
    """Returns a detector.

    Args:
        name: "mtcnn", "blazeface", "yunet", or "none" for pictures that are faces already.
        smallest_face: Faces are looked for from this many pixels on, smaller ones are left out; None for
            the detector's share of the picture's longer side.
        least_score: In (0, 1): detections of a lower score are left out; None for the detector's own.
        weights: The ONNX file of "yunet"; the others bring theirs.

    Raises:
        ValueError: There is no detector of this name, or it needs a file, or takes none.
        ModuleNotFoundError: The package is missing that brings its weights; the message says which.
    """
    if name not in DETECTORS:
        raise ValueError(f"the detector must be among {', '.join(DETECTORS)}; got {name!r}")
    further: dict[str, Any] = {}
    if name == "yunet":
        if weights is None:
            raise ValueError(
                "the detector yunet needs its ONNX file (face_detection_yunet_2023mar.onnx of OpenCV's "
                "model zoo): give its path as weights"
            )
        further["weights"] = weights
    elif weights is not None:
        raise ValueError(f"only the detector yunet takes a file of weights, not {name}")
    module = importlib.import_module(f"kfer.inference.detection.{'whole' if name == 'none' else name}")
    made: Detector = module.make(smallest_face=smallest_face, least_score=least_score, **further)
    return made


def without_overlaps(detections: Sequence[Detection], most: float) -> list[Detection]:
    """Returns detections less those that overlap a surer one.

    Args:
        detections: In any order.
        most: The largest intersection over union that two may have.
    """
    kept: list[Detection] = []
    for each in sorted(detections, key=lambda found: found.score, reverse=True):
        if all(overlap(each.box, other.box) <= most for other in kept):
            kept.append(each)
    return kept


def overlap(first: np.ndarray, second: np.ndarray) -> float:
    """The intersection over union of two boxes, float `[4]` each."""
    low, high = np.maximum(first[:2], second[:2]), np.minimum(first[2:], second[2:])
    shared = float(np.prod(np.maximum(high - low, 0)))
    areas = [float(np.prod(np.maximum(box[2:] - box[:2], 0))) for box in (first, second)]
    return shared / max(sum(areas) - shared, 1e-9)

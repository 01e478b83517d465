"""Dense landmarks: 468 points of a face, by MediaPipe's Face Mesh (https://arxiv.org/abs/1907.06724).

The network sees a square around one face, turned so that the eyes are level: a detector finds it first.
"""

import dataclasses
import threading
from dataclasses import dataclass

import cv2
import numpy as np

from kfer import forks
from kfer.inference import alignment, mediapipe
from kfer.inference.face import Detection

#: Where a face's five landmarks may come from.
SOURCES = ("detector", "dense")

_FILE = "face_landmark.tflite"
# The square that is shown, by the side of one as large as the face's box: as MediaPipe cuts it. Boxes of
# mtcnn are longer than blazeface's, and as large.
_SQUARE = 1.5
# Less sure than this, the detector's landmarks are kept: MediaPipe's own bound.
_LEAST_SCORE = 0.5
# Which points are each of the five landmarks, in the topology of MediaPipe's canonical face model
# (canonical_face_model.obj): the contours of the eyes, the tip of the nose, whose middle is between two
# points, and the outer corners of the lips. It calls the person's right eye and corner right: the left
# ones in a picture.
_FIVE = (
    (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246),
    (362, 382, 381, 380, 374, 373, 390, 249, 263, 466, 388, 387, 386, 385, 384, 398),
    (1, 4),
    (61,),
    (291,),
)


@dataclass(frozen=True, eq=False)
class DenseFace:
    """The dense landmarks of a face.

    Attributes:
        points: float32 `[468, 3]`, in the order of MediaPipe's canonical face model: y, x in pixels of
            the picture, and z, the depth from the middle of the head in such pixels too: smaller is
            nearer to the camera.
        score: How sure the network is that it was shown a face, in [0, 1].
    """

    points: np.ndarray
    score: float


class DenseLandmarks(forks.OfOneProcess):
    """Finds the dense landmarks of faces. Several threads may use one.

    Raises:
        ModuleNotFoundError: The package that brings the network's file is missing.
    """

    def __init__(self) -> None:
        self._interpreter = mediapipe.load(_FILE, 'landmarks="dense"')
        (given,) = self._interpreter.get_input_details()
        self._input, self._side = given["index"], int(given["shape"][1])
        outputs = self._interpreter.get_output_details()
        self._score, self._points = (
            output["index"] for output in sorted(outputs, key=lambda each: int(each["shape"][-1]))
        )
        self._lock = threading.Lock()

    def __call__(self, image: np.ndarray, face: Detection) -> DenseFace:
        """Returns the dense landmarks of a face.

        Args:
            image: RGB uint8 `[height, width, 3]`.
            face: Where it is; one without landmarks is the whole picture, upright.
        """
        self.check_process()
        matrix = self._to_square(image, face)
        square = cv2.warpAffine(
            image,
            matrix,
            (self._side, self._side),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        with self._lock:
            self._interpreter.set_tensor(self._input, square[np.newaxis] / np.float32(255))
            self._interpreter.invoke()
            logit = float(self._interpreter.get_tensor(self._score).item())
            places = self._interpreter.get_tensor(self._points).reshape(-1, 3)
        back = cv2.invertAffineTransform(matrix)
        xy = places[:, :2] @ back[:, :2].T + back[:, 2]
        z = places[:, 2] * np.hypot(*back[:, 0])
        points = np.column_stack([xy[:, ::-1], z]).astype(np.float32)
        return DenseFace(points, float(1 / (1 + np.exp(-np.clip(logit, -80, 80)))))

    def refined(self, image: np.ndarray, face: Detection) -> Detection:
        """Returns a face with its dense landmarks, and its five landmarks taken from them.

        Args:
            image: RGB uint8 `[height, width, 3]`.
            face: As for a call; it is returned as it is where the network's score is below 0.5.
        """
        found = self(image, face)
        if found.score < _LEAST_SCORE:
            return face
        return dataclasses.replace(face, landmarks=five(found.points), dense_landmarks=found.points)

    def _to_square(self, image: np.ndarray, face: Detection) -> np.ndarray:
        """From x and y in the picture to those in the square, float64 `[2, 3]`."""
        if face.landmarks is None:
            # A pixel's place is that of its middle.
            box = np.array([0, 0, *image.shape[:2]]) - 0.5
            side, roll = float(max(image.shape[:2])), 0.0
        else:
            box, side = face.box, max(_SQUARE * np.sqrt(face.area), 1.0)
            roll = np.arctan2(*(face.landmarks[1] - face.landmarks[0]))
        centre = (box[:2] + box[2:]) / 2
        half = side / 2 * np.array([np.sin(roll), np.cos(roll)])
        edges = np.stack([centre - half, centre + half])[:, ::-1]
        middle = (self._side - 1) / 2
        return alignment.similarity(edges, np.array([[-0.5, middle], [self._side - 0.5, middle]]))


def five(points: np.ndarray) -> np.ndarray:
    """Returns the five landmarks that dense ones hold.

    Args:
        points: float `[468, 2 or more]`: y and x first, as `DenseFace` has them.

    Returns:
        float32 `[5, 2]`: y, x, in the order of `kfer.inference.face.LANDMARKS`: the middle of each eye's
        contour, the tip of the nose, and the corners of the mouth.
    """
    return np.stack([points[list(group), :2].mean(axis=0) for group in _FIVE]).astype(np.float32)


def check_source(source: str) -> None:
    """Checks where a face's five landmarks come from.

    Raises:
        ValueError: It is not among `SOURCES`.
    """
    if source not in SOURCES:
        raise ValueError(f"landmarks must be among {', '.join(SOURCES)}; got {source!r}")

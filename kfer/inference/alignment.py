"""Faces brought to one place, size and angle: one definition for training data and for use."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from kfer.inference.face import Detection

#: Height and width of an aligned face in pixels, for networks whose input is no larger: see `size_for`.
SIZE = 112
#: Where ArcFace (https://arxiv.org/abs/1801.07698) and the networks after it have the five landmarks of a
#: face of 112 pixels: float32 [5, 2], y and x.
TEMPLATE = np.array(
    [
        [51.6963, 38.2946],
        [51.5014, 73.5318],
        [71.7366, 56.0252],
        [92.3655, 41.5493],
        [92.2041, 70.7299],
    ],
    np.float32,
)
# A face is sampled at most so many times a pixel of the result, and then averaged.
_MOST_SAMPLES = 16


@dataclass(frozen=True)
class Crop:
    """What of a face's surroundings is seen.

    Attributes:
        margin: What is added to each side of the template's square as a share of it; negative cuts.
        shift: How far the square moves down, as a share of the template's.
    """

    margin: float = 0.0
    shift: float = 0.0

    def __post_init__(self) -> None:
        if not -0.3 <= self.margin <= 2:
            raise ValueError(f"margin must be in [-0.3, 2]; got {self.margin!r}")
        if not -0.5 <= self.shift <= 0.5:
            raise ValueError(f"shift must be in [-0.5, 0.5]; got {self.shift!r}")

    def template(self, size: int = SIZE) -> np.ndarray:
        """Where the landmarks come to lie in a square of so many pixels, float32 `[5, 2]`."""
        centre = SIZE * np.array([0.5 + self.shift, 0.5], np.float32)
        places = (TEMPLATE - centre) / (1 + 2 * self.margin) + SIZE / 2
        # A pixel's place is that of its middle, so its edge is half a pixel before.
        return ((places + 0.5) * (size / SIZE) - 0.5).astype(np.float32)


def size_for(image_size: int | None) -> int:
    """Returns the height and width at which a face is aligned for a network, in pixels.

    A face that was aligned at a smaller size than the network's would have lost what it is to see.

    Args:
        image_size: Of the network's input; None where any will do.
    """
    return max(SIZE, image_size or SIZE)


def similarity(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Returns the rotation, scale and shift that bring points nearest to others, in least squares.

    Umeyama (1991), equations 40 to 42, without mirroring.

    Args:
        source: float `[n, 2]` with n > 1, not all of them the same.
        target: float `[n, 2]`.

    Returns:
        float64 `[2, 3]`: of a source point as a column with 1 below, its place near the target.
    """
    source, target = np.asarray(source, np.float64), np.asarray(target, np.float64)
    from_centre, to_centre = source.mean(axis=0), target.mean(axis=0)
    given, wanted = source - from_centre, target - to_centre
    left, scales, right = np.linalg.svd(wanted.T @ given / len(source))
    signs = np.array([1.0, np.sign(np.linalg.det(left) * np.linalg.det(right))])
    rotation = left @ np.diag(signs) @ right
    scale = (scales * signs).sum() / given.var(axis=0).sum()
    return np.column_stack([scale * rotation, to_centre - scale * rotation @ from_centre])


def transform(detection: Detection, crop: Crop = Crop(), size: int = SIZE) -> np.ndarray:
    """Returns what brings the pixels of a picture to their places in a face that `align` cuts out.

    Args:
        detection: The face; one without landmarks fills its box.
        crop: What of its surroundings is seen.
        size: Height and width of the aligned face in pixels.

    Returns:
        float64 `[2, 3]`: of x, y and 1 in the picture as a column, x and y in the aligned face.
    """
    # A pixel's place is that of its middle, so its edge is half a pixel before.
    if detection.landmarks is None:
        corner, sides = detection.box[1::-1], (detection.box[2:] - detection.box[:2])[::-1]
        scales = size / sides.astype(np.float64)
        return np.column_stack([np.diag(scales), (0.5 - corner) * scales - 0.5])
    return similarity(detection.landmarks[:, ::-1], crop.template(size)[:, ::-1])


def align(image: np.ndarray, detection: Detection, crop: Crop = Crop(), size: int = SIZE) -> np.ndarray:
    """Returns a face upright, with its eyes, nose and mouth near their places in the template.

    Beyond the picture its edge is repeated. Where the face is larger than the result, several samples
    are averaged, so that nothing aliases.

    Args:
        image: RGB uint8 `[height, width, 3]`.
        detection: The face; one without landmarks is the whole picture.
        crop: What of its surroundings is seen.
        size: Height and width of the result in pixels: `size_for` the network.

    Returns:
        RGB uint8 `[size, size, 3]`.
    """
    if detection.landmarks is None:
        return scaled(image, size)
    matrix = transform(detection, crop, size)
    shrinks_by = 1 / np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    samples = int(np.clip(round(shrinks_by), 1, _MOST_SAMPLES))
    fine = matrix * samples
    fine[:, 2] += 0.5 * samples - 0.5
    warped = cv2.warpAffine(
        image,
        fine,
        (size * samples, size * samples),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    if samples == 1:
        return warped
    return cv2.resize(warped, (size, size), interpolation=cv2.INTER_AREA)


def scaled(image: np.ndarray, size: int) -> np.ndarray:
    """Scales a picture to a square as `kfer.preprocessing.resize` does, to a level of 255.

    Args:
        image: RGB uint8 `[height, width, 3]`.
        size: Height and width in pixels.

    Returns:
        RGB uint8 `[size, size, 3]`.
    """
    if image.shape[:2] == (size, size):
        return image
    # A channel at a time: Pillow takes one as it is, and copies three into four.
    channels = [Image.fromarray(np.ascontiguousarray(image[..., channel])) for channel in range(3)]
    return np.stack(
        [np.asarray(one.resize((size, size), Image.Resampling.BILINEAR)) for one in channels], -1
    )


def to_network(faces: Sequence[np.ndarray] | np.ndarray, size: int | None) -> np.ndarray:
    """Returns faces as a network takes them.

    Args:
        faces: Aligned ones, RGB uint8 `[side, side, 3]` each, at least one.
        size: Height and width of the network's input in pixels; None where any will do.

    Returns:
        RGB uint8 `[n, size, size, 3]`; with None, of the faces' own size.
    """
    return np.stack([scaled(face, size or len(face)) for face in faces])

"""Pictures of explanations: colours over a face where a model sees its expression.

By Grad-CAM the colours go from violet to yellow, where most speaks for the expression. By occlusion
they are red where covering the face lowers the expression's probability, and blue where it raises it. The
weaker, the more of the face is seen.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from kfer.inference.alignment import transform
from kfer.inference.analyzer import Face
from kfer.inference.drawing import Annotation, draw
from kfer.inference.explanation import METHODS, Explanation

# From the least to the most, each lighter than the one before.
_RISING = ((60, 15, 110), (60, 60, 160), (30, 115, 165), (25, 165, 135), (120, 210, 80), (250, 235, 50))
# From the least to the most, each darker than the one before.
_LOWERS = ((250, 130, 100), (225, 50, 45), (160, 0, 30))
_RAISES = ((110, 175, 235), (45, 105, 215), (10, 45, 150))
# A change of a probability that is drawn in full where the map has no larger one: noise stays faint.
_CHANGE = 0.1
# The part of the aligned face's side over which an occlusion's map is smoothed: about half a step of its
# patches.
_SMOOTHING = 1 / 28
# How much of the face the strongest colour hides.
_OPACITY = 0.7
# Of a face alone: its height in pixels, and that of the line above it.
_FACE, _LINE = 448, 40


def draw_on_picture(
    image: np.ndarray, faces: Sequence[Face], explanations: Sequence[Explanation]
) -> np.ndarray:
    """Returns a copy of a picture with an explanation over each face, and above it "happy 87%: Grad-CAM".

    Args:
        image: RGB uint8 `[height, width, 3]`.
        faces: Those in it.
        explanations: Of each face.

    Returns:
        RGB uint8 of the same shape.
    """
    picture = image.copy()
    for face, explanation in zip(faces, explanations, strict=True):
        matrix = transform(face.detection, explanation.crop, len(explanation.map))
        _colour_square(picture, explanation, matrix)
    titles = [
        Annotation(face.box, None, _title(explanation), {})
        for face, explanation in zip(faces, explanations, strict=True)
    ]
    return draw(picture, titles)


def draw_face(face: Face, explanation: Explanation) -> np.ndarray:
    """Returns what the model saw of a face with an explanation over it and its title above.

    Returns:
        RGB uint8 `[488, 448, 3]`.
    """
    pixels = cv2.resize(face.aligned, (_FACE, _FACE), interpolation=cv2.INTER_CUBIC)
    values = cv2.resize(_shown(explanation), (_FACE, _FACE), interpolation=cv2.INTER_LINEAR)
    picture = np.zeros((_LINE + _FACE, _FACE, 3), np.uint8)
    picture[_LINE:] = _under_colours(pixels, values, explanation)
    box = np.array([_LINE, 0, _LINE + _FACE - 1, _FACE - 1], np.float32)
    return draw(picture, [Annotation(box, None, _title(explanation), {})])


def _title(explanation: Explanation) -> str:
    return f"{explanation.expression} {explanation.probability:.0%}: {METHODS[explanation.method]}"


def _colour_square(picture: np.ndarray, explanation: Explanation, matrix: np.ndarray) -> None:
    """Puts the colours onto a picture, of whose pixels the matrix says where they are in the map."""
    side = len(explanation.map)
    edges = np.array([[(-1, -1), (side, -1), (-1, side), (side, side)]], np.float64)
    corners = cv2.transform(edges, cv2.invertAffineTransform(matrix))[0]
    left, top = np.maximum(np.floor(corners.min(axis=0)), 0).astype(int)
    right, bottom = np.minimum(np.ceil(corners.max(axis=0)) + 1, picture.shape[1::-1]).astype(int)
    if left >= right or top >= bottom:
        return
    shifted = np.column_stack([matrix[:, :2], matrix @ (left, top, 1)])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    values = cv2.warpAffine(_shown(explanation), shifted, (right - left, bottom - top), flags=flags)
    part = picture[top:bottom, left:right]
    part[:] = _under_colours(part, values, explanation)


def _shown(explanation: Explanation) -> np.ndarray:
    """A map without the steps that the patches of an occlusion leave."""
    if explanation.method == "gradcam":
        return explanation.map
    smoothing = _SMOOTHING * len(explanation.map)
    return np.asarray(cv2.GaussianBlur(explanation.map, (0, 0), smoothing))


def _under_colours(pixels: np.ndarray, values: np.ndarray, explanation: Explanation) -> np.ndarray:
    """Pixels under the colours of an explanation's values at them, float32 `[height, width]`."""
    if explanation.method == "gradcam":
        strengths = np.clip(values, 0, 1)
        colours = _between(_RISING, strengths)
    else:
        largest = max(float(np.abs(explanation.map).max()), _CHANGE)
        strengths = np.clip(np.abs(values) / largest, 0, 1)
        lowers = values[..., np.newaxis] > 0
        colours = np.where(lowers, _between(_LOWERS, strengths), _between(_RAISES, strengths))
    opacities = _OPACITY * strengths[..., np.newaxis]
    return np.round(pixels + opacities * (colours - pixels)).astype(np.uint8)


def _between(stops: Sequence[tuple[int, int, int]], strengths: np.ndarray) -> np.ndarray:
    """The colours of strengths in [0, 1], float `[..., 3]` in [0, 255]."""
    places = np.linspace(0, 1, len(stops))
    return np.stack([np.interp(strengths, places, part) for part in np.transpose(stops)], axis=-1)

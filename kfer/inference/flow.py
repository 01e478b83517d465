"""Where a face is in the next frame, by optical flow."""

import cv2
import numpy as np

from kfer.inference import alignment
from kfer.inference.face import Detection

# Optical flow is computed in a part of the picture, made smaller to so many pixels, so that its cost and
# its bounds are the same for faces of any size; the margin is a share of the box.
_FLOW_SIDE, _FLOW_MARGIN, _FLOW_LEAST_SIDE = 128, 0.3, 8
# Points a side of the grid that is followed, and how much of the box it covers: the rest is background.
_GRID, _GRID_SHARE = 8, 0.7
_WINDOW, _LEVELS = (15, 15), 3
# How far a point may be from where it started after the way there and back, in pixels of the part.
_BACKWARD = 0.7
# The share of the points that must be found again, and the most that a face grows in a frame.
_LEAST_FOLLOWED, _LARGEST_GROWTH = 0.4, 1.25
# Points move together: the median distance from it as a share of the box, and what is left out beyond.
_LARGEST_RESIDUAL, _OUTLIER = 0.015, 2.5


def moved(before: np.ndarray, after: np.ndarray, face: Detection) -> Detection | None:
    """Returns where a face is in the next frame, by optical flow; None where it cannot be followed.

    Points in its box are followed with Lucas's and Kanade's method in pyramids (Bouguet, 2001), there and
    back; those that come back to where they started give the turn, scale and shift of box and landmarks.

    Args:
        before: Grey uint8 `[height, width]`.
        after: The same of the next frame.
        face: Where it is in the first; one without landmarks is the whole picture, and stays.

    Returns:
        The place in the next frame, with the score that it had; None also where most of it has left the
        picture.
    """
    if face.landmarks is None:
        return face
    size = face.box[2:] - face.box[:2]
    margin = _FLOW_MARGIN * float(size.max())
    low = np.maximum(np.floor(face.box[:2] - margin), 0).astype(int)
    high = np.minimum(np.ceil(face.box[2:] + margin), before.shape).astype(int)
    sides = high - low
    if sides.min() < _FLOW_LEAST_SIDE:
        return None
    small = np.maximum(np.rint(sides * min(1.0, _FLOW_SIDE / sides.max())), 1).astype(int)
    parts = [
        cv2.resize(
            grey[low[0] : high[0], low[1] : high[1]], small[::-1].tolist(), interpolation=cv2.INTER_AREA
        )
        for grey in (before, after)
    ]
    scale = small / sides
    steps = np.linspace(0.5 - _GRID_SHARE / 2, 0.5 + _GRID_SHARE / 2, _GRID)
    grid = np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1).reshape(-1, 2)
    source = face.box[:2] + grid * size
    source = source[((source >= low) & (source <= high - 1)).all(axis=1)]
    if not len(source):
        return None
    places, kept = _flow(parts[0], parts[1], (source - low + 0.5) * scale - 0.5)
    if kept.sum() < max(_LEAST_FOLLOWED * len(grid), 2):
        return None
    source, places = source[kept], (places[kept] + 0.5) / scale - 0.5 + low
    matrix = alignment.similarity(source, places)
    distances = np.linalg.norm(_transformed(matrix, source) - places, axis=1)
    median = float(np.median(distances))
    if median > _LARGEST_RESIDUAL * float(size.max()):
        return None
    near = distances <= max(_OUTLIER * median, 1e-6)
    matrix = alignment.similarity(source[near], places[near])
    growth = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    if not 1 / _LARGEST_GROWTH <= growth <= _LARGEST_GROWTH:
        return None
    (centre,) = _transformed(matrix, (face.box[:2] + face.box[2:])[np.newaxis] / 2)
    box = np.concatenate([centre - growth * size / 2, centre + growth * size / 2])
    landmarks = _transformed(matrix, face.landmarks)
    return Detection(box.astype(np.float32), landmarks.astype(np.float32), face.score)


def _flow(before: np.ndarray, after: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where points are in the next picture, y and x, and which are found again on the way back."""
    start = np.ascontiguousarray(points[:, np.newaxis, ::-1], np.float32)
    there, found = _lucas_kanade(before, after, start)
    back, returned = _lucas_kanade(after, before, there)
    distances = np.linalg.norm(back - start, axis=2)[:, 0]
    return there[:, 0, ::-1].astype(np.float64), found & returned & (distances <= _BACKWARD)


def _lucas_kanade(
    before: np.ndarray, after: np.ndarray, points: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    there, found, _ = cv2.calcOpticalFlowPyrLK(
        before, after, points, np.empty_like(points), winSize=_WINDOW, maxLevel=_LEVELS
    )
    return np.asarray(there), np.asarray(found)[:, 0] == 1


def _transformed(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    return np.asarray(points, np.float64) @ matrix[:, :2].T + matrix[:, 2]

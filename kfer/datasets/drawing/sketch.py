"""Shapes in head units, turned and projected all at once, then drawn layer by layer."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import NamedTuple

import cv2
import numpy as np

from kfer.datasets.drawing.view import View

Colour = tuple[int, int, int]

#: Layers in the order of drawing; "relief" is one channel that lightens (above 128) or darkens.
BASE, RELIEF, TOP = range(3)
NEUTRAL_RELIEF = 128

#: Coordinates are handed to OpenCV as integers in 1/16 pixel: drawing is integer arithmetic throughout.
_SHIFT = 4
_DEPTH = 0.75
_HEAD_UNIT = 0.282
_ORIGIN_Y = 0.535
_CIRCLE_STEPS = 20

#: A shape's points are a matrix times its control points; this names the matrix.
_Basis = tuple[int, bool] | str | None
_ELLIPSE = "ellipse"

Points = Sequence[tuple[float, float]]


class _Shape(NamedTuple):
    layer: int
    colour: Colour | int
    basis: _Basis
    controls: Points | np.ndarray
    width: float
    is_closed: bool
    depth: float
    lift: float


class Sketch:
    """Shapes in head units (x, y), in the order in which they are drawn.

    Shapes lie on the face's surface, a half ellipsoid, lifted by `lift`; with `is_flat` they lie in the
    plane through the ears instead, as outlines do. A `width` of 0 fills the shape, else its line is
    drawn. A sketch that is projected again, in another view, is not computed again.
    """

    def __init__(self) -> None:
        self._shapes: list[_Shape] = []

    def path(
        self,
        layer: int,
        points: np.ndarray | Points,
        colour: Colour | int,
        width: float = 0.0,
        lift: float = 0.0,
        is_flat: bool = False,
        is_closed: bool = False,
    ) -> None:
        """Adds straight lines through the points."""
        depth = 0.0 if is_flat else _DEPTH
        self._shapes.append(_Shape(layer, colour, None, points, width, is_closed, depth, lift))

    def curve(
        self,
        layer: int,
        points: Points,
        colour: Colour | int,
        width: float = 0.0,
        lift: float = 0.0,
        is_flat: bool = False,
        is_closed: bool = False,
    ) -> None:
        """Adds a smooth line through the points."""
        basis, depth = (len(points), is_closed), 0.0 if is_flat else _DEPTH
        self._shapes.append(_Shape(layer, colour, basis, points, width, is_closed, depth, lift))

    def ellipse(
        self,
        layer: int,
        centre: tuple[float, float],
        radii: tuple[float, float],
        colour: Colour | int,
        width: float = 0.0,
        lift: float = 0.0,
        is_flat: bool = False,
    ) -> None:
        """Adds an upright ellipse."""
        controls = (centre, (radii[0], 0.0), (0.0, radii[1]))
        depth = 0.0 if is_flat else _DEPTH
        self._shapes.append(_Shape(layer, colour, _ELLIPSE, controls, width, True, depth, lift))

    @cached_property
    def _solid(self) -> tuple[np.ndarray, np.ndarray, list[tuple[int, int]]]:
        """All points [n, 2], their depths [n], and each shape's first and last point."""
        groups: dict[_Basis, list[int]] = {}
        for index, shape in enumerate(self._shapes):
            groups.setdefault(shape.basis, []).append(index)
        chunks, lengths, order = [np.empty((0, 2))], [], []
        for basis, indices in groups.items():
            if basis is None:
                paths = [np.asarray(self._shapes[index].controls) for index in indices]
                lengths += [len(points) for points in paths]
                chunks += paths
            else:
                controls = np.array([self._shapes[index].controls for index in indices])
                points = _basis(basis) @ controls
                lengths += [points.shape[1]] * len(indices)
                chunks.append(points.reshape(-1, 2))
            order += indices
        points = np.concatenate(chunks)
        placing = (
            np.array([self._shapes[index][-2:] for index in order]).reshape(-1, 2).repeat(lengths, axis=0)
        )
        ranges = [(0, 0)] * len(order)
        end = 0
        for index, length in zip(order, lengths, strict=True):
            start, end = end, end + length
            ranges[index] = (start, end)
        return points, placing[:, 0] * surface_height(points) + placing[:, 1], ranges


def project_all(sketches: Sequence[Sketch], view: View, side: int) -> "Projected":
    """Turns sketches by the view into an image of `side` pixels; they must not grow from then on."""
    solids = [sketch._solid for sketch in sketches]
    points = np.concatenate([points for points, _, _ in solids])
    depth = np.concatenate([depth for _, depth, _ in solids])
    # Pixel centres are at integer coordinates in OpenCV. Rounding here hides what differs between
    # platforms in the last bit.
    fixed = np.rint((project(points, depth, view, side) - 0.5) * (1 << _SHIFT)).astype(np.int32)
    shapes, outlines, offset = [], [], 0
    for sketch, (own_points, _, ranges) in zip(sketches, solids, strict=True):
        shapes += sketch._shapes
        outlines += [fixed[offset + start : offset + end] for start, end in ranges]
        offset += len(own_points)
    return Projected(shapes, outlines, side * _HEAD_UNIT * view.scale)


@dataclass
class Projected:
    """A sketch in an image's pixels, ready to be drawn."""

    _shapes: list[_Shape]
    _outlines: list[np.ndarray]
    _unit: float

    def draw(self, layer: int, image: np.ndarray) -> None:
        """Draws one layer's shapes in the order in which they were added.

        Args:
            layer: BASE, RELIEF or TOP.
            image: uint8 [side, side, 3], or [side, side] for RELIEF; is written to.
        """
        for shape, outline in zip(self._shapes, self._outlines, strict=True):
            if shape.layer != layer:
                continue
            if shape.width:
                thickness = max(1, round(shape.width * self._unit))
                cv2.polylines(
                    image, [outline], shape.is_closed, shape.colour, thickness, cv2.LINE_AA, _SHIFT
                )
            else:
                cv2.fillPoly(image, [outline], shape.colour, cv2.LINE_AA, _SHIFT)


def surface_height(points: np.ndarray) -> np.ndarray:
    """Height of the face's surface above the plane through the ears, in [0, 1], for points [n, 2]."""
    return np.sqrt(np.maximum(1 - (points[:, 0] / 1.15) ** 2 - (points[:, 1] / 1.6) ** 2, 0))


def project(points: np.ndarray, depth: np.ndarray, view: View, side: int) -> np.ndarray:
    """Returns the places (x, y) in pixels of points (x, y) in head units.

    Args:
        points: float [n, 2].
        depth: float [n], towards the camera, in head units.
        view: Gives pose, scale and shift.
        side: The image's height and width in pixels.

    Returns:
        float [n, 2]; (0.5, 0.5) is the centre of the first pixel.
    """
    x = points[:, 0] * math.cos(view.yaw) + depth * math.sin(view.yaw)
    y = points[:, 1] * math.cos(view.pitch) + depth * math.sin(view.pitch)
    cos, sin = math.cos(view.roll), math.sin(view.roll)
    unit = side * _HEAD_UNIT * view.scale
    down, right = view.shift
    place_x = (x * cos - y * sin) * unit + side * (0.5 + right)
    place_y = (x * sin + y * cos) * unit + side * (_ORIGIN_Y + down)
    return np.stack([place_x, place_y], axis=1)


def on_surface(points: np.ndarray, lift: float = 0.0) -> np.ndarray:
    """Depth of points that lie on the face, for `project`."""
    return _DEPTH * surface_height(points) + lift


def smooth(points: Points, is_closed: bool = False) -> np.ndarray:
    """A Catmull-Rom spline through the points, four steps a segment, float [n, 2]."""
    return _basis((len(points), is_closed)) @ np.array(points)


def circle(x: float, y: float, radius: float) -> np.ndarray:
    """Outline of a circle, float [20, 2]."""
    return _basis(_ELLIPSE) @ np.array([(x, y), (radius, 0.0), (0.0, radius)])


@cache
def _basis(key: tuple[int, bool] | str) -> np.ndarray:
    if isinstance(key, str):
        angles = np.arange(_CIRCLE_STEPS) * (2 * math.pi / _CIRCLE_STEPS)
        return np.stack([np.ones_like(angles), np.cos(angles), np.sin(angles)], axis=1)
    count, is_closed = key
    steps = np.arange(4) / 4
    weights = 0.5 * np.stack(
        [
            -(steps**3) + 2 * steps**2 - steps,
            3 * steps**3 - 5 * steps**2 + 2,
            -3 * steps**3 + 4 * steps**2 + steps,
            steps**3 - steps**2,
        ],
        axis=1,
    )
    segments = count if is_closed else count - 1
    basis = np.zeros((4 * segments + (not is_closed), count))
    for segment in range(segments):
        for neighbour in range(4):
            index = segment + neighbour - 1
            index = index % count if is_closed else min(max(index, 0), count - 1)
            basis[4 * segment : 4 * segment + 4, index] += weights[:, neighbour]
    if not is_closed:
        basis[-1, -1] = 1
    return basis

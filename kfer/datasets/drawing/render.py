"""A person, an expression and a view to an image with its labels."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import cv2
import numpy as np

from kfer.datasets import naming
from kfer.datasets.drawing import features, head, mouth
from kfer.datasets.drawing.expressions import ACTION_UNITS
from kfer.datasets.drawing.expressions import action_units as sample_action_units
from kfer.datasets.drawing.identity import Identity, sample_identity
from kfer.datasets.drawing.sketch import (
    BASE,
    NEUTRAL_RELIEF,
    RELIEF,
    TOP,
    Projected,
    Sketch,
    on_surface,
    project,
    project_all,
)
from kfer.datasets.drawing.view import View, sample_view

#: Smaller faces show no expression.
SMALLEST_SIZE = 24

#: The five landmarks in their order; left and right as seen in the image.
LANDMARKS = ("left_eye", "right_eye", "nose_tip", "left_mouth_corner", "right_mouth_corner")

#: The angles of the head in their order.
HEAD_POSE = ("yaw", "pitch", "roll")

_SUPERSAMPLING = 2
_STREAM = 3
_NOISE_STREAM = 4

# The normal distribution's value for each value of a random byte.
_NORMAL = np.array([NormalDist().inv_cdf((byte + 0.5) / 256) for byte in range(256)])


@dataclass(frozen=True)
class DrawnFace:
    """An image and what is known about it.

    Attributes:
        image: RGB uint8 [size, size, 3].
        landmarks: float32 [5, 2], (y, x) in pixels, in the order of LANDMARKS.
        box: float32 [4], (ymin, xmin, ymax, xmax) in pixels, around the head without ears and hair.
        action_units: float32 [16], in the order of ACTION_UNITS.
        head_pose: float32 [3], in radians, in the order of HEAD_POSE: turn to the image's right, nod
            downwards, turn clockwise in the image's plane.
    """

    image: np.ndarray
    landmarks: np.ndarray
    box: np.ndarray
    action_units: np.ndarray
    head_pose: np.ndarray


def render(person: Identity, action_units: Mapping[str, float], view: View, size: int) -> DrawnFace:
    """Draws a face.

    Everything is drawn in integer arithmetic at twice the size, so that the same arguments give the same
    bytes.

    Args:
        person: Who it is.
        action_units: Intensities in [0, 1] by name; units that are not there are 0.
        view: How it is seen.
        size: Height and width in pixels.

    Raises:
        ValueError: The size is too small, or an action unit is unknown or out of range.
    """
    _check(action_units, size)
    units = {name: float(action_units.get(name, 0.0)) for name in ACTION_UNITS}
    sides = {
        side: {name: value * (1 - side * view.asymmetry) for name, value in units.items()}
        for side in (-1, 1)
    }
    corners = mouth.mouth_corners(person, sides[-1], sides[1])
    head_outline = head.outline(person, units["AU26"])
    sketches = _sketches(person, units, sides, view, head_outline, corners)
    return DrawnFace(
        image=_draw(project_all(sketches, view, size * _SUPERSAMPLING), view, size),
        landmarks=_landmarks(person, corners, view, size),
        box=_box(head_outline, view, size),
        action_units=np.array(list(units.values()), np.float32),
        head_pose=np.array([getattr(view, angle) for angle in HEAD_POSE], np.float32),
    )


def draw(identity_seed: int, expression: str, seed: int, size: int = 64) -> DrawnFace:
    """Draws the person of a seed with an expression; everything else comes from `seed`.

    Args:
        identity_seed: For `sample_identity`.
        expression: One of spec.EXPRESSIONS.
        seed: Gives the intensities, the variants of the expression, and the view.
        size: Height and width in pixels.

    Raises:
        ValueError: The expression is unknown or the size too small.
    """
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([_STREAM, identity_seed, seed])))
    intensities = sample_action_units(expression, rng)
    units = dict(zip(ACTION_UNITS, intensities.tolist(), strict=True))
    return render(_person(identity_seed), units, sample_view(rng), size)


@lru_cache(512)
def _person(identity_seed: int) -> Identity:
    return sample_identity(identity_seed)


def _check(action_units: Mapping[str, float], size: int) -> None:
    if size < SMALLEST_SIZE:
        raise ValueError(f"A drawn face is {size} pixels wide; expected at least {SMALLEST_SIZE}.")
    for name, value in action_units.items():
        naming.check_name(name, tuple(ACTION_UNITS), "An action unit")
        if not 0 <= value <= 1:
            raise ValueError(f"{name} has intensity {value}; expected 0 to 1.")


def _sketches(
    person: Identity,
    units: features.Units,
    sides: Mapping[int, features.Units],
    view: View,
    head_outline: np.ndarray,
    corners: mouth.Corners,
) -> list[Sketch]:
    """What is drawn, from back to front."""
    skull, face = Sketch(), Sketch()
    head.add_head(skull, person, head_outline, view.shirt)
    head.add_beard(skull, person, units["AU26"])
    hair_y = -person.skull_height if person.hair_style == "bald" else head.hairline(person)[2][1]
    features.add_forehead(face, person, units, hair_y)
    for corner, side in zip(corners, (-1, 1), strict=True):
        features.add_cheek(face, person, sides[side], side, corner)
        features.add_eye(face, person, sides[side], side, view)
        features.add_brow(face, person, sides[side], side)
    mouth.add_moustache(face, person, corners)
    mouth.add_mouth(face, person, units, corners)
    features.add_nose(face, person, units)
    return [head.behind(person), skull, head.in_front(person), face, head.glasses(person)]


def _draw(projected: Projected, view: View, size: int) -> np.ndarray:
    side = size * _SUPERSAMPLING
    canvas = cv2.resize(view.background, (side, side), interpolation=cv2.INTER_LINEAR_EXACT)
    projected.draw(BASE, canvas)
    relief: np.ndarray = np.full((side, side), NEUTRAL_RELIEF, np.uint8)
    projected.draw(RELIEF, relief)
    # About a 48th of the side, odd; OpenCV smooths bytes in fixed point.
    kernel = side // 48 * 2 + 1
    relief = cv2.GaussianBlur(relief, (kernel, kernel), 0)
    gain = np.clip(relief + _light(view, side), 0, 255).astype(np.uint8)
    # The scale is a power of two and products stay below 2**16: exact in float32.
    canvas = cv2.multiply(canvas, cv2.merge([gain, gain, gain]), scale=1 / NEUTRAL_RELIEF)
    projected.draw(TOP, canvas)
    image = cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA)
    # Less blur than that changes nothing after rounding.
    if view.blur > 0.25:
        image = cv2.GaussianBlur(image, (5, 5), view.blur)
    return _with_noise(image, view)


def _light(view: View, side: int) -> np.ndarray:
    """What is added to the relief, int16 [side, side]: bright towards the light, dark at the edges."""
    at = (np.arange(side) + 0.5) / side * 2 - 1
    light_x, light_y = view.light
    across = light_x * at - 0.28 * np.minimum(at**2, 0.4)
    down = light_y * at - 0.12 * np.minimum(at**2, 0.6) + 0.08 + view.brightness - 1
    levels_across = np.rint(across * NEUTRAL_RELIEF).astype(np.int16)
    levels_down = np.rint(down * NEUTRAL_RELIEF).astype(np.int16)
    return levels_down[:, np.newaxis] + levels_across


def _with_noise(image: np.ndarray, view: View) -> np.ndarray:
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([_NOISE_STREAM, view.noise_seed])))
    levels = np.rint(view.noise * _NORMAL).astype(np.int16)
    noise = levels[np.frombuffer(rng.bytes(image.size), np.uint8)]
    return cv2.add(image, noise.reshape(image.shape), dtype=cv2.CV_8U)


def _landmarks(person: Identity, corners: mouth.Corners, view: View, size: int) -> np.ndarray:
    eyes = [(side * person.eye_distance, features.EYE_Y) for side in (-1, 1)]
    points = np.array([*eyes, (0.0, person.nose_length), *corners])
    lift = np.array([0.0, 0.0, features.NOSE_LIFT, mouth.MOUTH_LIFT, mouth.MOUTH_LIFT])
    places = project(points, on_surface(points) + lift, view, size)
    return places[:, ::-1].astype(np.float32)


def _box(head_outline: np.ndarray, view: View, size: int) -> np.ndarray:
    places = project(head_outline, np.zeros(len(head_outline)), view, size)
    (xmin, ymin), (xmax, ymax) = places.min(axis=0), places.max(axis=0)
    return np.clip([ymin, xmin, ymax, xmax], 0, size).astype(np.float32)

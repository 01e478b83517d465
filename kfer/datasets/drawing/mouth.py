"""The mouth as shapes, moved by action units."""

import numpy as np

from kfer.datasets.drawing.features import Units
from kfer.datasets.drawing.identity import Colour, Identity, darker, mixed
from kfer.datasets.drawing.sketch import NEUTRAL_RELIEF, RELIEF, TOP, Sketch

#: The lips lie this much above the face's surface.
MOUTH_LIFT = 0.06

Corners = tuple[tuple[float, float], tuple[float, float]]

_ACROSS = np.linspace(-1, 1, 17)
_SQUARED = _ACROSS**2
_IS_LEFT = _ACROSS < 0
_OVAL = 1 - _SQUARED
_BAND = 1 - _SQUARED**3
_LIP = 1 - _SQUARED**2
_UPPER_LIP = 0.75 * _LIP * (1 - 0.35 / (1 + 60 * _SQUARED))
_INSIDE = slice(2, -2)
_TEETH = (240, 238, 228)
_LOWER_TEETH = (216, 214, 205)
_HOLE = (52, 14, 18)
_TONGUE = (176, 70, 76)


def mouth_corners(person: Identity, left: Units, right: Units) -> Corners:
    """Places (x, y) of the mouth's left and right corner."""
    return _corner(person, left, -1), _corner(person, right, 1)


def _corner(person: Identity, units: Units, side: int) -> tuple[float, float]:
    rounding = units["AU26"] * (1 - units["AU20"]) * (1 - units["AU12"])
    width = person.mouth_width * (1 - 0.38 * units["AU23"] - 0.3 * rounding - 0.08 * units["AU17"])
    width += 0.14 * units["AU12"] + 0.15 * units["AU20"] + 0.04 * units["AU16"]
    y = person.mouth_height - 0.2 * units["AU12"] + 0.19 * units["AU15"] + 0.05 * units["AU20"]
    return side * width, y + 0.12 * units["AU26"] * (1 - units["AU12"])


def add_moustache(sketch: Sketch, person: Identity, corners: Corners) -> None:
    """Hair between nose and mouth, whose ends follow the corners."""
    if not person.moustache:
        return
    (left_x, left_y), (right_x, right_y) = corners
    top = person.nose_length + 0.1
    bottom = person.mouth_height - 0.75 * person.lip_thickness - 0.01
    thickness = person.moustache
    shape = [
        (0, top + 0.02),
        (0.5 * right_x, top + 0.03),
        (right_x + 0.05, right_y - 0.06),
        (0.9 * right_x, right_y + thickness - 0.06),
        (0.4 * right_x, bottom),
        (0.4 * left_x, bottom),
        (0.9 * left_x, left_y + thickness - 0.06),
        (left_x - 0.05, left_y - 0.06),
        (0.5 * left_x, top + 0.03),
    ]
    colour = mixed(person.skin, person.brow_colour, 0.9)
    sketch.curve(TOP, shape, colour, lift=MOUTH_LIFT, is_closed=True)


def add_mouth(sketch: Sketch, person: Identity, units: Units, corners: Corners) -> None:
    """Lips, and teeth and tongue where the lips are apart."""
    (left_x, left_y), (right_x, right_y) = corners
    middle = person.mouth_height + 0.05 * units["AU12"] - 0.05 * units["AU15"] * (1 - units["AU16"])
    middle -= 0.05 * units["AU17"] + 0.07 * units["AU10"]
    x = 0.5 * (left_x + right_x) + 0.5 * (right_x - left_x) * _ACROSS
    seam = middle + (np.where(_IS_LEFT, left_y, right_y) - middle) * _SQUARED
    above, below = _opening(units)
    # A stretched or snarling mouth opens as a band, a dropped jaw as an oval.
    band = max(units["AU20"], units["AU16"])
    bow = _OVAL * (1 - band) + _BAND * band
    tightness = 0.55 * units["AU23"] + 0.3 * units["AU12"] + 0.3 * units["AU20"] + 0.25 * units["AU17"]
    lip = person.lip_thickness * max(1 - tightness, 0.3)
    upper = seam - above * bow
    lower = seam + below * bow
    lower_edge = lower + lip * _LIP
    _fill_between(sketch, x, upper - lip * _UPPER_LIP, upper, darker(person.lip_colour, 0.86))
    _fill_between(sketch, x, lower, lower_edge, person.lip_colour)
    if above + below > 0:
        _add_inside(sketch, units, x, upper, lower)
    else:
        sketch.path(TOP, _points(x, seam), darker(person.lip_colour, 0.4), 0.04, MOUTH_LIFT)
    for (corner_x, corner_y), side in zip(corners, (-1, 1), strict=True):
        sketch.ellipse(RELIEF, (corner_x + side * 0.04, corner_y), (0.05, 0.06), NEUTRAL_RELIEF - 26)
        if units["AU15"] > 0.3:
            fold = [
                (corner_x, corner_y),
                (corner_x + side * 0.07, corner_y + 0.1),
                (corner_x + side * 0.06, corner_y + 0.22),
            ]
            sketch.curve(RELIEF, fold, NEUTRAL_RELIEF - round(46 * units["AU15"]), 0.04)
    _add_chin(sketch, units, float(lower_edge[len(_ACROSS) // 2]) + 0.08)


def _opening(units: Units) -> tuple[float, float]:
    """How far the upper and the lower lip are from where they meet."""
    smile = units["AU12"]
    above = 0.02 * units["AU25"] * (1 - smile) + 0.05 * units["AU9"] * units["AU16"]
    below = 0.4 * units["AU26"] * (1 - 0.4 * smile - 0.35 * units["AU20"])
    below += 0.07 * units["AU25"] * (1 + smile) + 0.1 * units["AU16"]
    # Units at rest leave the mouth closed.
    return (above, below) if above + below > 0.07 else (0.0, 0.0)


def _add_inside(
    sketch: Sketch, units: Units, x: np.ndarray, upper: np.ndarray, lower: np.ndarray
) -> None:
    _fill_between(sketch, x, upper, lower, _HOLE)
    x, upper, lower = x[_INSIDE], upper[_INSIDE], lower[_INSIDE]
    gap = lower - upper
    if max(units["AU12"], units["AU20"], units["AU10"], units["AU16"]) > 0.4:
        _fill_between(sketch, x, upper, upper + np.minimum(0.62 * gap, 0.12), _TEETH)
    if units["AU16"] > 0.4:
        _fill_between(sketch, x, lower - np.minimum(0.3 * gap, 0.06), lower, _LOWER_TEETH)
    elif units["AU26"] > 0.4:
        _fill_between(sketch, x, lower - 0.3 * gap, lower, _TONGUE)


def _add_chin(sketch: Sketch, units: Units, y: float) -> None:
    sketch.ellipse(RELIEF, (0, y), (0.22, 0.045), NEUTRAL_RELIEF - 20)
    if units["AU17"] > 0.3:
        dark = NEUTRAL_RELIEF - round(48 * units["AU17"])
        for x, down in (
            (-0.14, 0.1),
            (-0.05, 0.07),
            (0.05, 0.07),
            (0.14, 0.1),
            (-0.09, 0.16),
            (0.09, 0.16),
        ):
            sketch.ellipse(RELIEF, (x, y + down), (0.025, 0.025), dark)


def _fill_between(
    sketch: Sketch, x: np.ndarray, top: np.ndarray, bottom: np.ndarray, colour: Colour
) -> None:
    outline = np.concatenate([_points(x, top), _points(x, bottom)[::-1]])
    sketch.path(TOP, outline, colour, lift=MOUTH_LIFT)


def _points(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    points = np.empty((len(x), 2))
    points[:, 0], points[:, 1] = x, y
    return points

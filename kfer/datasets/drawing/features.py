"""Eyes, brows, nose and cheeks as shapes, moved by action units.

A function takes the units' intensities as a mapping {"AU1": 0.7, ...}; what has a side (-1 left, +1 right
in the image) is given that side's intensities. Displacements follow FACS's descriptions of what each unit
changes.
"""

from collections.abc import Mapping

import numpy as np

from kfer.datasets.drawing.identity import Identity, darker
from kfer.datasets.drawing.sketch import NEUTRAL_RELIEF, RELIEF, TOP, Sketch, circle, smooth
from kfer.datasets.drawing.view import View

Units = Mapping[str, float]

EYE_Y = -0.1
NOSE_LIFT = 0.26
_LID = np.linspace(-1, 1, 13)
_LID_BOW = 1 - _LID**2
_SCLERA = (238, 238, 234)
_PUPIL = (14, 12, 12)
#: From the inner to the outer end of a brow, the half thickness above and below (x, y).
_TAPER = 0.5 * np.stack([np.zeros(13), np.concatenate([[0.6], np.linspace(0.95, 0.3, 12)])], axis=1)
#: Fainter wrinkles are not drawn.
_VISIBLE = 0.3


def add_eye(sketch: Sketch, person: Identity, units: Units, side: int, view: View) -> None:
    """White, iris and pupil between the lids, lashes, and the lids' folds."""
    squint = 0.45 * units["AU6"] + 0.5 * units["AU7"] + 0.6 * units["AU9"]
    above = person.eye_height * max(1 + 0.95 * units["AU5"] - 0.45 * squint, 0.3)
    below = person.eye_height * max(0.75 + 0.25 * units["AU5"] - 0.7 * squint, 0.06)
    # The lids follow the brows: sad eyes droop outside, angry ones slant inwards.
    slant = 0.65 * (units["AU4"] * (1 - units["AU1"])) - 0.5 * units["AU1"] * (1 - units["AU2"])
    centre_x = side * person.eye_distance
    lids = np.empty((2, len(_LID), 2))
    lids[:, :, 0] = centre_x + _LID * person.eye_width
    lids[:, :, 1] = EYE_Y - person.eye_tilt * side * _LID
    lids[0, :, 1] -= above * _LID_BOW * (1 + slant * side * _LID)
    lids[1, :, 1] += below * _LID_BOW
    lids[0] += view.blink * (lids[1] - lids[0])
    upper, lower = lids
    sketch.path(TOP, np.concatenate([upper, lower[::-1]]), _SCLERA)
    x, y = centre_x + view.gaze[0], EYE_Y + view.gaze[1] - 0.01
    discs = np.concatenate([circle(x, y, person.iris_size), circle(x, y, 0.5 * person.iris_size)])
    top = np.interp(discs[:, 0], upper[:, 0], upper[:, 1])
    bottom = np.interp(discs[:, 0], lower[:, 0], lower[:, 1])
    discs[:, 1] = np.minimum(np.maximum(discs[:, 1], top), bottom)
    count = len(discs) // 2
    sketch.path(TOP, discs[:count], person.iris_colour)
    sketch.path(TOP, discs[count:], _PUPIL)
    if above * (1 - view.blink) > 0.7 * person.eye_height:
        sketch.ellipse(TOP, (x - 0.035, y - 0.03), (0.025, 0.025), (255, 255, 255))
    sketch.path(TOP, upper, darker(person.skin, 0.22), 0.05)
    sketch.path(TOP, lower, darker(person.skin, 0.6), 0.025)
    sketch.path(RELIEF, upper - (0, 0.055), NEUTRAL_RELIEF - 30, 0.05)
    pouch = round(26 * max(units["AU6"], units["AU7"], units["AU9"]))
    sketch.path(RELIEF, lower - (0, -0.07), NEUTRAL_RELIEF - 8 - pouch, 0.05)
    if units["AU6"] > _VISIBLE:
        _add_crows_feet(sketch, centre_x + side * (person.eye_width + 0.04), side, units["AU6"])


def _add_crows_feet(sketch: Sketch, x: float, side: int, strength: float) -> None:
    for slope in (-0.1, 0.02, 0.14):
        line = [(x, EYE_Y + 0.3 * slope), (x + side * 0.13, EYE_Y + slope)]
        sketch.path(RELIEF, line, NEUTRAL_RELIEF - round(44 * strength), 0.03)


def add_brow(sketch: Sketch, person: Identity, units: Units, side: int) -> None:
    """The brow and, where it is drawn together, the furrow beside it."""
    lowered = units["AU4"]
    inner_raise = 0.23 * units["AU1"] - 0.2 * lowered * (1 - 0.75 * units["AU1"]) - 0.12 * units["AU9"]
    outer_raise = 0.2 * units["AU2"] - 0.04 * lowered - 0.03 * units["AU9"]
    outer_raise -= 0.07 * units["AU1"] * (1 - units["AU2"])
    middle_raise = 0.5 * (inner_raise + outer_raise) + 0.02 * units["AU2"]
    y = EYE_Y - person.brow_height
    distance, reach, arch = person.eye_distance, person.eye_width, person.brow_arch
    spine = smooth(
        [
            (side * (distance - 1.05 * reach - 0.07 * lowered), y + 0.02 - inner_raise),
            (side * (distance - 0.35 * reach), y - 0.7 * arch - 0.5 * (inner_raise + middle_raise)),
            (side * (distance + 0.4 * reach), y - arch - 0.5 * (middle_raise + outer_raise)),
            (side * (distance + 1.3 * reach), y + 0.05 - outer_raise),
        ]
    )
    taper = person.brow_thickness * _TAPER
    sketch.path(TOP, np.concatenate([spine - taper, (spine + taper)[::-1]]), person.brow_colour)
    sketch.path(RELIEF, spine - (0, -0.1), NEUTRAL_RELIEF - 12 - round(20 * lowered), 0.08)
    furrow = max(lowered, 0.8 * units["AU9"])
    if furrow > _VISIBLE:
        x = side * 0.085
        top = y - 0.1 - 0.4 * inner_raise
        sketch.path(RELIEF, [(1.2 * x, top), (x, top + 0.24)], NEUTRAL_RELIEF - round(64 * furrow), 0.035)


def add_forehead(sketch: Sketch, person: Identity, units: Units, hair_y: float) -> None:
    """Wrinkles below the hair: in the middle of the forehead by AU1, over its whole width by AU2."""
    strength = max(units["AU1"], units["AU2"])
    if strength < _VISIBLE:
        return
    reach = 0.28 + 0.3 * units["AU2"]
    bend = 0.05 * (1 - 2 * units["AU2"])
    for height in (0.33, 0.45):
        y = EYE_Y - person.brow_height - height
        if y > hair_y + 0.1:
            wrinkle = [(-reach, y - bend), (-0.5 * reach, y), (0.5 * reach, y), (reach, y - bend)]
            sketch.curve(RELIEF, wrinkle, NEUTRAL_RELIEF - round(40 * strength), 0.035)


def add_nose(sketch: Sketch, person: Identity, units: Units) -> None:
    """Ridge, wings and nostrils; AU9 pulls the wings up and wrinkles the bridge."""
    wrinkle = units["AU9"]
    tip = person.nose_length
    wing_y = tip + 0.06 - 0.08 * wrinkle - 0.03 * units["AU10"]
    width = person.nose_width * (1 + 0.15 * wrinkle)
    half_lift = 0.5 * NOSE_LIFT
    ridge = [(-0.05, -0.15), (0.05, -0.15), (0.08, tip - 0.06), (-0.08, tip - 0.06)]
    sketch.path(RELIEF, ridge, NEUTRAL_RELIEF + 12, lift=half_lift)
    sketch.ellipse(RELIEF, (0, tip - 0.02), (0.55 * width, 0.1), NEUTRAL_RELIEF + 18, lift=NOSE_LIFT)
    for side in (-1, 1):
        flank = [(side * 0.12, -0.2), (side * 0.1, 0.02), (side * 0.75 * width, tip - 0.08)]
        sketch.curve(RELIEF, flank, NEUTRAL_RELIEF - 22, 0.05, half_lift)
        wing = [
            (side * 0.8 * width, wing_y - 0.15),
            (side * width, wing_y - 0.04),
            (side * 0.78 * width, wing_y + 0.04),
        ]
        sketch.curve(TOP, wing, darker(person.skin, 0.62), 0.035, half_lift)
        nostril, radii = (side * 0.45 * width, wing_y + 0.02), (0.3 * width, 0.03 + 0.015 * wrinkle)
        sketch.ellipse(TOP, nostril, radii, darker(person.skin, 0.36), lift=half_lift)
        if wrinkle > _VISIBLE:
            for step in range(3):
                y = -0.06 + 0.1 * step
                line = [(side * 0.04, y - 0.07), (side * (0.2 + 0.02 * step), y + 0.03)]
                sketch.path(RELIEF, line, NEUTRAL_RELIEF - round(62 * wrinkle), 0.035, half_lift)


def add_cheek(
    sketch: Sketch, person: Identity, units: Units, side: int, corner: tuple[float, float]
) -> None:
    """The cheek's bulge and the fold from the nose's wing past the mouth's corner."""
    raised = max(units["AU6"], units["AU12"])
    centre, radii = (side * 0.54, 0.26 - 0.06 * raised), (0.22, 0.16 - 0.02 * raised)
    sketch.ellipse(RELIEF, centre, radii, NEUTRAL_RELIEF + 8 + round(16 * raised))
    snarl = max(units["AU9"], units["AU10"])
    depth = max(units["AU12"], snarl, 0.5 * units["AU20"], 0.45 * units["AU15"])
    if depth < _VISIBLE / 2:
        return
    start_x, start_y = side * (person.nose_width + 0.06), person.nose_length - 0.02 - 0.06 * snarl
    end_x, end_y = side * (abs(corner[0]) + 0.13), corner[1] + 0.02
    middle = (0.45 * start_x + 0.55 * end_x + side * 0.06, 0.55 * start_y + 0.45 * end_y - 0.03)
    fold = [(start_x, start_y), middle, (end_x, end_y)]
    sketch.curve(RELIEF, fold, NEUTRAL_RELIEF - round(58 * depth), 0.04)

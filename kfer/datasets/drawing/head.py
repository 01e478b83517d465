"""Head, hair, ears, beard, glasses and skin marks as shapes.

What no expression changes is made once a person and then kept.
"""

import math
from functools import lru_cache

import numpy as np

from kfer.datasets.drawing.features import EYE_Y
from kfer.datasets.drawing.identity import Colour, Identity, darker, mixed
from kfer.datasets.drawing.sketch import BASE, NEUTRAL_RELIEF, RELIEF, TOP, Sketch, smooth

# Keeps the random numbers of a person's marks apart from those of the person's parameters.
_STREAM = 2
_KEPT_PEOPLE = 512
_LENS_ANGLES = np.arange(24) * (2 * math.pi / 24)
_HAIRLINE_SHARES = (-0.78, -0.42, 0.0, 0.42, 0.78)
_SHOULDERS = ((-2.2, 2.6), (-1.6, 1.72), (-0.5, 1.46), (0.0, 1.62), (0.5, 1.46), (1.6, 1.72), (2.2, 2.6))
_NECK = ((-0.46, 0.6), (0.46, 0.6), (0.52, 2.2), (-0.52, 2.2))


def outline(person: Identity, jaw_drop: float) -> np.ndarray:
    """The head without ears and hair, float [n, 2]; an open jaw makes it longer."""
    width, top, chin = person.head_width, -person.skull_height, person.chin_length + 0.22 * jaw_drop
    right = [
        (0.55 * width, 0.93 * top),
        (0.9 * width, 0.6 * top),
        (width, -0.15),
        (0.96 * width, 0.3),
        (width * person.jaw_width, 0.7 + 0.1 * jaw_drop),
        (person.chin_width, chin - 0.09),
    ]
    return smooth([(0.0, top), *right, (0.0, chin), *_mirrored(right)], is_closed=True)


def _mirrored(right: list[tuple[float, float]]) -> list[tuple[float, float]]:
    return [(-x, y) for x, y in reversed(right)]


def hairline(person: Identity) -> list[tuple[float, float]]:
    """Where the hair ends on the forehead, from left to right; always above the relaxed brows."""
    top = -person.skull_height
    return [
        (share * person.head_width, min(top * (1 - 0.2 * share**2) + 0.2 + drop, -0.6))
        for share, drop in zip(_HAIRLINE_SHARES, person.hairline, strict=True)
    ]


@lru_cache(_KEPT_PEOPLE)
def behind(person: Identity) -> Sketch:
    """Hair behind the head, neck and ears."""
    sketch = Sketch()
    if person.hair_style != "bald":
        _add_hair_behind(sketch, person)
    sketch.path(BASE, _NECK, darker(person.skin, 0.8), lift=-0.25, is_flat=True)
    for side in (-1, 1):
        x, size = side * (person.head_width + 0.03), person.ear_size
        sketch.ellipse(BASE, (x, 0.08), (0.14, size), darker(person.skin, 0.93), lift=-0.05, is_flat=True)
        sketch.ellipse(RELIEF, (x + side * 0.02, 0.08), (0.06, 0.6 * size), NEUTRAL_RELIEF - 30, 0.03)
    return sketch


def _add_hair_behind(sketch: Sketch, person: Identity) -> None:
    colour, volume = darker(person.hair_colour, 0.8), person.hair_volume
    width, top, end = person.head_width + volume, -person.skull_height - volume, person.hair_length
    if person.bun:
        radii = (person.bun, person.bun)
        sketch.ellipse(BASE, (0, top - 0.08), radii, colour, lift=-0.1, is_flat=True)
    right = [(0.6 * width, 0.94 * top), (0.95 * width, 0.6 * top), (width, min(-0.1, 0.5 * end))]
    if end > 0.4:
        right.append((width + 0.05, 0.6 * end))
    right.append((0.9 * width, end))
    left = _mirrored(right)
    sketch.curve(BASE, [(0.0, top), *right, *left], colour, lift=-0.05, is_flat=True, is_closed=True)
    if person.hair_style == "curly":
        radius = 0.13 + 0.3 * volume
        for x, y in smooth([*left, (0.0, top), *right])[::2].tolist():
            sketch.ellipse(BASE, (x, y), (radius, radius), colour, lift=-0.05, is_flat=True)


def add_head(sketch: Sketch, person: Identity, head: np.ndarray, shirt: Colour) -> None:
    """Shoulders, and the head's skin with its shadows."""
    sketch.curve(BASE, _SHOULDERS, shirt, lift=-0.25, is_flat=True, is_closed=True)
    sketch.path(BASE, head, person.skin, is_flat=True)
    sketch.path(RELIEF, head, NEUTRAL_RELIEF - 18, 0.06, is_flat=True, is_closed=True)


def add_beard(sketch: Sketch, person: Identity, jaw_drop: float) -> None:
    """Beard along the jaw."""
    if person.beard:
        width, chin = person.head_width, person.chin_length + 0.22 * jaw_drop + 0.04
        right = [
            (0.97 * width, 0.1),
            (0.98 * width, 0.32),
            (width * person.jaw_width + 0.02, 0.72 + 0.1 * jaw_drop),
            (person.chin_width + 0.02, chin - 0.08),
        ]
        edge = person.mouth_height + 0.04
        inner = [(-0.8 * width, 0.42), (-0.45, edge), (0, edge + 0.02), (0.45, edge), (0.8 * width, 0.42)]
        colour = mixed(person.skin, person.brow_colour, person.beard)
        shape = [*right, (0, chin), *_mirrored(right), *inner]
        sketch.curve(BASE, shape, colour, is_flat=True, is_closed=True)


@lru_cache(_KEPT_PEOPLE)
def in_front(person: Identity) -> Sketch:
    """Hair in front of the head, freckles and a mole."""
    sketch = Sketch()
    if person.hair_style != "bald":
        _add_hair_in_front(sketch, person)
    if person.freckles:
        for across, down in _random(person, 1, (person.freckles, 2)):
            centre = (1.5 * across - 0.75, 0.08 + 0.32 * down)
            sketch.ellipse(TOP, centre, (0.022, 0.022), darker(person.skin, 0.68))
    if person.mole:
        sketch.ellipse(TOP, person.mole, (0.045, 0.045), darker(person.skin, 0.3))
    return sketch


def _add_hair_in_front(sketch: Sketch, person: Identity) -> None:
    width, volume = person.head_width, person.hair_volume
    outer_width, outer_top = width + 0.6 * volume, -person.skull_height - 0.7 * volume
    side_end = min(max(person.hair_length, -0.3), 0.25)
    right = [
        (0.5 * outer_width, 0.96 * outer_top),
        (0.9 * outer_width, 0.66 * outer_top),
        (outer_width, -0.35),
        (width + 0.02, side_end),
    ]
    line = hairline(person)
    arc = smooth([*_mirrored(right), (0, outer_top), *right])
    front = smooth([(0.9 * width, -0.32), *reversed(line), (-0.9 * width, -0.32)])
    sketch.path(BASE, np.concatenate([arc, front]), person.hair_colour, is_flat=True)
    # Dark hair needs stronger light for its strands to be seen.
    contrast = 60 - sum(person.hair_colour) // 24
    places, heights = zip(*line, strict=True)
    for start, end, tone in _random(person, 0, (9, 3)):
        x = width * (1.5 * start - 0.75)
        y = float(np.interp(x, places, heights))
        strand = [
            (0.35 * x, 0.98 * outer_top),
            (0.9 * x, 0.5 * (y + outer_top)),
            (x + 0.2 * (end - 0.5), y),
        ]
        sketch.curve(RELIEF, strand, NEUTRAL_RELIEF + round(contrast * (tone - 0.4)), 0.05)
    sketch.curve(RELIEF, [(x, y + 0.05) for x, y in line], NEUTRAL_RELIEF - 24, 0.07)


@lru_cache(_KEPT_PEOPLE)
def glasses(person: Identity) -> Sketch:
    """Two lenses, the bridge and the temples."""
    sketch = Sketch()
    radius = person.glasses
    if not radius:
        return sketch
    roundness = 1 - 0.7 * person.glasses_squareness
    cos, sin = np.cos(_LENS_ANGLES), np.sin(_LENS_ANGLES)
    rim = np.stack(
        [np.sign(cos) * np.abs(cos) ** roundness, np.sign(sin) * np.abs(sin) ** roundness], axis=1
    )
    height = radius * (1 - 0.25 * person.glasses_squareness)
    centre = max(person.eye_distance, radius + 0.05)
    y, lift, colour = EYE_Y + 0.02, 0.08, person.glasses_colour
    for side in (-1, 1):
        lens = rim * (radius, height) + (side * centre, y)
        sketch.path(TOP, lens, colour, 0.05, lift, is_closed=True)
        temple = [(side * (centre + radius), y - 0.04), (side * person.head_width, y - 0.04)]
        sketch.path(TOP, temple, colour, 0.045, 0.5 * lift)
    inner = centre - radius
    sketch.path(TOP, [(-inner, y - 0.05), (0, y - 0.08), (inner, y - 0.05)], colour, 0.045, lift)
    return sketch


def _random(person: Identity, part: int, shape: tuple[int, int]) -> list[list[float]]:
    seeds = np.random.SeedSequence([_STREAM, person.seed, part])
    return np.random.Generator(np.random.PCG64(seeds)).random(shape).tolist()

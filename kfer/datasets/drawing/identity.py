"""Who a drawn face is: the parameters that stay the same in every image of a person.

Lengths are in head units: half the width of an average head is 1, x points right and y down in the image,
the origin lies on the face's midline a little below the eyes.
"""

from dataclasses import dataclass

import numpy as np

Colour = tuple[int, int, int]

_SKIN = (
    (252, 222, 198),
    (240, 198, 164),
    (222, 172, 130),
    (196, 142, 102),
    (162, 112, 80),
    (128, 86, 62),
)
_HAIR = (
    (22, 18, 18),
    (58, 38, 28),
    (104, 66, 40),
    (150, 72, 36),
    (186, 134, 74),
    (226, 198, 138),
    (206, 204, 202),
)
_IRIS = ((50, 32, 22), (92, 58, 30), (112, 104, 48), (70, 116, 84), (72, 118, 164), (110, 124, 134))

#: Hair styles and how often each is sampled.
HAIR_STYLES = {"bald": 0.1, "short": 0.34, "bob": 0.16, "long": 0.22, "curly": 0.18}

# Keeps people's random numbers apart from those of faces that are drawn with the same seed.
_STREAM = 1


@dataclass(frozen=True)
class Identity:
    """What makes one drawn person, independent of expression and view.

    Attributes:
        seed: Places small marks such as freckles and strands of hair.
        head_width: Half the width at the cheekbones.
        skull_height: From the origin to the top of the skull.
        chin_length: From the origin to the chin.
        jaw_width: Half the width at the angle of the jaw, as a share of `head_width`.
        chin_width: Half the width of the chin.
        ear_size: Half the height of an ear.
        skin: RGB.
        hair_style: A key of HAIR_STYLES.
        hair_colour: RGB.
        hair_volume: Thickness of the hair around the skull.
        hair_length: How far down the hair reaches at the sides.
        hairline: How far the hair comes down over the forehead at five places from left to right.
        bun: Radius of a bun on top, 0 for none.
        eye_distance: From the midline to the centre of an eye.
        eye_width: Half the width of an eye.
        eye_height: Half the height of the relaxed opening.
        eye_tilt: How much higher the outer corner is than the inner one.
        iris_colour: RGB.
        iris_size: Radius of the iris.
        brow_height: From the centre of an eye to the relaxed brow.
        brow_thickness: Greatest thickness of a brow.
        brow_arch: How much higher the brow's middle is than its ends.
        brow_colour: RGB.
        nose_length: From the origin to the tip.
        nose_width: Half the width at the wings.
        mouth_height: From the origin to the middle of the closed mouth.
        mouth_width: Half the width of the relaxed mouth.
        lip_thickness: Of the lower lip; the upper lip's is three quarters.
        lip_colour: RGB.
        beard: How dense the beard is, 0 for none to 1.
        moustache: Thickness of the moustache, 0 for none.
        freckles: Number of freckles.
        mole: Place (x, y) of a mole, or None.
        glasses: Half the width of a lens, 0 for no glasses.
        glasses_squareness: 0 for round lenses to 1 for square ones.
        glasses_colour: RGB.
    """

    seed: int
    head_width: float
    skull_height: float
    chin_length: float
    jaw_width: float
    chin_width: float
    ear_size: float
    skin: Colour
    hair_style: str
    hair_colour: Colour
    hair_volume: float
    hair_length: float
    hairline: tuple[float, float, float, float, float]
    bun: float
    eye_distance: float
    eye_width: float
    eye_height: float
    eye_tilt: float
    iris_colour: Colour
    iris_size: float
    brow_height: float
    brow_thickness: float
    brow_arch: float
    brow_colour: Colour
    nose_length: float
    nose_width: float
    mouth_height: float
    mouth_width: float
    lip_thickness: float
    lip_colour: Colour
    beard: float
    moustache: float
    freckles: int
    mole: tuple[float, float] | None
    glasses: float
    glasses_squareness: float
    glasses_colour: Colour


def sample_identity(seed: int) -> Identity:
    """Returns the person of a seed; other seeds give other people.

    Args:
        seed: A non-negative integer.
    """
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([_STREAM, seed])))

    def between(low: float, high: float) -> float:
        return low + (high - low) * rng.random()

    def chance(probability: float) -> bool:
        return rng.random() < probability

    skin = _along(_SKIN, rng.random(), rng)
    hair_colour = _along(_HAIR, rng.random(), rng)
    style = str(rng.choice(list(HAIR_STYLES), p=list(HAIR_STYLES.values())))
    volume, length = _hair_extent(style, rng)
    has_beard = chance(0.25)
    return Identity(
        seed=seed,
        head_width=between(0.86, 1.06),
        skull_height=between(1.2, 1.4),
        chin_length=between(1.06, 1.3),
        jaw_width=between(0.66, 0.94),
        chin_width=between(0.22, 0.5),
        ear_size=between(0.15, 0.29),
        skin=skin,
        hair_style=style,
        hair_colour=hair_colour,
        hair_volume=volume,
        hair_length=length,
        hairline=_hairline(rng),
        bun=between(0.26, 0.4) if style in ("short", "long") and chance(0.2) else 0.0,
        eye_distance=between(0.36, 0.48),
        eye_width=between(0.19, 0.27),
        eye_height=between(0.085, 0.125),
        eye_tilt=between(-0.03, 0.05),
        iris_colour=_along(_IRIS, rng.random(), rng),
        iris_size=between(0.095, 0.13),
        brow_height=between(0.25, 0.33),
        brow_thickness=between(0.05, 0.14),
        brow_arch=between(0.0, 0.08),
        brow_colour=_brow_colour(hair_colour, skin, between(0.4, 0.6)),
        nose_length=between(0.24, 0.4),
        nose_width=between(0.15, 0.28),
        mouth_height=between(0.64, 0.74),
        mouth_width=between(0.33, 0.46),
        lip_thickness=between(0.06, 0.15),
        lip_colour=mixed(darker(skin, 0.8), (186, 52, 66), between(0.15, 0.7)),
        beard=between(0.45, 0.9) if has_beard else 0.0,
        moustache=between(0.07, 0.14) if chance(0.7 if has_beard else 0.06) else 0.0,
        freckles=int(rng.integers(10, 24)) if chance(0.18) else 0,
        mole=(between(-0.65, 0.65), between(0.15, 0.5)) if chance(0.25) else None,
        glasses=between(0.25, 0.34) if chance(0.28) else 0.0,
        glasses_squareness=rng.random(),
        glasses_colour=_along(
            ((20, 20, 24), (110, 30, 30), (120, 84, 40), (40, 60, 110)), rng.random(), rng
        ),
    )


def _hair_extent(style: str, rng: np.random.Generator) -> tuple[float, float]:
    """Volume, and how far down the sides."""
    ranges = {
        "bald": ((0.0, 0.0), (0.0, 0.0)),
        "short": ((0.05, 0.24), (-0.35, 0.1)),
        "bob": ((0.12, 0.26), (0.45, 0.95)),
        "long": ((0.1, 0.24), (1.2, 1.9)),
        "curly": ((0.2, 0.42), (-0.1, 0.8)),
    }
    (low, high), (shortest, longest) = ranges[style]
    share, length = rng.random(2)
    return low + (high - low) * share, shortest + (longest - shortest) * length


def _hairline(rng: np.random.Generator) -> tuple[float, float, float, float, float]:
    height, slope, wave, middle, detail = rng.random(5)
    at = np.linspace(-1, 1, 5)
    line = 0.18 + 0.3 * height + 0.36 * (slope - 0.5) * at + 0.3 * (wave - 0.5) * (1 - 2 * at**2)
    line[2] += 0.16 * (middle - 0.5)
    line[1] += 0.12 * (detail - 0.5)
    left, inner_left, centre, inner_right, right = (float(y) for y in line)
    return left, inner_left, centre, inner_right, right


def _brow_colour(hair: Colour, skin: Colour, factor: float) -> Colour:
    # Brows that are no darker than the skin show no expression.
    return darker(hair, min(factor, 0.55 * sum(skin) / sum(hair)))


def _along(palette: tuple[Colour, ...], share: float, rng: np.random.Generator) -> Colour:
    place = share * (len(palette) - 1)
    index = min(int(place), len(palette) - 2)
    red, green, blue = mixed(palette[index], palette[index + 1], place - index)
    tint = int(rng.integers(-7, 8))
    return min(max(red + tint, 0), 255), green, min(max(blue - tint, 0), 255)


def darker(colour: Colour, factor: float) -> Colour:
    """The colour times a factor in [0, 1]."""
    red, green, blue = colour
    return round(red * factor), round(green * factor), round(blue * factor)


def mixed(first: Colour, second: Colour, share: float) -> Colour:
    """The first colour with a share of the second, in [0, 1]."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue

"""How a drawn face is seen: pose, place, light, background and camera."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class View:
    """What differs from image to image of one person with one expression.

    Attributes:
        yaw: Turn to the image's right in radians.
        pitch: Nod downwards in radians.
        roll: Turn in the image's plane, clockwise, in radians.
        scale: Size of the head relative to the usual.
        shift: How far the head is off the middle (y, x), as a share of the image's side.
        asymmetry: The units of the image's left half are stronger by this share, the right's weaker.
        gaze: Where the eyes look (x, y), in head units.
        light: Direction from which the light comes (x, y); its length is the light's strength.
        brightness: Factor of all intensities.
        background: RGB at a grid of places, uint8 [3, 3, 3].
        shirt: RGB.
        blur: Standard deviation in pixels.
        noise: Standard deviation in grey levels.
        noise_seed: Gives the noise.
        blink: How far the upper lids are down on the lower ones, from 0 to 1, beyond what units do.
    """

    yaw: float
    pitch: float
    roll: float
    scale: float
    shift: tuple[float, float]
    asymmetry: float
    gaze: tuple[float, float]
    light: tuple[float, float]
    brightness: float
    background: np.ndarray
    shirt: tuple[int, int, int]
    blur: float
    noise: float
    noise_seed: int
    blink: float = 0.0


def sample_view(rng: np.random.Generator) -> View:
    """Returns a random view, near enough to the front for all five landmarks to be in the image."""
    yaw, pitch, roll, scale, down, right, asymmetry, gaze_x, gaze_y, light_x, light_y = (
        2 * rng.random(11) - 1
    ).tolist()
    brightness, blur, noise, grey, red, green, blue = rng.random(7).tolist()
    background = 60 + 146 * grey + rng.integers(-28, 29, (3, 3, 3)) + rng.integers(-36, 37, 3)
    return View(
        yaw=0.32 * yaw,
        pitch=0.16 * pitch,
        roll=0.14 * roll,
        scale=1 + 0.06 * scale,
        shift=(0.025 * down, 0.035 * right),
        asymmetry=0.12 * asymmetry,
        gaze=(0.03 * gaze_x, 0.015 * gaze_y),
        light=(0.22 * light_x, 0.1 * light_y - 0.06),
        brightness=0.88 + 0.24 * brightness,
        background=np.clip(background, 0, 255).astype(np.uint8),
        shirt=(round(20 + 215 * red), round(20 + 215 * green), round(20 + 215 * blue)),
        blur=0.7 * blur,
        noise=0.5 + 3.5 * noise,
        noise_seed=int(rng.integers(2**32)),
    )

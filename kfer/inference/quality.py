"""How much of a face a picture shows: what a system should know before it trusts an answer."""

from dataclasses import dataclass

import cv2
import numpy as np

from kfer.inference.alignment import SIZE, TEMPLATE, scaled

# Between these a measure counts in part: below the first not at all, from the second on in full.
_EYE_DISTANCE = (4.0, 24.0)  # pixels
_SHARPNESS = (2.0, 60.0)
_CONTRAST = (4.0, 24.0)
# The same of what shall be small: in full up to the first, not at all from the second on.
_YAW, _PITCH = (25.0, 80.0), (20.0, 70.0)  # degrees
_DARK, _BRIGHT = (20.0, 60.0), (200.0, 245.0)
# Degrees of yaw by the nose's way aside as a share of the distance between the eyes, and of pitch by its
# way along the line from the eyes to the mouth: a nose stands out by 0.6 of that distance, roughly.
_NOSE = 0.6
# Where a nose is on the way from the eyes to the mouth, of one that looks ahead: as in the template.
_NOSE_AHEAD = 0.4951


@dataclass(frozen=True)
class Quality:
    """Measures of one face.

    Attributes:
        eye_distance: Between the eyes, in pixels of the picture.
        sharpness: The variance of the Laplacian of the face aligned at 112 pixels, in squared levels of
            255: below 10 it is blurred, or was enlarged.
        brightness: The mean grey level, in [0, 255].
        contrast: The standard deviation of the grey levels.
        yaw: Degrees that the head turns to the picture's right, by the nose between the eyes: a rough
            one. nan without landmarks, as pitch and roll.
        pitch: Degrees that it looks up.
        roll: Degrees that it leans, clockwise in the picture.
        score: All of these in one number in [0, 1]: the product of how far each is from where faces
            are no longer told apart.
    """

    eye_distance: float
    sharpness: float
    brightness: float
    contrast: float
    yaw: float
    pitch: float
    roll: float
    score: float

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is wrong with the face, in words; empty where nothing is."""
        found = {
            f"small: {self.eye_distance:.0f} pixels between the eyes": _rises(
                self.eye_distance, *_EYE_DISTANCE
            ),
            "blurred": _rises(self.sharpness, *_SHARPNESS),
            "flat": _rises(self.contrast, *_CONTRAST),
            f"turned aside by {abs(self.yaw):.0f} degrees": _falls(abs(self.yaw), *_YAW),
            f"looks up or down by {abs(self.pitch):.0f} degrees": _falls(abs(self.pitch), *_PITCH),
            "dark": _rises(self.brightness, *_DARK),
            "too bright": _falls(self.brightness, *_BRIGHT),
        }
        return tuple(words for words, part in found.items() if part < 0.5)


def measure(aligned: np.ndarray, landmarks: np.ndarray | None) -> Quality:
    """Returns the quality of a face.

    Args:
        aligned: RGB uint8 `[side, side, 3]`, from `align`.
        landmarks: Where its landmarks are in the picture, float `[5, 2]`, y and x in pixels; None where
            the picture was taken to be a face of the template's.
    """
    grey = cv2.cvtColor(scaled(aligned, SIZE), cv2.COLOR_RGB2GRAY)
    sharpness = float(cv2.Laplacian(grey, cv2.CV_32F).var())
    brightness, contrast = float(grey.mean()), float(grey.std())
    if landmarks is None:
        distance = float(TEMPLATE[1, 1] - TEMPLATE[0, 1])
        yaw = pitch = roll = float("nan")
    else:
        distance, yaw, pitch, roll = _pose(landmarks)
    parts = (
        _rises(distance, *_EYE_DISTANCE),
        _rises(sharpness, *_SHARPNESS),
        _rises(contrast, *_CONTRAST),
        _falls(abs(yaw), *_YAW),
        _falls(abs(pitch), *_PITCH),
        _rises(brightness, *_DARK),
        _falls(brightness, *_BRIGHT),
    )
    return Quality(distance, sharpness, brightness, contrast, yaw, pitch, roll, float(np.prod(parts)))


def _pose(landmarks: np.ndarray) -> tuple[float, float, float, float]:
    """The distance between the eyes in pixels, and yaw, pitch and roll in degrees."""
    left, right, nose = np.asarray(landmarks[:3], np.float64)
    mouth = np.asarray(landmarks[3:], np.float64).mean(axis=0)
    across, middle = right - left, (left + right) / 2
    distance = float(np.hypot(*across))
    roll = float(np.degrees(np.arctan2(across[0], across[1])))
    down = mouth - middle
    height = float(np.hypot(*down))
    if not distance or not height:
        return distance, 90.0, 0.0, roll
    # Turned aside, the eyes come nearer to each other, and not to the mouth.
    size = max(distance, height)
    ahead = middle + _NOSE_AHEAD * down
    aside = float((nose - ahead) @ across) / (distance * size)
    along = float((ahead - nose) @ down) / (height * size)
    yaw, pitch = (float(np.degrees(np.arctan2(part, _NOSE))) for part in (aside, along))
    return distance, yaw, pitch, roll


def _rises(value: float, low: float, high: float) -> float:
    """0 up to `low`, 1 from `high` on; 1 of nan: what is not known is not held against a face."""
    return 1.0 if np.isnan(value) else float(np.clip((value - low) / (high - low), 0, 1))


def _falls(value: float, low: float, high: float) -> float:
    return 1.0 if np.isnan(value) else 1 - _rises(value, low, high)

import cv2
import numpy as np
import pytest

from kfer.inference.alignment import TEMPLATE
from kfer.inference.quality import measure


@pytest.fixture
def picture() -> np.ndarray:
    """Something with edges of every size."""
    rng = np.random.default_rng(0)
    return cv2.resize(
        rng.integers(40, 216, (56, 56, 3), np.uint8), (112, 112), interpolation=cv2.INTER_CUBIC
    )


def with_nose(down: float, right: float) -> np.ndarray:
    """The template with its nose moved, in pixels."""
    landmarks = TEMPLATE.copy()
    landmarks[2] += (down, right)
    return landmarks


def test_a_good_face_has_no_warnings(picture):
    quality = measure(picture, TEMPLATE)
    assert quality.score == 1 and quality.warnings == ()
    assert quality.eye_distance == pytest.approx(35.24, abs=0.01)
    assert abs(quality.yaw) < 3 and abs(quality.pitch) < 3 and abs(quality.roll) < 1
    assert quality.brightness == pytest.approx(128, abs=5)


def test_the_size_at_which_a_face_is_aligned_does_not_count(picture):
    smooth = cv2.GaussianBlur(picture, (0, 0), 2)
    larger = cv2.resize(smooth, (150, 150), interpolation=cv2.INTER_CUBIC)
    sharpness = measure(smooth, TEMPLATE).sharpness
    assert measure(larger, TEMPLATE).sharpness == pytest.approx(sharpness, rel=0.1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda face: cv2.GaussianBlur(face, (0, 0), 6), "blurred"),
        (lambda face: (face / 8).astype(np.uint8), "dark"),
        (lambda face: (255 - (255 - face) / 16).astype(np.uint8), "too bright"),
        (lambda face: (120 + face / 64).astype(np.uint8), "flat"),
    ],
)
def test_what_is_wrong_is_said(picture, change, words):
    quality = measure(change(picture), TEMPLATE)
    assert words in quality.warnings
    assert quality.score < 0.5


def test_a_small_face_is_said_to_be_small(picture):
    quality = measure(picture, TEMPLATE / 5)
    assert quality.warnings == ("small: 7 pixels between the eyes",)
    assert 0 < quality.score < 0.3


@pytest.mark.parametrize("aside", [-1, 1])
def test_turned_heads(picture, aside):
    def yaw_of(pixels: float) -> float:
        return measure(picture, with_nose(0, aside * pixels)).yaw

    assert yaw_of(0) == pytest.approx(0, abs=3)
    assert aside * yaw_of(8) > 10
    assert aside * yaw_of(18) > aside * yaw_of(8) + 10
    quality = measure(picture, with_nose(0, aside * 36))
    assert quality.warnings[0].startswith("turned aside by ")


def test_looking_up_and_down(picture):
    def pitch_of(pixels: float) -> float:
        return measure(picture, with_nose(pixels, 0)).pitch

    assert pitch_of(-8) > 8 > pitch_of(0) > -8 > pitch_of(8)


@pytest.mark.parametrize("degrees", [-40, 30, 90])
def test_leaning_is_told_and_not_held_against_a_face(picture, degrees):
    angle = np.radians(degrees)
    # y before x: clockwise in the picture.
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    quality = measure(picture, (TEMPLATE - 56) @ turn.T + 56)
    assert quality.roll == pytest.approx(degrees, abs=0.5)
    assert quality.score == pytest.approx(1)


def test_without_landmarks_the_pose_is_unknown(picture):
    quality = measure(picture, None)
    assert np.isnan([quality.yaw, quality.pitch, quality.roll]).all()
    assert quality.score == 1


def test_landmarks_in_one_place_are_no_face(picture):
    assert measure(picture, np.zeros((5, 2))).score == 0

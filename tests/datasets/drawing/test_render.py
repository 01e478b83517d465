import dataclasses

import cv2
import numpy as np
import pytest

from kfer import spec
from kfer.datasets.drawing import ACTION_UNITS, View, draw, render, sample_identity, sample_view
from kfer.datasets.drawing.expressions import PROTOTYPES

STILL = dataclasses.replace(
    sample_view(np.random.default_rng(0)),
    yaw=0.0,
    pitch=0.0,
    roll=0.0,
    shift=(0.0, 0.0),
    scale=1.0,
    asymmetry=0.0,
    light=(0.0, 0.0),
    brightness=1.0,
    blur=0.0,
    noise=0.0,
)


def test_same_seeds_give_the_same_bytes_and_others_do_not():
    face = draw(3, "happy", 7)
    again = draw(3, "happy", 7)
    assert face.image.tobytes() == again.image.tobytes()
    np.testing.assert_array_equal(face.landmarks, again.landmarks)
    np.testing.assert_array_equal(face.action_units, again.action_units)
    for other in (draw(4, "happy", 7), draw(3, "sad", 7), draw(3, "happy", 8)):
        assert other.image.tobytes() != face.image.tobytes()


def test_size_changes_resolution_and_nothing_else():
    # Noise and blur are in pixels, and off here.
    person, units = sample_identity(3), {"AU6": 0.8, "AU12": 0.9}
    small, large = render(person, units, STILL, 48), render(person, units, STILL, 96)
    np.testing.assert_allclose(2 * small.landmarks, large.landmarks, rtol=1e-5)
    np.testing.assert_allclose(2 * small.box, large.box, rtol=1e-5)
    halved = cv2.resize(large.image, (48, 48), interpolation=cv2.INTER_AREA)
    assert np.abs(halved.astype(int) - small.image).mean() < 8


def test_head_pose_is_that_of_the_view():
    turned = dataclasses.replace(STILL, yaw=0.25, pitch=-0.125, roll=0.5)
    assert render(sample_identity(3), {}, turned, 48).head_pose.tolist() == [0.25, -0.125, 0.5]


@pytest.mark.parametrize("expression", spec.EXPRESSIONS)
def test_labels_lie_in_the_image_and_in_order(expression):
    for seed in range(25):
        face = draw(seed, expression, seed, 48)
        assert face.image.shape == (48, 48, 3)
        assert face.image.dtype == np.uint8
        ymin, xmin, ymax, xmax = face.box
        assert 0 <= ymin < ymax <= 48
        assert 0 <= xmin < xmax <= 48
        y, x = face.landmarks.T
        assert (y > ymin).all() and (y < ymax).all()
        assert (x > xmin).all() and (x < xmax).all()
        left_eye, right_eye, nose_tip, left_corner, right_corner = face.landmarks
        assert left_eye[1] < right_eye[1]
        assert left_corner[1] < right_corner[1]
        assert max(left_eye[0], right_eye[0]) < nose_tip[0] < max(left_corner[0], right_corner[0])
        assert face.action_units.shape == (len(ACTION_UNITS),)


def test_smile_lifts_and_widens_the_mouth():
    person = sample_identity(1)
    rest = render(person, {}, STILL, 64).landmarks
    smile = render(person, {"AU12": 1.0}, STILL, 64).landmarks
    frown = render(person, {"AU15": 1.0}, STILL, 64).landmarks
    np.testing.assert_array_equal(rest[:3], smile[:3])
    assert (smile[3:, 0] < rest[3:, 0] - 1).all()
    assert (frown[3:, 0] > rest[3:, 0] + 1).all()
    assert smile[4, 1] - smile[3, 1] > rest[4, 1] - rest[3, 1] + 2


@pytest.mark.parametrize("unit", ACTION_UNITS)
def test_every_action_unit_shows(unit):
    person = sample_identity(1)
    rest = render(person, {"AU25": 0.6, "AU26": 0.3}, STILL, 64).image.astype(int)
    moved = render(person, {"AU25": 0.6, "AU26": 0.3, unit: 1.0}, STILL, 64).image
    assert np.abs(moved - rest).max() > 20


@pytest.mark.parametrize("expression", ["neutral", "surprise"])
def test_a_blink_closes_the_eyes_and_moves_nothing_else(expression):
    person = dataclasses.replace(sample_identity(1), glasses=0.0, iris_colour=(0, 0, 255))
    units = dict.fromkeys(PROTOTYPES[expression], 0.9)
    opened, narrow, shut = (
        render(person, units, dataclasses.replace(STILL, blink=blink), 96) for blink in (0.0, 0.25, 1.0)
    )
    lowest = round(opened.landmarks[:2, 0].max()) + 8
    np.testing.assert_array_equal(shut.image[lowest:], opened.image[lowest:])
    is_blue = [(face.image[24:lowest] @ (-1, 0, 1) > 30).sum() for face in (opened, narrow, shut)]
    assert is_blue[0] > is_blue[1] > is_blue[2] == 0


def test_jaw_drop_lengthens_the_box():
    person = sample_identity(1)
    closed, dropped = (render(person, {"AU26": value}, STILL, 64).box for value in (0.0, 1.0))
    assert dropped[2] > closed[2] + 2
    assert dropped[0] == closed[0]


def test_light_from_the_left_brightens_the_left_cheek():
    lit = dataclasses.replace(STILL, light=(-0.22, 0.0))
    image = render(sample_identity(1), {}, lit, 64).image.astype(int)
    assert image[36:40, 20:24].mean() > image[36:40, 40:44].mean() + 10


def test_noise_has_its_deviation():
    person = sample_identity(1)
    clean = render(person, {}, STILL, 96).image.astype(int)
    noisy = render(person, {}, dataclasses.replace(STILL, noise=4.0), 96).image
    inner = (clean > 20) & (clean < 235)
    assert (noisy - clean)[inner].std() == pytest.approx(4, abs=0.2)


def test_thumbnail_has_hair_over_skin_over_shirt():
    bob = next(person for person in map(sample_identity, range(100)) if person.hair_style == "bob")
    person = dataclasses.replace(bob, hair_colour=(20, 20, 20), skin=(230, 190, 160), glasses=0.0)
    view: View = dataclasses.replace(STILL, shirt=(30, 60, 220))
    thumbnail = cv2.resize(render(person, {}, view, 64).image, (8, 8), interpolation=cv2.INTER_AREA)
    assert thumbnail[1, 4].max() < 110
    red, _, blue = thumbnail[5, 3].tolist()
    assert red > 150 and red > blue
    red, _, blue = thumbnail[7, 4].tolist()
    assert blue > red


def test_too_small_a_size_is_refused():
    with pytest.raises(ValueError, match="is 12 pixels wide; expected at least 24"):
        draw(1, "happy", 1, 12)


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match=r"is 'hapy'; expected one of.*Did you mean 'happy'"):
        draw(1, "hapy", 1)
    with pytest.raises(ValueError, match="An action unit is 'AU99'; expected one of AU1"):
        render(sample_identity(1), {"AU99": 0.5}, STILL, 64)


def test_intensity_out_of_range_is_refused():
    with pytest.raises(ValueError, match=r"AU12 has intensity 1.5; expected 0 to 1"):
        render(sample_identity(1), {"AU12": 1.5}, STILL, 64)

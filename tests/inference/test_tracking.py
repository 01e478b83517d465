"""Tracks of faces that are made up, and optical flow of pictures that move as they are told."""

import itertools
import math

import cv2
import numpy as np
import pytest

from kfer.datasets import drawing
from kfer.inference import alignment
from kfer.inference.alignment import TEMPLATE
from kfer.inference.analyzer import Face
from kfer.inference.face import Detection
from kfer.inference.flow import moved
from kfer.inference.gallery import Gallery
from kfer.inference.quality import Quality
from kfer.inference.tracking import Tracker

ANNA, BEN = np.eye(8, dtype=np.float32)[:2]


def face(x, person=None, quality=1.0, happy=1.0, y=100, side=80) -> Face:
    """One at a place of its middle."""
    box = np.array([y - side / 2, x - side / 2, y + side / 2, x + side / 2], np.float32)
    landmarks = (TEMPLATE - 56) * (side / 112) + np.float32([y, x])
    measured = Quality(30, 100, 120, 50, 0, 0, 0, quality)
    shares = {"happy": happy, "sad": 1 - happy}
    return Face(box, landmarks, 0.9, measured, shares, person, {}, np.zeros((112, 112, 3), np.uint8))


def tracks(found) -> list[int]:
    return [each.track for each in found]


def test_a_track_goes_on_where_boxes_overlap():
    tracker = Tracker()
    assert tracks(tracker.update([face(100), face(300)], 0.0)) == [1, 2]
    # The order of detections says nothing.
    found = tracker.update([face(310), face(110)], 0.04)
    assert {each.track: each.face.box[1] for each in found} == {1: 70, 2: 270}
    assert tracks(tracker.update([face(500), face(120)], 0.08)) == [1, 3]


def test_without_embeddings_only_boxes_bring_a_face_back():
    tracker = Tracker()
    tracker.update([face(100)], 0.0)
    assert tracker.update([], 0.1) == () and tracker.in_sight == {} and tracker.lost
    assert tracks(tracker.update([face(300)], 0.2)) == [2]
    assert tracks(tracker.update([face(110), face(300)], 0.3)) == [1, 2]


def test_a_face_that_jumps_is_known_by_its_embedding():
    tracker = Tracker()
    tracker.update([face(100, ANNA), face(300, BEN)], 0.0)
    assert tracks(tracker.update([face(500, ANNA)], 0.1)) == [1]
    assert tracks(tracker.update([face(500, ANNA), face(700, BEN)], 0.2)) == [1, 2]
    assert tracks(tracker.update([face(900, np.eye(8, dtype=np.float32)[2])], 0.3)) == [3]


def test_another_person_at_the_same_place_has_another_track():
    tracker = Tracker()
    tracker.update([face(100, ANNA)], 0.0)
    # Optical flow lost the face: only the embedding counts.
    assert tracks(tracker.update([face(100, BEN)], 0.1, expected={})) == [2]
    assert tracks(tracker.update([face(100, ANNA)], 0.2, expected={})) == [1]


def test_embeddings_tell_faces_apart_that_cross():
    tracker = Tracker()
    tracker.update([face(100, ANNA), face(120, BEN)], 0.0)
    found = tracker.update([face(112, ANNA), face(108, BEN)], 0.1)
    assert {each.track: each.face.embedding.argmax() for each in found} == {1: 0, 2: 1}


def test_a_face_that_overlaps_is_not_given_to_another_track():
    tracker = Tracker()
    tracker.update([face(100, 0.8 * ANNA + 0.6 * BEN), face(300, ANNA)], 0.0)
    assert tracks(tracker.update([face(105, ANNA)], 0.1)) == [1]


def test_a_place_that_flow_expects_counts_for_the_last_one():
    tracker = Tracker()
    tracker.update([face(100)], 0.0)
    assert tracks(tracker.update([face(300)], 0.1, expected={1: face(290).box})) == [1]


@pytest.mark.parametrize("absent, track", [(3, 1), (4, 2)])
def test_a_track_ends_after_so_many_frames(absent, track):
    tracker = Tracker(most_unseen=3)
    tracker.update([face(100, ANNA)], 0.0)
    for number in range(absent):
        tracker.update([], 0.1 * number)
        assert tracker.lost == (number < 2 and absent > 0)
    assert tracks(tracker.update([face(400, ANNA)], 1.0)) == [track]
    if track == 2:
        with pytest.raises(KeyError, match="no track 1, or it has ended"):
            tracker.follow({1: face(100)}, 1.1)


def test_faces_that_are_followed_keep_their_tracks():
    tracker = Tracker()
    tracker.update([face(100), face(300)], 0.0)
    found = tracker.follow({2: face(100)}, 0.1)
    assert tracks(found) == [2] and list(tracker.in_sight) == [2] and tracker.lost


@pytest.mark.parametrize("rate", [5, 30, 120])
def test_smoothing_does_not_depend_on_the_frame_rate(rate):
    tracker = Tracker(time_constant=0.5)
    (found,) = tracker.update([face(100, happy=1.0)], 0.0)
    assert found.expressions == {"happy": 1.0, "sad": 0.0}
    for number in range(1, rate + 1):
        (found,) = tracker.update([face(100, happy=0.0)], number / rate)
    assert found.expressions["happy"] == pytest.approx(math.exp(-1 / 0.5), rel=1e-6)
    assert sum(found.expressions.values()) == pytest.approx(1)
    assert found.expression == "sad"


def test_without_smoothing_a_frame_is_what_it_is():
    tracker = Tracker(time_constant=0.0)
    tracker.update([face(100, happy=1.0)], 0.0)
    (found,) = tracker.update([face(100, happy=0.2)], 0.0)
    assert found.expressions == found.face.expressions


def test_the_best_face_is_kept():
    tracker, qualities = Tracker(), (0.3, 0.9, 0.5, 0.9)
    found = [tracker.update([face(100, quality=quality)], 0.1)[0] for quality in qualities]
    assert [each.best.quality.score for each in found] == [0.3, 0.9, 0.9, 0.9]
    assert found[3].best is found[1].face


def test_a_name_is_voted_for_by_quality():
    gallery = Gallery("m", 8)
    gallery.enroll("Anna", ANNA)
    gallery.enroll("Ben", BEN)
    tracker = Tracker(gallery, threshold=0.6)
    nobody = np.eye(8, dtype=np.float32)[5]
    (found,) = tracker.update([face(100, nobody)], 0.0)
    assert found.name is None and found.similarity is None
    # A blurred face that resembles Ben weighs little against two good ones of Anna.
    for person, quality in ((BEN, 0.1), (ANNA, 1.0), (ANNA, 1.0)):
        (found,) = tracker.update([face(100, person, quality)], 0.1)
    assert found.name == "Anna" and found.similarity == pytest.approx(2.0 / 3.1)
    (found,) = tracker.update([face(100, nobody)], 0.2)
    assert found.name is None


def test_an_empty_gallery_names_nobody():
    (found,) = Tracker(Gallery("m", 8), threshold=0.5).update([face(100, ANNA), face(300)][:1], 0.0)
    assert found.name is None


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"gallery": Gallery("m", 8)}, "a gallery needs the threshold"),
        ({"time_constant": -1}, "time_constant must be seconds from 0 on; got -1"),
        ({"time_constant": math.nan}, "time_constant must be seconds from 0 on; got nan"),
        ({"most_unseen": -1}, "most_unseen must be a number of frames from 0 on; got -1"),
        ({"least_overlap": 0}, r"least_overlap must be in \(0, 1\]; got 0"),
        ({"least_similarity": 1.5}, "least_similarity is a cosine, .* got 1.5"),
        ({"threshold": -2}, "threshold is a cosine"),
    ],
)
def test_settings_are_checked(settings, message):
    with pytest.raises(ValueError, match=message):
        Tracker(**settings)


def scene(person: int, size: int = 200) -> tuple[np.ndarray, Detection]:
    """A grey picture of 480 x 360 pixels with a drawn face, and where it is."""
    drawn = drawing.draw(person, "neutral", person, size)
    picture = np.full((360, 480), 128, np.uint8)
    picture[60 : 60 + size, 120 : 120 + size] = cv2.cvtColor(drawn.image, cv2.COLOR_RGB2GRAY)
    box = (drawn.box + np.float32([60, 120, 60, 120])).astype(np.float32)
    return picture, Detection(box, drawn.landmarks + np.float32([60, 120]), 0.8)


@pytest.mark.parametrize("size", [60, 120, 280])
@pytest.mark.parametrize("turn, growth, shift", [(0, 1, (0, 0)), (4, 1.04, (3, -2)), (-3, 0.96, (-4, 4))])
def test_flow_moves_box_and_landmarks(size, turn, growth, shift):
    before, place = scene(3, size)
    centre = place.box.reshape(2, 2).mean(axis=0)
    matrix = cv2.getRotationMatrix2D(centre[::-1].tolist(), turn, growth)
    matrix[:, 2] += np.multiply(shift, size / 120)[::-1]
    after = cv2.warpAffine(before, matrix, before.shape[::-1], borderMode=cv2.BORDER_REPLICATE)
    found = moved(before, after, place)
    expected = place.landmarks[:, ::-1] @ matrix[:, :2].T + matrix[:, 2]
    assert np.abs(found.landmarks[:, ::-1] - expected).max() < 0.01 * size
    sides, wanted = found.box[2:] - found.box[:2], growth * (place.box[2:] - place.box[:2])
    np.testing.assert_allclose(sides, wanted, rtol=0.02)
    assert found.score == 0.8 and found.box.dtype == found.landmarks.dtype == np.float32


def test_flow_does_not_follow_across_a_cut():
    pictures = [scene(person) for person in range(8)]
    for (before, place), (after, _) in itertools.pairwise(pictures):
        assert moved(before, after, place) is None


def test_flow_gives_up_on_what_it_cannot_see():
    picture, place = scene(3)
    flat = np.full_like(picture, 90)
    assert moved(flat, flat, place) is None
    assert moved(picture, flat, place) is None
    far = Detection(place.box + np.float32(1000), place.landmarks + 1000, 0.8)
    assert moved(picture, picture, far) is None
    tiny = Detection(np.float32([0, 0, 2, 2]), place.landmarks, 0.8)
    assert moved(picture, picture, tiny) is None
    # Mostly out of the picture.
    half = np.ascontiguousarray(picture[:, 230:])
    left = Detection(
        place.box - np.float32([0, 230, 0, 230]), place.landmarks - np.float32([0, 230]), 0.8
    )
    assert moved(half, half, left) is None


def test_a_picture_that_is_the_face_stays_it():
    whole = Detection(np.float32([0, 0, 360, 480]), None, 1.0)
    assert moved(scene(1)[0], scene(2)[0], whole) is whole


def test_a_face_that_flow_moved_is_cut_out_the_same():
    before, place = scene(5)
    after = np.roll(before, (3, 5), axis=(0, 1))
    found = moved(before, after, place)
    one, other = (
        alignment.align(np.repeat(grey[..., np.newaxis], 3, axis=-1), where).astype(int)
        for grey, where in ((before, place), (after, found))
    )
    assert np.abs(one - other).mean() < 1

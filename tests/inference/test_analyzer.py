"""The chain from a picture to an answer, with a detector that knows where the faces are."""

import dataclasses
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
from disc_faces import COLOURS, Discs, push_model, scene
from PIL import Image

from kfer.datasets import drawing
from kfer.inference import FaceAnalyzer, ImageError, NoFaceError, SeveralFacesError, Threshold, pushed
from kfer.inference.alignment import Crop, align
from kfer.inference.landmarks import five


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> pushed.Model:
    return push_model(tmp_path_factory.mktemp("saved_models"))


@pytest.fixture
def analyzer(model) -> FaceAnalyzer:
    return FaceAnalyzer(model, Discs())


def test_a_face_has_all_that_is_said_of_it(analyzer):
    (face,) = analyzer.analyze(scene(("green", 100, 120, 40)))
    np.testing.assert_allclose(face.box, [60, 80, 140, 160], atol=1)
    assert face.landmarks.shape == (5, 2) and face.score == pytest.approx(0.99)
    assert face.expression == "green" and set(face.expressions) == set(COLOURS)
    assert sum(face.expressions.values()) == pytest.approx(1, abs=1e-5)
    assert np.linalg.norm(face.embedding) == pytest.approx(1, abs=1e-5)
    assert face.outputs.keys() == {"sizes"}
    assert face.aligned.shape == (112, 112, 3)
    assert face.quality.eye_distance == pytest.approx(35.24 * 40 / 56, rel=0.03)


def test_a_face_is_aligned_at_the_size_of_a_large_network(tmp_path):
    model = push_model(tmp_path, size=150)
    picture = scene(("green", 100, 120, 60))

    def aligned(path: Path, variant: str | None = None) -> np.ndarray:
        (face,) = FaceAnalyzer.load(path, variant, detector=Discs()).analyze(picture)
        np.testing.assert_array_equal(face.aligned, align(picture, face.detection, size=150))
        return face.aligned

    # A SavedModel takes any size: model.json says what it was made for.
    for variant in ("float32", "saved_model"):
        assert aligned(model.folder, variant).shape == (150, 150, 3)
    (model.folder / "model.json").unlink()
    assert aligned(model.path).shape == (150, 150, 3)


def test_faces_come_the_largest_first(analyzer):
    picture = scene(("red", 60, 60, 20), ("blue", 120, 200, 45), ("green", 100, 110, 30))
    assert [face.expression for face in analyzer.analyze(picture)] == ["blue", "green", "red"]
    assert analyzer.analyze(scene()) == []


def test_a_batch_is_one_pass_and_the_same(analyzer):
    pictures = [
        scene(("red", 100, 100, 30), ("blue", 100, 220, 40)),
        scene(),
        scene(("green", 60, 70, 30), size=(120, 140)),
    ]
    together = analyzer.analyze_batch(pictures)
    assert analyzer._detector.passes == [3]
    assert [[face.expression for face in faces] for faces in together] == [["blue", "red"], [], ["green"]]
    for faces, picture in zip(together, pictures, strict=True):
        for face, alone in zip(faces, analyzer.analyze(picture), strict=True):
            np.testing.assert_array_equal(face.embedding, alone.embedding)


def test_every_kind_of_picture_says_the_same(analyzer, tmp_path):
    pixels = scene(("red", 100, 100, 30))
    path = tmp_path / "a.png"
    Image.fromarray(pixels).save(path)
    for source in (path, str(path), path.read_bytes(), pixels, Image.open(path)):
        (face,) = analyzer.analyze(source)
        assert face.expression == "red"
    (tmp_path / "b.jpg").write_text("no picture")
    with pytest.raises(ImageError, match=r"b\.jpg is no picture"):
        analyzer.analyze_batch([path, tmp_path / "b.jpg"])


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_a_picture_on_its_side_is_turned_where_asked(model, turns):
    picture = scene(("blue", 80, 90, 30), ("red", 110, 220, 20))
    upright = FaceAnalyzer(model, Discs()).analyze(picture)
    turned = np.ascontiguousarray(np.rot90(picture, turns))
    assert bool(FaceAnalyzer(model, Discs()).analyze(turned)) == (turns == 0)
    faces = FaceAnalyzer(model, Discs(), turned=True).analyze(turned)
    assert [face.expression for face in faces] == ["blue", "red"]
    for face, expected in zip(faces, upright, strict=True):
        # The same face is cut out, and it is found where it is in the picture as it came.
        difference = np.abs(face.aligned.astype(int) - expected.aligned)
        assert np.mean(difference > 8) < 0.03
        ymin, xmin, ymax, xmax = face.box
        middle = turned[round((ymin + ymax) / 2), round((xmin + xmax) / 2)]
        assert tuple(middle) == COLOURS[face.expression]


def test_verification(analyzer):
    red, other, green = (scene((c, 100, 100 + x, 30)) for c, x in (("red", 0), ("red", 60), ("green", 0)))
    found = analyzer.verify(red, other)
    assert found.verified and found.similarity > 0.99
    # A disc has no features.
    assert {words.rsplit(" ", 1)[1] for words in found.warnings} == {"blurred", "flat"}
    assert found.threshold == Threshold(0.8, 0.02)
    assert not analyzer.verify(red, green).verified
    assert analyzer.verify(red, green, threshold=Threshold(-1.0)).verified


def test_verification_says_which_picture_shows_no_face(analyzer, tmp_path):
    face, nobody = scene(("red", 100, 100, 30)), tmp_path / "nobody.png"
    Image.fromarray(scene()).save(nobody)
    with pytest.raises(NoFaceError, match="the second picture shows no face"):
        analyzer.verify(face, scene())
    with pytest.raises(NoFaceError, match=r"nobody\.png shows no face"):
        analyzer.verify(nobody, face)


def test_of_several_faces_the_largest_is_taken_or_none(analyzer):
    one, two = scene(("red", 100, 100, 30)), scene(("red", 100, 100, 35), ("green", 100, 220, 20))
    found = analyzer.verify(one, two)
    assert found.verified
    assert found.warnings[0] == "the second picture shows 2 faces; the largest is taken"
    with pytest.raises(SeveralFacesError, match="the second picture shows 2 faces; one is expected"):
        analyzer.verify(one, two, strict=True)
    with pytest.warns(UserWarning, match="the picture shows 2 faces"):
        assert analyzer.only_face(two).expression == "red"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        analyzer.only_face(one)


def test_a_doubtful_face_is_said_to_be_one(analyzer):
    found = analyzer.verify(scene(("red", 100, 100, 30)), scene(("red", 100, 100, 9)))
    assert any(words.startswith("the face in the second picture is small") for words in found.warnings)


def test_without_detection_the_picture_is_the_face(model):
    analyzer = FaceAnalyzer(model, "none")
    (face,) = analyzer.analyze(np.full((50, 40, 3), COLOURS["blue"], np.uint8))
    assert face.expression == "blue" and face.landmarks is None
    np.testing.assert_array_equal(face.box, [0, 0, 50, 40])


def test_a_crop_of_the_user_s_own(model):
    picture = scene(("red", 100, 100, 30))
    (near,) = FaceAnalyzer(model, Discs(), crop=Crop(-0.2)).analyze(picture)
    (far,) = FaceAnalyzer(model, Discs(), crop=Crop(1.0)).analyze(picture)
    grey = [np.mean(np.ptp(face.aligned.astype(int), axis=-1) < 50) for face in (near, far)]
    assert grey[0] < 0.1 and grey[1] > 0.5


@pytest.mark.parametrize("turns", [0, 1])
def test_dense_landmarks_align_a_face_in_place_of_the_detector_s(model, turns):
    drawn = drawing.draw(0, "happy", 0, 192).image
    picture = np.rot90(np.pad(drawn, ((60, 60), (90, 90), (0, 0)), constant_values=128), turns).copy()
    (usual,) = FaceAnalyzer(model, "blazeface", turned=True).analyze(picture)
    analyzer = FaceAnalyzer(model, "blazeface", turned=True, landmarks="dense")
    (face,) = analyzer.analyze(picture)
    assert usual.dense_landmarks is None
    assert face.dense_landmarks.shape == (468, 3) and face.dense_landmarks.dtype == np.float32
    np.testing.assert_array_equal(face.landmarks, five(face.dense_landmarks))
    np.testing.assert_array_equal(face.box, usual.box)
    eyes = np.hypot(*(usual.landmarks[1] - usual.landmarks[0]))
    assert 0 < np.abs(face.landmarks - usual.landmarks).max() < 0.5 * eyes
    np.testing.assert_array_equal(face.aligned, align(picture, face.detection))
    ((again,),) = analyzer.analyze_pixels([picture], [[face.detection]])
    np.testing.assert_array_equal(again.dense_landmarks, face.dense_landmarks)


def test_where_dense_landmarks_see_no_face_the_detector_s_are_kept(model):
    picture = scene(("red", 100, 100, 30))
    (usual,) = FaceAnalyzer(model, Discs()).analyze(picture)
    (face,) = FaceAnalyzer(model, Discs(), landmarks="dense").analyze(picture)
    assert face.dense_landmarks is None
    np.testing.assert_array_equal(face.landmarks, usual.landmarks)
    with pytest.raises(ValueError, match="landmarks must be among detector, dense; got 'all'"):
        FaceAnalyzer(model, Discs(), landmarks="all")


def test_nothing_is_loaded_before_it_is_needed(tmp_path):
    analyzer = FaceAnalyzer(pushed.Model(tmp_path / "none.tflite", "none", "f"), Discs())
    assert analyzer.analyze(scene()) == []
    with pytest.raises(FileNotFoundError, match=r"none\.tflite"):
        analyzer.analyze(scene(("red", 100, 100, 30)))


def test_what_is_no_detector_is_refused(model):
    with pytest.raises(ValueError, match="among mtcnn, blazeface, yunet, none; got 'haar'"):
        FaceAnalyzer(model, "haar")


def test_the_default_model_is_taken_where_none_is_given(model, monkeypatch, tmp_path):
    monkeypatch.setenv("KFER_MODEL", str(model.folder))
    assert FaceAnalyzer(detector=Discs()).model == model
    monkeypatch.delenv("KFER_MODEL")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="there is no model in saved_models"):
        FaceAnalyzer()


def test_models_without_embedding_or_threshold(saved_model, tflite):
    pixels = np.full((8, 8, 3), 100, np.uint8)
    alone = FaceAnalyzer.load(tflite, detector="none")
    (face,) = alone.analyze(pixels)
    assert face.embedding is None and list(face.expressions) == ["0", "1", "2"]
    with pytest.raises(ValueError, match=r"float32\.tflite says no threshold: give the similarity"):
        alone.verify(pixels, pixels)
    with pytest.raises(ValueError, match="has no embedding: it cannot tell people apart"):
        alone.verify(pixels, pixels, threshold=Threshold(0.5))
    # A SavedModel takes any size.
    (face,) = FaceAnalyzer.load(saved_model, detector="none").analyze(pixels)
    assert face.expressions["0"] == pytest.approx(1 / 3, abs=1e-4)


def test_threads_may_share_an_analyzer(model):
    analyzer = FaceAnalyzer(model, Discs())
    answers: dict[int, list[str]] = {}

    def ask(number: int) -> None:
        colour = list(COLOURS)[number % 3]
        picture = scene((colour, 100, 100, 30))
        answers[number] = [analyzer.analyze(picture)[0].expression for _ in range(20)]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {number: [list(COLOURS)[number % 3]] * 20 for number in range(6)}


def test_load_finds_what_was_pushed(model, monkeypatch):
    monkeypatch.chdir(Path(model.path).parents[2].parent)
    monkeypatch.setattr(pushed, "FOLDER", Path(model.path).parents[2])
    assert FaceAnalyzer.load(model.path.parent, detector="none").model == model


def test_a_model_of_drawn_faces_says_so_once(model):
    analyzer = FaceAnalyzer(dataclasses.replace(model, trained_on={"drawn": 1.0}), Discs())
    words = "discs/1 was trained on drawn faces alone: what it says of photographs means nothing"
    with pytest.warns(UserWarning, match=words) as caught:
        analyzer.analyze(scene())
        analyzer.analyze(scene(("green", 100, 120, 40)))
    assert len(caught) == 1

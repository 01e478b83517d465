import dataclasses
import shutil

import cv2
import keras
import numpy as np
import pytest
from disc_faces import Discs, push_model, scene

from kfer import export
from kfer.inference import Explainer, Explanation, FaceAnalyzer, pushed
from kfer.inference.alignment import Crop
from kfer.inference.explanation import METHODS
from kfer.settings import ExportSettings, TaskSettings

SIZE = 16
COLOURS = ("red", "blue")


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> pushed.Model:
    return push_model(tmp_path_factory.mktemp("saved_models"))


@pytest.fixture
def analyzer(model) -> FaceAnalyzer:
    return FaceAnalyzer(model, Discs())


def spots(number: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Noise with a spot of 4 x 4 pixels in red or blue: images, colours, and the spots' corners."""
    random = np.random.default_rng(seed)
    images = random.integers(90, 150, (number, SIZE, SIZE, 3), np.uint8)
    colours, corners = random.integers(0, 2, number), random.integers(0, SIZE - 3, (number, 2))
    for image, colour, (y, x) in zip(images, colours, corners, strict=True):
        image[y : y + 4, x : x + 4] = ((230, 60, 60), (60, 60, 230))[colour]
    return images, colours, corners


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a network that learned to tell red spots from blue ones, as SavedModel and int8."""
    keras.utils.set_random_seed(0)
    images = inputs = keras.Input((SIZE, SIZE, 3), name="image")
    features = keras.layers.Rescaling(1 / 127.5, offset=-1.0)(images)
    for strides in (1, 2):
        features = keras.layers.Conv2D(8, 3, strides, padding="same", use_bias=False)(features)
        features = keras.layers.BatchNormalization(momentum=0.8)(features)
        features = keras.layers.ReLU()(features)
    pooled = keras.layers.GlobalAveragePooling2D()(features)
    network = keras.Model(inputs, {"expression": keras.layers.Dense(2, name="expression")(pooled)})
    pixels, colours, _ = spots(512, seed=1)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(keras.optimizers.Adam(0.02), loss={"expression": loss})
    network.fit(pixels, {"expression": colours}, batch_size=64, epochs=12, verbose=0)
    folder = tmp_path_factory.mktemp("models") / "spots" / "1"
    tasks = {"expression": TaskSettings(names=COLOURS)}
    export.save_saved_model(network, folder, tasks, SIZE, 3)
    settings = ExportSettings(tflite=("int8",), calibration_percentile=100.0)
    export.save_tflite(network, folder, tasks, settings, pixels[:100], SIZE, 3)
    return folder


@pytest.mark.parametrize("variant", ["saved_model", "int8"])
def test_both_methods_find_what_a_network_learned(trained, variant):
    analyzer = FaceAnalyzer.load(trained, variant, detector="none")
    explainer = Explainer(analyzer)
    images, colours, corners = spots(12, seed=2)
    for image, colour, corner in zip(images, colours, corners, strict=True):
        (face,) = analyzer.analyze(image.repeat(7, axis=0).repeat(7, axis=1))
        assert face.expression == str(colour) and face.expressions[str(colour)] > 0.9
        for method in METHODS:
            found = explainer.explain(face, method=method)
            peak = np.array(np.unravel_index(found.map.argmax(), (112, 112)))
            # The spot's middle is two pixels from its corner; a pixel is seven of the face's.
            assert np.abs(peak - 7 * (corner + 2)).max() <= 3 * 7, method


@pytest.mark.parametrize("method", METHODS)
def test_an_expression_is_the_most_probable_or_the_one_that_is_named(model, method):
    analyzer = FaceAnalyzer(model, "none")
    picture = np.full((112, 112, 3), (40, 200, 40), np.uint8)
    picture[:, :56] = (190, 40, 40)
    (face,) = analyzer.analyze(picture)
    explainer = Explainer(analyzer)
    green, red = explainer.explain(face, method=method), explainer.explain(face, "red", method)
    assert (green.expression, red.expression) == ("green", "red")
    for found in (green, red):
        assert found.probability == face.expressions[found.expression] and found.method == method
        assert found.map.shape == (112, 112) and found.map.dtype == np.float32
    assert green.map[56, 90] > 0.05 + green.map[56, 20]
    assert red.map[56, 20] > 0.05 + red.map[56, 90]


def test_what_cannot_be_asked_is_said(analyzer):
    (face,) = analyzer.analyze(scene(("green", 100, 120, 40)))
    explainer = Explainer(analyzer)
    with pytest.raises(ValueError, match="among red, green, blue; got 'happy'"):
        explainer.explain(face, "happy")
    with pytest.raises(ValueError, match="among occlusion, gradcam; got 'lime'"):
        explainer.explain(face, method="lime")
    with pytest.raises(ValueError, match="discs/1 says no expressions that could be explained"):
        explainer.explain(dataclasses.replace(face, expressions={}))


def test_a_tflite_file_alone_has_the_occlusion_map_only(model, tmp_path):
    alone = shutil.copy(model.path, tmp_path)
    analyzer = FaceAnalyzer.load(alone, detector="none")
    (face,) = analyzer.analyze(np.full((20, 20, 3), 90, np.uint8))
    explainer = Explainer(analyzer)
    with pytest.raises(ValueError, match=r"SavedModel \(--variant saved_model\).*occlusion map works"):
        explainer.explain(face, method="gradcam")
    assert explainer.explain(face).map.shape == (112, 112)


def explanation(values: np.ndarray, margin: float = 0.0) -> Explanation:
    return Explanation(values.astype(np.float32), "glad", 0.9, "occlusion", Crop(margin))


def test_where_the_mass_is():
    values = np.zeros((112, 112))
    # The corners of the mouth are at 92, 42 and 92, 71 of the template, its eyes at 52, 38 and 52, 74.
    values[90:93, 55:58], values[50:53, 37:40], values[5, 5] = 3, 1, -7
    found = explanation(values)
    assert found.centre == pytest.approx(((91 * 3 + 51) / 4, (56 * 3 + 38) / 4))
    assert found.shares == {"eyes": 0.25, "nose": 0.0, "mouth": 0.75}
    larger = explanation(cv2.resize(values, (150, 150), interpolation=cv2.INTER_LINEAR))
    assert larger.shares == pytest.approx(found.shares, abs=0.02)
    # Of a face that is seen from afar the mouth is further up.
    assert explanation(values, 1.0).shares["mouth"] == 0
    nothing = explanation(-values.clip(0))
    assert nothing.centre is None and set(nothing.shares.values()) == {0.0}


def test_the_parts_of_a_face_do_not_meet():
    assert sum(explanation(np.ones((112, 112))).shares.values()) < 0.6
    shares = explanation(np.ones((112, 112)), -0.3).shares
    assert 0.6 < sum(shares.values()) <= 1

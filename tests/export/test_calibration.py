"""The ranges that int8 gives to activations."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kfer import export, inference, preprocessing
from kfer.export import calibration, flatbuffer, tflite
from kfer.settings import ExportSettings, TaskSettings

SIZE = 8
TASKS = {"expression": TaskSettings(names=("dark", "light", "neither"))}


@pytest.fixture(scope="module")
def network() -> keras.Model:
    """A convolution whose activations grow with the image's contrast; the outputs do not."""
    rng = np.random.default_rng(0)
    inputs = keras.Input((SIZE, SIZE, 1))
    features = keras.layers.Conv2D(8, 3, activation="relu", name="conv0")(inputs)
    features = keras.layers.Conv2D(8, 3, activation="sigmoid", name="conv1")(features)
    features = keras.layers.Flatten()(features)
    model = keras.Model(inputs, {"expression": keras.layers.Dense(3, name="expression")(features)})
    for variable, scale in zip(model.variables, (0.1, 0.1, 0.1, 0.1, 0.3, 0.3), strict=True):
        variable.assign(rng.normal(0, scale, variable.shape))
    return model


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    """A hundred faint images, and three that are ten times as strong."""
    rng = np.random.default_rng(1)
    strength = np.where(np.arange(103) < 100, 24, 255)
    noise = rng.random((103, SIZE, SIZE, 1)) * strength[:, None, None, None]
    return noise.astype(np.uint8)


def activations(model: keras.Model, name: str, images: np.ndarray) -> np.ndarray:
    part = keras.Model(model.inputs, model.get_layer(name).output)
    pixels = np.asarray(preprocessing.prepare_images(tf.constant(images), SIZE, 1))
    return part.predict(pixels.astype(np.float32), verbose=0)


def ranges(content: bytes) -> list[tuple[float, float]]:
    """Of all activations of a file, from the input to the output."""
    (graph,) = flatbuffer.read(content).subgraphs
    return [
        (float(tensor.quantization.min[0]), float(tensor.quantization.max[0]))
        for tensor in graph.tensors
        if calibration._is_calibrated(tensor)
    ]


@pytest.fixture(scope="module")
def marked(network: keras.Model, images: np.ndarray, tmp_path_factory) -> bytes:
    settings = ExportSettings(tflite=("int8",), calibration_percentile=100)
    folder = tmp_path_factory.mktemp("graph")
    return tflite._Part(network, TASKS, settings, images, SIZE, 1, folder)._with_ranges


def test_an_end_is_a_percentile_over_the_images(network, images, marked):
    inputs = list(tflite._calibration_inputs(images))
    rgb = np.concatenate(inputs)
    strongest = activations(network, "conv0", rgb).max(axis=(1, 2, 3))
    for percentile in (100, 90, 50):
        found = ranges(calibration.with_ranges(marked, inputs, percentile))
        expected = np.percentile(strongest, percentile)
        assert any(np.isclose(high, expected, rtol=1e-3) for _, high in found), percentile
    assert strongest.max() > 5 * np.percentile(strongest, 90)


def test_pixels_and_outputs_keep_all_of_their_range(network, images, marked):
    inputs = list(tflite._calibration_inputs(images))
    whole, cut = (ranges(calibration.with_ranges(marked, inputs, each)) for each in (100, 60))
    logits = network.predict(np.concatenate(inputs)[..., :1], verbose=0)["expression"]
    assert whole[0] == cut[0] == (0, 255)
    # The logits and their softmax.
    assert whole[-2:] == cut[-2:]
    np.testing.assert_allclose(cut[-2], (logits.min(), logits.max()), rtol=1e-3)
    assert sum(before != after for before, after in zip(whole, cut, strict=True)) >= 3


def test_an_activation_that_few_images_have_keeps_its_range(network, images, marked):
    inputs = [np.zeros((1, SIZE, SIZE, 3), np.float32)] * 19 + list(
        tflite._calibration_inputs(images[-1:])
    )
    assert all(low < high for low, high in ranges(calibration.with_ranges(marked, inputs, 90)))


def test_int8_is_nearer_on_most_images(network, images, tmp_path):
    rgb = np.broadcast_to(images, (*images.shape[:3], 3))
    reference = export.keras_outputs(network, TASKS, images)["expression"]
    errors = {}
    for percentile in (100.0, 90.0):
        settings = ExportSettings(tflite=("int8",), calibration_percentile=percentile)
        files = export.save_tflite(
            *(network, tmp_path / str(percentile), TASKS, settings, images, SIZE, 1)
        )
        said = inference.load(files["int8"].path)(rgb)["expression"]
        errors[percentile] = np.abs(said - reference)[:100].mean()
    assert errors[90.0] < 0.5 * errors[100.0], errors


@pytest.mark.parametrize("percentile", [49.9, 100.1, float("nan")])
def test_what_is_no_such_percentile_is_refused(percentile):
    with pytest.raises(
        ValueError, match=r"calibration_percentile must be (a finite number )?in \[50, 100\]; got"
    ):
        ExportSettings(calibration_percentile=percentile)

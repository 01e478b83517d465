import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from kfer import inference
from kfer.inference.runtime import _dequantise


@pytest.mark.parametrize(("kind", "size"), [("saved_model", None), ("tflite", 4)])
def test_runs_every_image(kind, size, request, images, expected):
    runner = inference.load(request.getfixturevalue(kind))
    assert runner.image_size == size
    assert runner.output_names == ("expression",)
    # More than one batch of either kind.
    outputs = runner(np.tile(images, (40, 1, 1, 1)))
    assert outputs["expression"].dtype == np.float32
    np.testing.assert_allclose(outputs["expression"], np.tile(expected, (40, 1)), atol=1e-6)


def test_saved_model_takes_any_size(saved_model, expected):
    images = np.zeros((1, 9, 5, 3), np.uint8)
    images[:] = (50, 100, 100)
    outputs = inference.load(str(saved_model))(images)
    np.testing.assert_allclose(outputs["expression"], expected[1:], atol=1e-6)


def test_integer_outputs_come_back_as_numbers():
    # By hand: (-128 + 128) / 256 = 0, (-64 + 128) / 256 = 0.25.
    numbers = _dequantise(np.array([-128, -64], np.int8), {"quantization": (1 / 256, -128)})
    assert numbers.dtype == np.float32
    assert numbers.tolist() == [0.0, 0.25]


@pytest.mark.parametrize("kind", ["saved_model", "tflite"])
@pytest.mark.parametrize(
    "images",
    [
        np.zeros((1, 4, 4, 3), np.float32),
        np.zeros((4, 4, 3), np.uint8),
        np.zeros((1, 4, 4, 1), np.uint8),
        np.zeros((0, 4, 4, 3), np.uint8),
    ],
)
def test_wrong_images_are_refused(kind, images, request):
    runner = inference.load(request.getfixturevalue(kind))
    with pytest.raises(ValueError, match=r"RGB images, uint8 \[n, height, width, 3\].*; got \w+ \["):
        runner(images)


def test_tflite_refuses_another_size(tflite):
    with pytest.raises(ValueError, match=r"width 4; got uint8 \[1, 5, 4, 3\]"):
        inference.load(tflite)(np.zeros((1, 5, 4, 3), np.uint8))


def test_missing_path_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no model at .*nothing\.tflite"):
        inference.load(tmp_path / "nothing.tflite")


def test_what_is_no_model_is_refused(tmp_path, tflite):
    with pytest.raises(ValueError, match=r"no SavedModel: it has no saved_model\.pb"):
        inference.load(tmp_path)
    text = tmp_path / "text.tflite"
    text.write_text("not a model")
    with pytest.raises(ValueError, match="neither a TFLite file nor the folder of a SavedModel"):
        inference.load(text)
    half = tmp_path / "half.tflite"
    half.write_bytes(tflite.read_bytes()[:100])
    with pytest.raises(ValueError, match="cannot be loaded as a TFLite file"):
        inference.load(half)


def test_models_of_others_are_refused(phone_graph, tmp_path):
    with pytest.raises(ValueError, match="not exported by kfer: its signatures are serving_default"):
        inference.load(phone_graph)
    module = tf.Module()
    module.f = tf.function(lambda x: x + 1, input_signature=[tf.TensorSpec([1], tf.float32, "x")])
    tf.saved_model.save(module, str(tmp_path / "other"), {"serving_default": module.f})
    other = tmp_path / "other.tflite"
    converter = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path / "other"))
    other.write_bytes(converter.convert())
    with pytest.raises(ValueError, match=r"not exported by kfer: it has no signature .*'image'"):
        inference.load(other)


def test_import_is_light():
    code = (
        "import sys, kfer.inference; print({'tensorflow', 'keras', 'ai_edge_litert'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert run.stdout == "set()\n"

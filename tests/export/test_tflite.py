import collections

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from toy_tasks import tasks

from kfer import export, models
from kfer.export.tflite import VARIANTS
from kfer.settings import ModelSettings, TaskSettings

EXPRESSION = {"expression": TaskSettings(names=("calm", "glad"))}


def run(path, images):
    signature = Interpreter(str(path)).get_signature_runner("serving_default")
    outputs = [signature(image=image[np.newaxis]) for image in images]
    return {name: np.concatenate([output[name] for output in outputs]) for name in outputs[0]}


def operations(path):
    # LiteRT's own list of a file's operations; DELEGATE is added when they are made ready to run.
    details = Interpreter(str(path))._get_ops_details()
    return collections.Counter(operation["op_name"] for operation in details)


def save(toy, folder, variants):
    return export.save_tflite(toy.model, folder, toy.tasks, variants, toy.images, toy.size, toy.channels)


@pytest.fixture(scope="module")
def files(grey, tmp_path_factory):
    return save(grey, tmp_path_factory.mktemp("tflite"), VARIANTS)


def test_interface_is_the_same_for_every_variant(files, grey):
    assert {name: path.name for name, path in files.items()} == {
        name: f"{name}.tflite" for name in VARIANTS
    }
    for path in files.values():
        signature = Interpreter(str(path)).get_signature_runner("serving_default")
        (image,) = signature.get_input_details().items()
        assert image[0] == "image" and image[1]["dtype"] == np.uint8
        assert image[1]["shape"].tolist() == [1, grey.size, grey.size, 3]
        outputs = signature.get_output_details()
        assert {k: (v["dtype"], v["shape"].tolist()) for k, v in outputs.items()} == {
            "expression": (np.float32, [1, 4]),
            "embedding": (np.float32, [1, 32]),
            "votes": (np.float32, [1, 3]),
            "units": (np.float32, [1, 2]),
            "angles": (np.float32, [1, 2]),
        }


# Measured on this toy: 2e-6, 2e-3, 0.042 and 0.055 in probability (its logits differ much), and 1e-4,
# 0.06, 0.7 and 3.4 degrees of up to 58.
@pytest.mark.parametrize(
    ("variant", "difference", "degrees", "cosine"),
    [
        ("float32", 1e-5, 1e-3, 0.99999),
        ("float16", 5e-3, 0.2, 0.9999),
        ("dynamic_range", 0.1, 2, 0.999),
        ("int8", 0.1, 6, 0.999),
    ],
)
def test_variants_agree_with_keras(files, grey, variant, difference, degrees, cosine):
    outputs = run(files[variant], grey.rgb)
    report = export.parity_report(grey.reference, outputs, grey.tasks, {})
    tasks = report["tasks"]
    for figures in (report, tasks["votes"], tasks["units"]):
        assert figures["max_probability_difference"] <= difference
    assert tasks["angles"]["max_difference"] <= degrees
    assert report["embedding_cosine_min"] >= cosine
    assert min(report["top_class_agreement"], tasks["votes"]["top_class_agreement"]) >= 0.9
    np.testing.assert_allclose(np.linalg.norm(outputs["embedding"], axis=1), 1, atol=1e-4)


@pytest.mark.parametrize("toy_name", ["colour", "only_expression", "only_embedding"])
def test_other_networks_agree_with_keras(toy_name, request, tmp_path):
    toy = request.getfixturevalue(toy_name)
    files = save(toy, tmp_path / "new", ("float32", "int8"))
    for variant, tolerance in (("float32", 1e-5), ("int8", 0.1)):
        outputs = run(files[variant], toy.rgb)
        assert set(outputs) == set(toy.reference)
        for name, output in outputs.items():
            np.testing.assert_allclose(output, toy.reference[name], atol=tolerance)


def test_int8_is_integer_from_pixels_to_the_last_step(files):
    path = files["int8"]
    signature = Interpreter(str(path)).get_signature_runner()
    assert signature.get_input_details()["image"]["quantization"] == (1.0, 0)
    counts = operations(path)
    assert counts["QUANTIZE"] == 1  # uint8 pixels to int8
    assert counts["DEQUANTIZE"] == 5  # one an output
    assert counts["CAST"] == 0
    interpreter = Interpreter(str(path))
    floats = {
        tensor["name"] for tensor in interpreter.get_tensor_details() if tensor["dtype"] == np.float32
    }
    assert len(floats) == 6  # the outputs, and the embedding before it is normalised


def test_batch_normalisation_is_folded(files, tmp_path):
    counts = operations(files["float32"])
    assert counts["CONV_2D"] == 2
    assert (counts["MUL"], counts["ADD"]) == (2, 1)  # grey and scaling alone

    toy = {"widths": (8, 16), "blocks": 1, "squeeze_excitation": True}
    settings = ModelSettings(backbone_arguments=toy, embedding_size=16)
    model = models.build(settings, 32, 3, tasks(4), 3, seed=0)
    images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8)
    path = export.save_tflite(model, tmp_path, tasks(4), ("float32",), images, 32, 3)["float32"]
    counts = operations(path)
    # Scaling, then one ADD a residual block and one MUL a squeeze-excitation: two blocks.
    assert (counts["MUL"], counts["ADD"]) == (1 + 2, 1 + 2)
    reference = export.keras_outputs(model, tasks(4), images)
    report = export.parity_report(reference, run(path, images), tasks(4), {})
    assert report["max_probability_difference"] <= 1e-5
    assert report["embedding_cosine_min"] >= 0.99999


def test_what_a_task_has_for_itself_is_builtin_too(tmp_path):
    alone = {
        "expression": TaskSettings(names=("calm", "glad"), parts_after="stage1", layers=(8,)),
        "identity": TaskSettings("embedding", loss="triplet_semihard", normalize_features=True),
        "angles": TaskSettings("regression", ("yaw", "pitch"), stop_gradient=True),
    }
    settings = ModelSettings(backbone_arguments={"widths": (8, 16), "blocks": 1}, embedding_size=16)
    model = models.build(settings, 32, 1, alone, 3, seed=0)
    images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 1), np.uint8)
    path = export.save_tflite(model, tmp_path, alone, ("float32",), images, 32, 1)["float32"]
    outputs = run(path, images.repeat(3, axis=-1))
    assert set(outputs) == {"expression", "embedding", "angles"}
    for name, reference in export.keras_outputs(model, alone, images).items():
        np.testing.assert_allclose(outputs[name], reference, rtol=1e-4, atol=1e-5)


def test_same_network_gives_the_same_bytes(files, grey, tmp_path):
    again = save(grey, tmp_path, ("int8",))["int8"]
    assert again.read_bytes() == files["int8"].read_bytes()


def test_weights_shrink(files):
    sizes = {variant: path.stat().st_size for variant, path in files.items()}
    assert sizes["float16"] < 0.75 * sizes["float32"]
    assert max(sizes["dynamic_range"], sizes["int8"]) < sizes["float16"]


def test_operation_without_builtin_is_named(tmp_path):
    inputs = keras.Input((8, 8, 1))
    features = keras.layers.Flatten()(inputs)
    features = keras.layers.Lambda(lambda x: tf.math.digamma(tf.linalg.expm(x[:, :1, None])))(features)
    logits = keras.layers.Dense(2, name="expression")(features[:, 0])
    model = keras.Model(inputs, {"expression": logits})
    images = np.zeros((1, 8, 8, 1), np.uint8)
    with pytest.raises(ValueError, match=r"float32: TFLite has no builtin for .*Digamma"):
        export.save_tflite(model, tmp_path, EXPRESSION, ("float32",), images, 8, 1)
    assert not list(tmp_path.iterdir())


def test_unknown_variant_is_refused(grey, tmp_path):
    with pytest.raises(ValueError, match="float32, float16, dynamic_range, int8; got int4"):
        save(grey, tmp_path, ("float32", "int4"))


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((2, 16, 16, 1), np.float32),
        np.zeros((2, 16, 16, 3), np.uint8),
        np.zeros((0, 16, 16, 1), np.uint8),
    ],
)
def test_wrong_calibration_images_are_refused(grey, tmp_path, images):
    with pytest.raises(ValueError, match=r"uint8 \[n, 16, 16, 1\] with n > 0; got .*16, 16"):
        export.save_tflite(grey.model, tmp_path, grey.tasks, ("int8",), images, 16, 1)


def test_converter_is_silent(grey, tmp_path, capfd):
    save(grey, tmp_path, ("int8",))
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""

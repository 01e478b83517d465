import collections
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from toy_tasks import tasks

from kfer import export, inference, models
from kfer.export import flatbuffer
from kfer.settings import ExportSettings, ModelSettings, TaskSettings
from kfer.settings.export import TFLITE_VARIANTS

FLOAT32 = ExportSettings(tflite=("float32",))
EXPRESSION = {"expression": TaskSettings(names=("calm", "glad"))}


def run(path, images):
    signature = Interpreter(str(path)).get_signature_runner("serving_default")
    outputs = [signature(image=image[np.newaxis]) for image in images]
    return {name: np.concatenate([output[name] for output in outputs]) for name in outputs[0]}


def operations(path):
    # LiteRT's own list of a file's operations; DELEGATE is added when they are made ready to run.
    details = Interpreter(str(path))._get_ops_details()
    return collections.Counter(operation["op_name"] for operation in details)


@pytest.fixture(scope="module")
def files(grey, tmp_path_factory):
    return grey.save_tflite(tmp_path_factory.mktemp("tflite"), TFLITE_VARIANTS)


def test_interface_is_the_same_for_every_variant(files, grey):
    assert {name: path.name for name, path in files.items()} == {
        name: f"{name}.tflite" for name in TFLITE_VARIANTS
    }
    for variant, path in files.items():
        if variant == "int8_io":
            continue
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
        ("int16", 0.05, 2, 0.999),
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
    files = toy.save_tflite(tmp_path / "new", ("float32", "int8"))
    for variant, tolerance in (("float32", 1e-5), ("int8", 0.1)):
        outputs = run(files[variant], toy.rgb)
        assert set(outputs) == set(toy.reference)
        for name, output in outputs.items():
            np.testing.assert_allclose(output, toy.reference[name], atol=tolerance)


def test_int8_is_integer_from_pixels_to_the_last_step(files):
    path = files["int8"]
    signature = Interpreter(str(path)).get_signature_runner("serving_default")
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
    path = export.save_tflite(model, tmp_path, tasks(4), FLOAT32, images, 32, 3)["float32"].path
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
    path = export.save_tflite(model, tmp_path, alone, FLOAT32, images, 32, 1)["float32"].path
    outputs = run(path, images.repeat(3, axis=-1))
    assert set(outputs) == {"expression", "embedding", "angles"}
    for name, reference in export.keras_outputs(model, alone, images).items():
        np.testing.assert_allclose(outputs[name], reference, rtol=1e-4, atol=1e-5)


def test_same_network_gives_the_same_bytes(files, grey, tmp_path):
    again = grey.save_tflite(tmp_path, ("int8",))["int8"]
    assert again.read_bytes() == files["int8"].read_bytes()


def test_weights_shrink(grey, tmp_path):
    variants = ("float32", "float16", "dynamic_range", "int8")
    files = grey.save_tflite(tmp_path, variants, output_signatures=False)
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
        export.save_tflite(model, tmp_path, EXPRESSION, FLOAT32, images, 8, 1)
    assert not list(tmp_path.iterdir())


def test_unknown_variant_is_refused(grey, tmp_path):
    with pytest.raises(ValueError, match=r"float32, float16, dynamic_range, int8, .*; got 'int4'"):
        grey.save_tflite(tmp_path, ("float32", "int4"))


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((2, 16, 16, 1), np.float32),
        np.zeros((2, 16, 16, 3), np.uint8),
        np.zeros((0, 16, 16, 1), np.uint8),
    ],
)
@pytest.mark.parametrize("variant", ["int8", "int8_io", "int16"])
def test_wrong_calibration_images_are_refused(grey, tmp_path, images, variant):
    settings = ExportSettings(tflite=(variant,))
    with pytest.raises(ValueError, match=r"uint8 \[n, 16, 16, 1\] with n > 0; got .*16, 16"):
        export.save_tflite(grey.model, tmp_path, grey.tasks, settings, images, 16, 1)


def test_calibration_images_that_show_nothing_are_refused(grey, tmp_path):
    grey_wall, settings = np.full((5, 16, 16, 1), 9, np.uint8), ExportSettings(tflite=("int8",))
    with pytest.raises(ValueError, match="that show something; all pixels of the 5 that came are 9"):
        export.save_tflite(grey.model, tmp_path, grey.tasks, settings, grey_wall, 16, 1)


def test_a_task_cannot_be_called_as_a_signature(only_expression, tmp_path):
    tasks = {"embed": TaskSettings(names=("calm", "glad", "sad", "wild"))}
    outputs = {"embed": only_expression.model.output["expression"]}
    model = keras.Model(only_expression.model.input, outputs)
    with pytest.raises(ValueError, match="the name of a signature of all files; got 'embed'"):
        export.save_tflite(model, tmp_path, tasks, FLOAT32, only_expression.images, 16, 1)


@pytest.mark.parametrize("variant", ["float32", "int8", "int8_io"])
def test_each_output_can_have_a_signature_of_its_own(files, grey, variant):
    path = str(files[variant])
    interpreter = Interpreter(path)
    keys = {"expression", "embed", "votes", "units", "angles"}
    assert set(interpreter.get_signature_list()) == {"serving_default", *keys}
    whole = interpreter.get_signature_runner("serving_default")
    image = grey.rgb[:1] if variant != "int8_io" else (grey.rgb[:1] // 2).astype(np.int8)
    expected = whole(image=image)
    for key in keys:
        name = "embedding" if key == "embed" else key
        found = Interpreter(path).get_signature_runner(key)(image=image)
        assert set(found) == {name}
        np.testing.assert_array_equal(found[name], expected[name])
    content = Path(path).read_bytes()
    whole, *parts = flatbuffer.read(content).subgraphs
    assert all(len(part.operators) < len(whole.operators) for part in parts)
    weights = {tensor.buffer for part in parts for tensor in part.tensors}
    assert weights <= {tensor.buffer for tensor in whole.tensors}


def test_int8_in_and_out_has_no_float(files, grey):
    interpreter = Interpreter(str(files["int8_io"]))
    assert {tensor["dtype"] for tensor in interpreter.get_tensor_details()} <= {np.int8, np.int32}
    signature = interpreter.get_signature_runner("serving_default")
    assert signature.get_input_details()["image"]["quantization"] == (1.0, -128)
    assert signature.get_output_details()["embedding"]["quantization"] == (1 / 128, 0)
    outputs = inference.load(files["int8_io"])(grey.rgb)
    report = export.parity_report(grey.reference, outputs, grey.tasks, {})
    assert report["max_probability_difference"] <= 0.1
    # Rounded to steps of 1/128, 32 numbers are off by at most half a step each.
    assert report["embedding_cosine_min"] >= 0.99
    assert report["top_class_agreement"] >= 0.9


def test_a_file_can_take_any_number_of_images(grey, tmp_path):
    for name, path in grey.save_tflite(tmp_path, TFLITE_VARIANTS, resizable=True).items():
        signature = Interpreter(str(path)).get_signature_runner("serving_default")
        assert signature.get_input_details()["image"]["shape_signature"].tolist() == [-1, 16, 16, 3]
        outputs = inference.load(path)(grey.rgb)
        report = export.parity_report(grey.reference, outputs, grey.tasks, {})
        assert report["num_images"] == len(grey.rgb)
        assert report["max_probability_difference"] <= 0.1, name
        assert report["embedding_cosine_min"] >= 0.99, name


def test_the_embedding_can_be_left_as_it_is(grey, tmp_path):
    variants = ("float32", "int8", "int8_io")
    for name, path in grey.save_tflite(tmp_path, variants, normalize_embedding=False).items():
        found = inference.load(path)(grey.rgb)["embedding"]
        lengths = np.linalg.norm(found, axis=1, keepdims=True)
        assert np.ptp(lengths) > 0.1, name
        cosines = np.sum(found / lengths * grey.reference["embedding"], axis=1)
        assert cosines.min() >= 0.99, name
        assert "L2_NORMALIZATION" not in operations(path)


def test_each_output_can_have_a_file_of_its_own(grey, tmp_path):
    settings = ExportSettings(tflite=("float32", "int8"), single_task=True)
    files = export.save_tflite(grey.model, tmp_path, grey.tasks, settings, grey.images, 16, 1)
    outputs = ("expression", "embedding", "votes", "units", "angles")
    names = {f"{output}_{variant}" for output in outputs for variant in settings.tflite}
    assert set(files) == names | set(settings.tflite)
    assert {path.stem for path in tmp_path.iterdir()} == set(files)
    for output in outputs:
        file = files[f"{output}_float32"]
        assert list(file.tasks) == ["identity" if output == "embedding" else output]
        found = run(file.path, grey.rgb)
        assert set(found) == {output}
        np.testing.assert_allclose(found[output], grey.reference[output], rtol=1e-4, atol=1e-4)


def test_converter_is_silent(grey, tmp_path, capfd):
    grey.save_tflite(tmp_path, ("int8",))
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""


def test_inputs_of_another_type_or_shape_fail(files):
    signature = Interpreter(str(files["int8"])).get_signature_runner("serving_default")
    with pytest.raises(ValueError, match="Got value of type FLOAT32 but expected type UINT8"):
        signature(image=np.zeros((1, 16, 16, 3), np.float32))
    with pytest.raises(ValueError, match="picture"):
        signature(picture=np.zeros((1, 16, 16, 3), np.uint8))
    # LiteRT takes the new size for all that follows, and fails where it does not fit.
    with pytest.raises((ValueError, RuntimeError), match="failed to prepare"):
        signature(image=np.zeros((1, 24, 24, 3), np.uint8))

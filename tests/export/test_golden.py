import hashlib
import json
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from kfer import export, preprocessing

VARIANTS = ("float32", "float16", "dynamic_range", "int8")


@pytest.fixture(scope="module")
def images(grey):
    return export.golden_images(grey.size)


@pytest.fixture(scope="module")
def reference(grey, images):
    pixels = np.asarray(preprocessing.prepare_images(images, grey.size, grey.channels))
    return export.keras_outputs(grey.model, grey.tasks, pixels)


@pytest.fixture(scope="module")
def exported(grey, images, reference, tmp_path_factory):
    folder = tmp_path_factory.mktemp("golden_model")
    files = grey.save_tflite(folder, VARIANTS)
    assert export.write_golden(folder, images, files, reference) == folder / "golden" / "golden.json"
    return folder


@pytest.fixture(scope="module")
def int8_to_int8(tmp_path_factory):
    """A file whose input and output are int8, and what its network says: the mean of each colour."""
    folder = tmp_path_factory.mktemp("int8_to_int8")

    @tf.function(input_signature=[tf.TensorSpec([1, 16, 16, 3], tf.float32, "image")])
    def predict(image):
        return {"colours": tf.reduce_mean(image, axis=[1, 2]) / 255}

    module = tf.Module()
    module.predict = predict
    tf.saved_model.save(module, str(folder / "saved"), {"serving_default": predict})
    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder / "saved"))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    ends = [np.full((1, 16, 16, 3), pixel, np.float32) for pixel in (0, 255)]
    converter.representative_dataset = lambda: ({"image": end} for end in ends)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    with warnings.catch_warnings():
        # The converter calibrates with tf.lite.Interpreter, which announces its own end.
        warnings.filterwarnings("ignore", message=".*tf.lite.Interpreter is deprecated")
        (folder / "int8_io.tflite").write_bytes(converter.convert())
    images = export.golden_images(16)
    means = (images / 255).mean(axis=(1, 2), dtype=np.float32)
    export.write_golden(folder, images, {"int8_io": folder / "int8_io.tflite"}, {"colours": means})
    return folder


@pytest.fixture
def model(exported, tmp_path):
    """A copy that a test may change."""
    return shutil.copytree(exported, tmp_path / "model")


def files_of(folder):
    return {variant: folder / f"{variant}.tflite" for variant in VARIANTS}


def described(folder):
    return json.loads((folder / "golden" / "golden.json").read_text())


def check(*places, script):
    command = [sys.executable, str(script), *map(str, places)]
    process = subprocess.run(command, capture_output=True, text=True)
    return process.returncode, process.stdout + process.stderr


def change(folder, change_content):
    content = described(folder)
    change_content(content)
    (folder / "golden" / "golden.json").write_text(json.dumps(content))


def test_images_are_drawn_faces_always_the_same():
    faces = export.golden_images(48, 3)
    assert (faces.dtype, faces.shape) == (np.uint8, (3, 48, 48, 3))
    np.testing.assert_array_equal(faces, export.golden_images(48, 4)[:3])
    assert len({face.tobytes() for face in faces}) == 3
    assert faces.std(axis=(1, 2, 3)).min() > 20  # something is to be seen
    assert export.golden_images(10).shape == (4, 10, 10, 3)  # smaller than a face is drawn
    with pytest.raises(ValueError, match="1 or more; got 0"):
        export.golden_images(48, 0)
    with pytest.raises(ValueError, match="1 pixel or more; got 0"):
        export.golden_images(0)


def test_golden_json_says_what_each_file_takes_and_says(exported, images, reference):
    content = described(exported)
    assert (content["format"], content["image_size"]) == (1, images.shape[1])
    for name, image in zip(content["inputs"], images, strict=True):
        assert (exported / "golden" / name).read_bytes() == image.tobytes()
    assert [file["file"] for file in content["files"]] == [f"{variant}.tflite" for variant in VARIANTS]
    for file in content["files"]:
        bytes_ = (exported / file["file"]).read_bytes()
        assert file["sha256"] == hashlib.sha256(bytes_).hexdigest()
        assert file["bytes"] == len(bytes_)
        assert file["input"]["name"] == "image"
        assert file["input"]["shape"] == [1, *images.shape[1:]]
        assert file["input"]["scale"] == (1 if file["variant"] == "int8" else 0)
        assert {output["name"] for output in file["outputs"]} == set(reference)
        for output in file["outputs"]:
            keras = np.array(output["keras"], np.float32)
            np.testing.assert_array_equal(keras, reference[output["name"]])
            expected = np.array(output["expected"], np.float32)
            if file["variant"] == "float32":
                np.testing.assert_allclose(expected, keras, atol=1e-4)
            elif file["variant"] == "int8" and output["name"] != "angles":
                assert 0 < np.abs(expected - keras).max() < 0.2  # its own numbers, not Keras's


def test_tolerances_are_of_the_variant_and_of_the_outputs_size(exported):
    tolerances = {
        (file["variant"], output["name"]): (output["tolerance"], np.abs(output["expected"]).max())
        for file in described(exported)["files"]
        for output in file["outputs"]
    }
    for variant, share in zip(VARIANTS, (1e-3, 1e-2, 2e-2, 8 / 256), strict=True):
        assert tolerances[variant, "expression"][0] == pytest.approx(share, rel=1e-2)
        tolerance, largest = tolerances[variant, "angles"]
        assert largest > 10 and tolerance == pytest.approx(share * largest, rel=1e-2)


def test_an_integer_output_is_allowed_two_of_its_steps():
    tensor = export.golden.TensorDescription((1, 2), "int8", 0.5, -3)
    assert export.golden._tolerance("int8_io", tensor, np.array([1.5, -7.0])) == 1.0
    assert export.golden._tolerance("int8_io", tensor, np.array([1.5, -128.0])) == 4.0


def test_int8_input_and_output_need_no_special_case(int8_to_int8):
    (file,) = described(int8_to_int8)["files"]
    assert (file["input"]["type"], file["input"]["zero_point"]) == ("int8", -128)
    assert file["input"]["scale"] == pytest.approx(1)
    (output,) = file["outputs"]
    assert output["type"] == "int8" and output["scale"] > 0
    difference = np.abs(np.subtract(output["expected"], output["keras"]))
    assert difference.max() <= output["scale"] < output["tolerance"]
    code, said = check(script=int8_to_int8 / "golden" / "check_golden.py")
    assert code == 0 and "PASS int8_io.tflite colours: largest difference 0, tolerance 0.0312" in said


def test_golden_txt_says_the_same_for_programs_without_json(exported):
    lines = (exported / "golden" / "golden.txt").read_text().splitlines()
    content = described(exported)
    assert lines[:3] == ["golden 1", "signature serving_default", "inputs 4"]
    first = content["files"][0]
    assert lines[3] == f"file {first['bytes']} float32.tflite"
    output = first["outputs"][0]
    width = len(output["expected"][0])
    assert lines[4] == f"output {output['name']} {width} {output['tolerance']}"
    assert [float(word) for word in lines[5].split()] == output["expected"][0]


def test_same_files_give_the_same_bytes(model, images, reference):
    before = {path.name: path.read_bytes() for path in (model / "golden").iterdir()}
    shutil.rmtree(model / "golden")
    export.write_golden(model, images, files_of(model), reference)
    assert {path.name: path.read_bytes() for path in (model / "golden").iterdir()} == before


def test_checkers_lie_beside_the_vectors(exported):
    names = {path.name for path in (exported / "golden").iterdir() if path.suffix not in (".bin", ".txt")}
    assert names == {
        "LICENSE",
        "golden.json",
        "check_golden.py",
        "check_golden.html",
        "check_golden.js",
        "golden_check.cc",
        "GoldenCheck.kt",
        "GoldenCheck.swift",
    }
    repository = Path(export.__file__).parents[2] / "LICENSE"
    if repository.is_file():  # not of an installed package
        assert (exported / "golden" / "LICENSE").read_bytes() == repository.read_bytes()


def test_python_checker_passes_from_anywhere(exported, tmp_path):
    script = exported / "golden" / "check_golden.py"
    code, said = check(script=script)
    assert code == 0 and "all pass" in said
    assert said.count("PASS") == len(VARIANTS) * 5 and "FAIL" not in said
    alone = shutil.copy(script, tmp_path)
    for place in (exported, exported / "golden", exported / "golden" / "golden.json"):
        assert check(place, script=alone)[0] == 0
    assert check(tmp_path, script=script) == (1, f"there is no golden.json at {tmp_path}\n")


def test_python_checker_sees_another_file(model):
    path = model / "float32.tflite"
    path.write_bytes(path.read_bytes() + b"\0")
    (model / "int8.tflite").unlink()
    code, said = check(script=model / "golden" / "check_golden.py")
    assert code == 1
    assert "FAIL float32.tflite: it is another file" in said
    assert "FAIL int8.tflite: it is not there" in said
    assert "PASS float16.tflite" in said and "NOT all pass" in said


@pytest.mark.parametrize("wrong", [2e-3, float("nan")])
def test_python_checker_sees_another_number(model, wrong):
    def move(content):
        expected = content["files"][0]["outputs"][2]["expected"]
        expected[-1][-1] += wrong

    change(model, move)
    code, said = check(script=model / "golden" / "check_golden.py")
    assert code == 1
    assert said.count("FAIL") == 1 and "FAIL float32.tflite expression: largest difference" in said


@pytest.mark.parametrize("mistake", ["channels swapped", "upside down"])
def test_an_app_that_prepares_images_otherwise_fails(model, mistake):
    for path in (model / "golden").glob("*.bin"):
        image = np.frombuffer(path.read_bytes(), np.uint8).reshape(16, 16, 3)
        image = image[..., ::-1] if mistake == "channels swapped" else image[::-1]
        path.write_bytes(image.tobytes())
    code, said = check(script=model / "golden" / "check_golden.py")
    assert code == 1
    for variant in VARIANTS:
        assert f"FAIL {variant}.tflite expression" in said


def test_what_does_not_fit_is_refused(model, images, reference, tmp_path):
    files = files_of(model)
    with pytest.raises(ValueError, match=r"uint8 \[n, size, size, 3\] with n > 0; got float32 \[4, 16"):
        export.write_golden(model, images.astype(np.float32), files, reference)
    with pytest.raises(ValueError, match=r"got uint8 \[0, 16, 16, 3\]"):
        export.write_golden(model, images[:0], files, reference)
    with pytest.raises(ValueError, match=r"at least one \.tflite file in .*; got none"):
        export.write_golden(model, images, {}, reference)
    with pytest.raises(ValueError, match=r"at least one .*; got .*float32\.tflite"):
        export.write_golden(tmp_path, images, files, reference)
    with pytest.raises(ValueError, match=r"has no int4\.tflite: export first"):
        export.write_golden(model, images, {"int4": model / "int4.tflite"}, reference)
    with pytest.raises(ValueError, match=r"takes an image \[1, 16, 16, 3\]; .* \[4, 24, 24, 3\]"):
        export.write_golden(model, export.golden_images(24), files, reference)
    with pytest.raises(ValueError, match=r"the reference is .*: take keras_outputs of the same network"):
        export.write_golden(model, images[:2], files, reference)

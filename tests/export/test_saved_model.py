import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from kfer import export, preprocessing
from kfer.settings import TaskSettings


@pytest.fixture(scope="module")
def folder(grey, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved_model") / "1"
    export.save_saved_model(grey.model, folder, grey.tasks, grey.size, 1)
    return folder


@pytest.fixture(scope="module")
def loaded(folder):
    return tf.saved_model.load(str(folder))


def assert_close(found: tf.Tensor, expected: np.ndarray, unit: float) -> None:
    """Probabilities and vectors agree to a hundred-thousandth, angles to that share of their range.

    The toy's angles are sums of terms that are 760 degrees without their signs, of which float32 rounds
    away up to 4.5e-5 degrees: a batch of another size is added up in another order.
    """
    np.testing.assert_allclose(found.numpy() / unit, expected / unit, rtol=1e-5, atol=1e-5)


def png(image: np.ndarray) -> bytes:
    return tf.io.encode_png(image).numpy()


def test_layout_is_tensorflow_servings(folder, grey):
    assert (folder / "saved_model.pb").is_file()
    assert (folder / "variables" / "variables.index").is_file()
    assert (folder / "assets" / "labels.txt").read_text() == "calm\nglad\nsad\nwild\n"


@pytest.mark.parametrize("toy_name", ["grey", "colour", "only_expression", "only_embedding"])
def test_agrees_with_keras(toy_name, request, tmp_path):
    toy = request.getfixturevalue(toy_name)
    export.save_saved_model(toy.model, tmp_path, toy.tasks, toy.size, toy.channels)
    assert (tmp_path / "assets" / "labels.txt").exists() == ("expression" in toy.tasks)
    signatures = tf.saved_model.load(str(tmp_path)).signatures
    of_tensor = signatures["image_tensor"](images=tf.constant(toy.rgb))
    encoded = tf.constant([png(image) for image in toy.rgb])
    of_bytes = signatures["serving_default"](image_bytes=encoded)
    for outputs in (of_tensor, of_bytes):
        assert set(outputs) == set(toy.reference)
        for name, output in outputs.items():
            assert output.dtype == tf.float32
            assert_close(output, toy.reference[name], toy.unit(name))


def test_other_sizes_are_scaled_as_in_training(loaded, grey):
    photograph = np.random.default_rng(1).integers(0, 256, (1, 37, 23, 3), np.uint8)
    prepared = preprocessing.prepare_images(tf.constant(photograph), grey.size, 1).numpy()
    expected = export.keras_outputs(grey.model, grey.tasks, prepared)
    outputs = loaded.signatures["image_tensor"](images=tf.constant(photograph))
    of_bytes = loaded.signatures["serving_default"](
        image_bytes=tf.constant([png(photograph[0]), png(grey.rgb[0])])
    )
    for name in expected:
        for said in (outputs[name], of_bytes[name][:1]):
            assert_close(said, expected[name], grey.unit(name))


def test_bytes_that_do_not_decode_are_named(loaded, grey):
    whole = png(grey.rgb[0])
    items = tf.constant([whole, b"no image", whole, whole[: len(whole) // 2], b""])
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"no whole JPEG.*\[1 3 4\]"):
        loaded.signatures["serving_default"](image_bytes=items)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"no whole JPEG.*\[0\]"):
        loaded.signatures["serving_default"](image_bytes=tf.constant([b""]))


@pytest.mark.parametrize(
    ("key", "given", "message"),
    [
        (
            "image_tensor",
            {"images": np.zeros((1, 8, 8, 3), np.float32)},
            "expected to be a uint8 tensor but is a float",
        ),
        (
            "image_tensor",
            {"images": np.zeros((8, 8, 3), np.uint8)},
            r"images \[8,8,3\] is not .*\[\?,\?,\?,3\]",
        ),
        ("image_tensor", {"images": np.zeros((1, 8, 8, 1), np.uint8)}, r"images \[1,8,8,1\] is not"),
        ("serving_default", {"image_bytes": [1.0]}, "expected to be a string tensor"),
        ("serving_default", {"images": [b"jpeg"]}, "image_bytes"),
    ],
)
def test_inputs_of_another_type_or_shape_are_named(loaded, key, given, message):
    tensors = {name: tf.constant(value) for name, value in given.items()}
    with pytest.raises((TypeError, ValueError, tf.errors.InvalidArgumentError), match=message):
        loaded.signatures[key](**tensors)


def test_embeddings_have_a_signature_of_their_own(loaded, grey):
    encoded = tf.constant([png(image) for image in grey.rgb[:3]])
    found = loaded.signatures["embed"](image_bytes=encoded)
    assert set(found) == {"embedding"}
    whole = loaded.signatures["serving_default"](image_bytes=encoded)
    np.testing.assert_array_equal(found["embedding"], whole["embedding"])


def test_without_an_embedding_there_is_no_signature_of_it(only_expression, tmp_path):
    toy = only_expression
    export.save_saved_model(toy.model, tmp_path, toy.tasks, toy.size, toy.channels)
    assert set(tf.saved_model.load(str(tmp_path)).signatures) == {"serving_default", "image_tensor"}
    assert set(warmup_requests(tmp_path)) == {"serving_default", "image_tensor"}


def warmup_requests(folder):
    records = tf.data.TFRecordDataset(str(folder / "assets.extra" / "tf_serving_warmup_requests"))
    logs = [PredictionLog.FromString(record.numpy()) for record in records]
    requests = [log.predict_log.request for log in logs]
    return {request.model_spec.signature_name: request.inputs for request in requests}


def test_each_signature_answers_its_warm_up_request(folder, loaded):
    requests = warmup_requests(folder)
    assert set(requests) == {"serving_default", "image_tensor", "embed"}
    for name, inputs in requests.items():
        given = {key: tf.constant(tf.make_ndarray(value)) for key, value in inputs.items()}
        outputs = loaded.signatures[name](**given)
        assert all(len(output) == 1 for output in outputs.values())


def test_no_images_give_no_outputs(loaded):
    outputs = loaded.signatures["serving_default"](image_bytes=tf.constant([], tf.string))
    assert outputs["expression"].shape == (0, 4)


def test_loads_without_kfer(folder, grey, tmp_path):
    np.save(tmp_path / "images.npy", grey.rgb)
    code = f"""
import sys, numpy as np, tensorflow as tf
model = tf.saved_model.load({str(folder)!r})
images = tf.constant(np.load({str(tmp_path / "images.npy")!r}))
outputs = model.signatures["image_tensor"](images=images)
np.savez({str(tmp_path / "outputs.npz")!r}, **{{k: v.numpy() for k, v in outputs.items()}})
assert not [name for name in sys.modules if name.split(".")[0] == "kfer"]
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, capture_output=True)
    outputs = np.load(tmp_path / "outputs.npz")
    np.testing.assert_allclose(outputs["expression"], grey.reference["expression"], atol=1e-5)


def test_names_that_are_not_the_networks_are_refused(grey, tmp_path):
    tasks = grey.tasks | {"expression": TaskSettings(names=("calm", "glad"))}
    with pytest.raises(ValueError, match=r"tasks\.expression: .* 4 numbers; got 2 names"):
        export.save_saved_model(grey.model, tmp_path, tasks, grey.size, 1)
    assert not list(tmp_path.iterdir())

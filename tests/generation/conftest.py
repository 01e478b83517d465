"""A pushed model small enough to compute by hand, and images that it tells apart."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import tensorflow as tf

SIZE = 8
CLASSES = ("dark", "grey", "light")
_BRIGHTNESS = (50.0, 120.0, 190.0)


def says(images: tf.Tensor, embedding: bool = True) -> dict[str, tf.Tensor]:
    """Brightness is the expression; what is left and right, above and below, the embedding."""
    grey = tf.reduce_mean(tf.cast(images, tf.float32), axis=-1, keepdims=True)
    brightness = tf.reduce_mean(grey, axis=(1, 2))
    said = {"expression": tf.nn.softmax(-(((brightness - _BRIGHTNESS) / 20) ** 2))}
    if embedding:
        quarters = tf.reshape(tf.nn.avg_pool2d(grey, SIZE // 4, SIZE // 4, "VALID"), (-1, 16))
        said["embedding"] = tf.math.l2_normalize(quarters - brightness, axis=-1)
    return said


def push_model(folder: Path, embedding: bool = True, **described: object) -> Path:
    """Writes a version of a model: a SavedModel, a TFLite file, and what describes them."""
    module = tf.Module()

    def resized(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return says(tf.round(tf.image.resize(images, (SIZE, SIZE), antialias=True)), embedding)

    images = tf.TensorSpec([None, None, None, 3], tf.uint8, "images")
    module.of_images = tf.function(resized, input_signature=[images])
    tf.saved_model.save(module, str(folder), {"image_tensor": module.of_images})
    image = tf.TensorSpec([1, SIZE, SIZE, 3], tf.uint8, "image")
    module.of_image = tf.function(lambda image: says(image, embedding), input_signature=[image])
    phone = folder.with_name(f"{folder.name}_phone")
    tf.saved_model.save(module, str(phone), {"serving_default": module.of_image})
    converter = tf.lite.TFLiteConverter.from_saved_model(str(phone))
    (folder / "float32.tflite").write_bytes(converter.convert())
    tasks = {"expression": {"kind": "classes", "names": CLASSES}}
    (folder / "model.json").write_text(
        json.dumps({"name": "toy", "weights": "toy", "tasks": tasks, **described})
    )
    return folder


@pytest.fixture(scope="session")
def push() -> Callable[..., Path]:
    return push_model


@pytest.fixture(scope="session")
def pushed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model's versions."""
    folder = tmp_path_factory.mktemp("saved_models") / "toy"
    folder.mkdir()
    return push_model(folder / "1").parent

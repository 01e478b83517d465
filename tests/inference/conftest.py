"""Models small enough to compute by hand: "expression" is the share of each colour in an image."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

SIZE = 4


def shares(images: tf.Tensor) -> dict[str, tf.Tensor]:
    colours = tf.reduce_sum(tf.cast(images, tf.float32), axis=(1, 2))
    return {"expression": colours / tf.reduce_sum(colours, axis=-1, keepdims=True)}


def save(folder: Path, signature: str, function, *arguments: tf.TensorSpec) -> Path:
    module = tf.Module()
    module.function = tf.function(function, input_signature=arguments)
    tf.saved_model.save(module, str(folder), {signature: module.function})
    return folder


@pytest.fixture(scope="session")
def saved_model(tmp_path_factory) -> Path:
    images = tf.TensorSpec([None, None, None, 3], tf.uint8, "images")
    folder = tmp_path_factory.mktemp("models") / "saved_model"
    return save(folder, "image_tensor", lambda images: shares(images), images)


@pytest.fixture(scope="session")
def phone_graph(tmp_path_factory) -> Path:
    image = tf.TensorSpec([1, SIZE, SIZE, 3], tf.uint8, "image")
    folder = tmp_path_factory.mktemp("models") / "phone"
    return save(folder, "serving_default", lambda image: shares(image), image)


@pytest.fixture(scope="session")
def tflite(phone_graph) -> Path:
    path = phone_graph.parent / "float32.tflite"
    path.write_bytes(tf.lite.TFLiteConverter.from_saved_model(str(phone_graph)).convert())
    return path


@pytest.fixture(scope="session")
def images() -> np.ndarray:
    """A red image, and one of two parts green and two parts blue to one part red."""
    images = np.zeros((2, SIZE, SIZE, 3), np.uint8)
    images[0, ..., 0] = 200
    images[1] = (50, 100, 100)
    return images


@pytest.fixture(scope="session")
def expected() -> np.ndarray:
    return np.array([[1.0, 0.0, 0.0], [0.2, 0.4, 0.4]], np.float32)

"""The model for servers: a SavedModel as TensorFlow Serving expects it."""

import tempfile
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from kfer import preprocessing, spec
from kfer.export import network
from kfer.export.description import write_labels
from kfer.export.warmup import write_warmup
from kfer.settings.tasks import EMBEDDING, Tasks


def save_saved_model(
    model: keras.Model,
    folder: Path,
    tasks: Tasks,
    image_size: int,
    channels: int,
) -> None:
    """Writes a SavedModel that computes in float32 and needs nothing but TensorFlow to load.

    Signatures: "serving_default" takes `image_bytes`, a string `[n]` of JPEG, PNG, BMP, GIF or WebP
    files, which it turns upright as their EXIF says (see `kfer.decoding`); "image_tensor" takes `images`,
    RGB uint8 `[n, height, width, 3]` of any size. Both give float32 outputs by the task's name: of
    classes and soft classes, probabilities `[n, num_classes]`; of several labels, the probability of
    each, `[n, num_labels]`; of a regression, `[n, num_numbers]`; of identity "embedding", L2-normalised
    `[n, embedding_size]`. "embed" is "serving_default" with the embedding alone.

    Args:
        model: The trained network, from `[n, image_size, image_size, channels]` in [0, 255] to the
            logits or numbers of each task by its name, and "embedding".
        folder: Where to write: saved_model.pb, variables/, where expression is a task
            assets/labels.txt, and assets.extra/ with a request for each signature, which TensorFlow
            Serving warms the model up with.
        tasks: What it was trained for; those that it has no output for are left out.
        image_size: Height and width of the network's input in pixels.
        channels: 1 for grey, 3 for RGB.

    Raises:
        ValueError: The network is not built, takes other images, or the tasks do not fit its outputs.
    """
    tasks = network.exported_tasks(model, tasks)
    network.check_input(model, image_size, channels)
    with tempfile.TemporaryDirectory() as temporary:
        served = _ServedModel(model, tasks, image_size, channels)
        if spec.EXPRESSION in tasks:
            labels_path = Path(temporary) / "labels.txt"
            write_labels(labels_path, tasks[spec.EXPRESSION].names)
            served.labels = tf.saved_model.Asset(str(labels_path))
        signatures = {
            "serving_default": served.of_bytes,
            "image_tensor": served.of_tensor,
        }
        image = np.zeros((image_size, image_size, 3), np.uint8)
        requests: dict[str, dict[str, np.ndarray | list[bytes]]] = {
            "serving_default": {"image_bytes": [tf.io.encode_png(image).numpy()]},
            "image_tensor": {"images": image[np.newaxis]},
        }
        if hasattr(served, "embed"):
            signatures["embed"] = served.embed
            requests["embed"] = requests["serving_default"]
        options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
        tf.saved_model.save(served, str(folder), signatures, options)
        write_warmup(folder, requests)


class _ServedModel(tf.Module):
    """What is saved: the variables, the labels and one function a signature."""

    def __init__(self, model: keras.Model, tasks: Tasks, image_size: int, channels: int) -> None:
        super().__init__()
        network_ = network.without_tails(model, tasks)
        self.network_variables = [variable.value for variable in network_.variables]

        def predict(images: tf.Tensor) -> dict[str, tf.Tensor]:
            count = tf.shape(images)[0]
            # oneDNN's convolution keeps the shape of an empty batch: one image stands in for none.
            images = tf.pad(images, [[0, tf.cast(count == 0, tf.int32)], [0, 0], [0, 0], [0, 0]])
            images = tf.ensure_shape(images, [None, image_size, image_size, channels])
            outputs = network.add_tails(network_(tf.cast(images, tf.float32), training=False), tasks)
            return {name: output[:count] for name, output in outputs.items()}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "image_bytes")])
        def of_bytes(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
            return predict(_decode(image_bytes, image_size, channels))

        @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8, "images")])
        def of_tensor(images: tf.Tensor) -> dict[str, tf.Tensor]:
            # The signature's shape is not checked by who serves it: a grey image would broadcast.
            images = tf.ensure_shape(images, [None, None, None, 3])
            return predict(preprocessing.prepare_images(images, image_size, channels))

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "image_bytes")])
        def embed(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
            outputs = predict(_decode(image_bytes, image_size, channels))
            return {spec.EMBEDDING: outputs[spec.EMBEDDING]}

        if any(task.kind == EMBEDDING for task in tasks.values()):
            self.embed = embed
        self.of_bytes = of_bytes
        self.of_tensor = of_tensor


def _decode(image_bytes: tf.Tensor, image_size: int, channels: int) -> tf.Tensor:
    """The network's input, uint8 `[n, image_size, image_size, channels]`.

    A dataset, not `tf.map_fn`: only it goes on after an item that does not decode, so that the
    error can name every such item.
    """

    def prepare(index: tf.Tensor, encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return index, preprocessing.prepare(encoded, image_size, channels)

    count = tf.size(image_bytes, tf.int64)
    # A last element that always decodes: a batch cannot be taken of nothing.
    last = (count, tf.zeros([image_size, image_size, channels], tf.uint8))
    decoded = (
        tf.data.Dataset.from_tensor_slices(image_bytes)
        .enumerate()
        .map(prepare, num_parallel_calls=tf.data.AUTOTUNE)
        .ignore_errors()
        .concatenate(tf.data.Dataset.from_tensors(last))
        .batch(count + 1)
    )
    indices, images = decoded.get_single_element()
    missing = tf.sets.difference([tf.range(count)], [indices[:-1]]).values
    message = (
        "image_bytes: these items, counted from 0, are no whole JPEG, PNG, BMP, GIF or WebP image, or "
        "one that is not read (docs/inference.md):"
    )
    with tf.control_dependencies([tf.debugging.Assert(tf.size(missing) == 0, [message, missing])]):
        return images[:-1]

"""The models for phones: TFLite files of builtin operations only."""

import contextlib
import logging
import os
import re
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from tensorflow.lite.python.convert_phase import ConverterError

from kfer import preprocessing, spec
from kfer.export import flatbuffer, network
from kfer.settings.tasks import Tasks

VARIANTS = ("float32", "float16", "dynamic_range", "int8")
INT8 = "int8"
_SIGNATURE = "serving_default"
_UNSUPPORTED = re.compile(r"(?:TF Select|Custom) ops: ([^\n]+)")
_log = logging.getLogger(__name__)


def save_tflite(
    model: keras.Model,
    folder: Path,
    tasks: Tasks,
    variants: Sequence[str],
    calibration_images: np.ndarray,
    image_size: int,
    channels: int,
) -> dict[str, Path]:
    """Writes one TFLite file a variant and returns their paths.

    All have the same interface, so that an app can exchange them: signature "serving_default",
    input "image", RGB uint8 `[1, image_size, image_size, 3]`; the outputs of a SavedModel, by the same
    names, with n = 1. In "int8" everything between is integer, but for the last step of the
    embedding: int8 has 1/128 as its finest step in [-1, 1], too coarse for a unit vector of many
    small numbers. There a probability has steps of 1/256, and the numbers of a regression have steps of
    1/255 of the range that all of them together had on the calibration images, and end with it.
    "float16" stores weights as float16 and "dynamic_range" as int8; both compute as float32 where the
    device offers nothing better.

    Args:
        model: The trained network, from `[n, image_size, image_size, channels]` in [0, 255] to the
            logits or numbers of each task by its name, and "embedding".
        folder: Where to write `<variant>.tflite`; it is made where missing.
        tasks: What it was trained for; those that it has no output for are left out.
        variants: Some of "float32", "float16", "dynamic_range", "int8".
        calibration_images: uint8 `[n, image_size, image_size, channels]`: training images whose
            activations give int8 its ranges. Not used by the other variants.
        image_size: Height and width of the network's input in pixels.
        channels: 1 for grey, 3 for RGB.

    Raises:
        ValueError: A variant is unknown, calibration images have another shape or type, the tasks do not
            fit the network's outputs, or it has operations that TFLite has not built in; they are named.
    """
    _check_variants(variants)
    if INT8 in variants:
        _check_calibration_images(calibration_images, image_size, channels)
    tasks = network.exported_tasks(model, tasks)
    network_ = network.without_tails(model, tasks)
    folder.mkdir(parents=True, exist_ok=True)
    paths = {}
    with tempfile.TemporaryDirectory() as temporary:
        for variant in variants:
            integer = variant == INT8
            graph_folder = Path(temporary) / ("integer" if integer else "float")
            if not graph_folder.exists():
                _save_graph(network_, graph_folder, tasks, image_size, channels, integer)
            converter = tf.lite.TFLiteConverter.from_saved_model(str(graph_folder))
            _set_options(converter, variant, calibration_images)
            content = _convert(converter, variant)
            if integer and spec.EMBEDDING in network_.output:
                content = flatbuffer.append_l2_normalization(content, spec.EMBEDDING)
            paths[variant] = folder / f"{variant}.tflite"
            paths[variant].write_bytes(content)
            _log.info("  %s: %.2f MB", paths[variant].name, len(content) / 1e6)
    return paths


def _save_graph(
    network_: keras.Model, folder: Path, tasks: Tasks, image_size: int, channels: int, integer: bool
) -> None:
    """Saves the function that is converted, and its weights.

    For int8 its input is float32, which the converter then turns into uint8: with uint8 from the
    start, the graph's first operations would stay float. The embedding's normalisation is left
    out, for the same reason in reverse.
    """
    dtype = tf.float32 if integer else tf.uint8
    image_spec = tf.TensorSpec([1, image_size, image_size, 3], dtype, spec.IMAGE)

    @tf.function(input_signature=[image_spec])
    def predict(image: tf.Tensor) -> dict[str, tf.Tensor]:
        prepared = preprocessing.prepare_images(image, image_size, channels)
        outputs = network_(tf.cast(prepared, tf.float32), training=False)
        return network.add_tails(outputs, tasks, normalise=not integer)

    module = tf.Module()
    module.network_variables = [variable.value for variable in network_.variables]
    module.predict = predict
    tf.saved_model.save(module, str(folder), {_SIGNATURE: predict})


def _set_options(
    converter: tf.lite.TFLiteConverter, variant: str, calibration_images: np.ndarray
) -> None:
    if variant != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if variant == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if variant == INT8:
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.uint8
        converter.representative_dataset = lambda: _calibration_examples(calibration_images)


def _calibration_examples(images: np.ndarray) -> Iterator[dict[str, np.ndarray]]:
    for index, image in enumerate(images):
        rgb = np.broadcast_to(image, (*image.shape[:-1], 3)).astype(np.float32)
        if not index:
            # Two pixels that reach both ends give the uint8 input a scale of 1 and a zero point of
            # 0, so that its values are pixels whatever the images' brightness.
            rgb[0, 0], rgb[0, 1] = 0.0, 255.0
        yield {spec.IMAGE: rgb[np.newaxis]}


def _convert(converter: tf.lite.TFLiteConverter, variant: str) -> bytes:
    try:
        with _quiet(), warnings.catch_warnings():
            # The converter calibrates with tf.lite.Interpreter, which announces its own end.
            warnings.filterwarnings("ignore", message=".*tf.lite.Interpreter is deprecated")
            return converter.convert()
    except ConverterError as error:
        unsupported = ", ".join(_UNSUPPORTED.findall(str(error)))
        if not unsupported:
            raise
        raise ValueError(
            f"{variant}: TFLite has no builtin for {unsupported}; replace the layers that make "
            "these operations"
        ) from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Logs as debug what the converter's C++ writes to the console, past Python's streams."""
    sys.stderr.flush()
    console = os.dup(2)
    with tempfile.TemporaryFile() as captured:
        os.dup2(captured.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(console, 2)
            os.close(console)
            captured.seek(0)
            _log.debug("%s", captured.read().decode(errors="replace"))


def _check_variants(variants: Sequence[str]) -> None:
    unknown = [variant for variant in variants if variant not in VARIANTS]
    if unknown:
        raise ValueError(f"TFLite variants are {', '.join(VARIANTS)}; got {', '.join(unknown)}")


def _check_calibration_images(images: np.ndarray, image_size: int, channels: int) -> None:
    expected = (image_size, image_size, channels)
    if images.dtype != np.uint8 or images.shape[1:] != expected or not len(images):
        raise ValueError(
            f"int8 needs calibration images, uint8 [n, {image_size}, {image_size}, {channels}] "
            f"with n > 0; got {images.dtype} {list(images.shape)}"
        )

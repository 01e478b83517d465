"""The models for phones: TFLite files of builtin operations only."""

import contextlib
import logging
import re
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from tensorflow.lite.python.convert_phase import ConverterError

from kfer import preprocessing, spec
from kfer.console import libraries_redirected
from kfer.export import calibration, flatbuffer, network
from kfer.export.choice import typical
from kfer.export.noise import LayerNoise, layer_noise
from kfer.export.unfolded import with_convolutions
from kfer.settings import ExportSettings, TaskSettings
from kfer.settings.tasks import EMBEDDING, Tasks

INT8, INT8_IO, INT16 = "int8", "int8_io", "int16"
_INTEGER = (INT8, INT8_IO, INT16)
_SIGNATURE = "serving_default"
_BATCH_SIZE = 64
# How many images the noise of int8 is measured on.
_NOISE_IMAGES = 8
#: The signature of the embedding alone.
EMBED = "embed"
_UNSUPPORTED = re.compile(r"(?:TF Select|Custom) ops: ([^\n]+)")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TFLiteFile:
    """A file that was written.

    Attributes:
        path: Its place.
        variant: What it computes in, "int8" for one.
        tasks: What it has an output for.
        noise: What int8 loses in each layer, the worst first; empty where it was not measured.
    """

    path: Path
    variant: str
    tasks: Tasks
    noise: list[LayerNoise]


def save_tflite(
    model: keras.Model,
    folder: Path,
    tasks: Tasks,
    settings: ExportSettings,
    calibration_images: np.ndarray,
    image_size: int,
    channels: int,
    measure_noise: bool = False,
) -> dict[str, TFLiteFile]:
    """Writes one TFLite file a variant, and returns them by their names without the ending.

    All but "int8_io" have the same interface, so that an app can exchange them: signature
    "serving_default", input "image", RGB uint8 `[1, image_size, image_size, 3]`; the outputs of a
    SavedModel, by the same names, of float32, with n = 1; with `settings.resizable` n is what the input
    is resized to. With `settings.output_signatures` and several outputs, each has a signature of its own
    beside it, named as the task, "embed" for the embedding, which runs only what it needs. They share all
    weights.

    - "float32".
    - "float16" stores weights as float16, "dynamic_range" as int8; both compute as float32 where the
      device offers nothing better.
    - "int8": everything between is integer, but for the last step of the embedding: int8 has 1/128 as its
      finest step in [-1, 1], coarse for a unit vector of many small numbers. A probability has steps of
      1/256, and the numbers of a regression have steps of 1/255 of the range that all of them together
      had on the calibration images, and end with it.
    - "int8_io": all is int8, also input and outputs, for accelerators that know nothing else: a pixel is
      `value - 128`, and an output `(value - zero_point) * scale` of its tensor.
    - "int16": activations of int16 and weights of int8: nearly as exact as float32 at a quarter of its
      size, but slower than int8; few accelerators run it.

    Args:
        model: The trained network, from `[n, image_size, image_size, channels]` in [0, 255] to the
            logits or numbers of each task by its name, and "embedding".
        folder: Where to write `<variant>.tflite` and, with `settings.single_task` and several tasks,
            `<output>_<variant>.tflite` of each output; it is made where missing.
        tasks: What it was trained for; those that it has no output for are left out.
        settings: Variants, and how they are made.
        calibration_images: uint8 `[n, image_size, image_size, channels]`: training images whose
            activations give the integer variants their ranges, less those that are not `typical`; of
            int8 by `settings.calibration_percentile`. Not used by the others.
        image_size: Height and width of the network's input in pixels.
        channels: 1 for grey, 3 for RGB.
        measure_noise: Whether to measure what int8 loses in each layer, on a file that computes it twice.

    Raises:
        ValueError: The network is not built or takes other images, calibration images have another shape
            or type, or show nothing, the tasks do not fit the network's outputs or have the name of a
            signature, or it has operations that TFLite has not built in; they are named.
    """
    tasks = network.exported_tasks(model, tasks)
    network.check_input(model, image_size, channels)
    _check_names(tasks)
    if set(_INTEGER) & set(settings.tflite):
        _check_calibration_images(calibration_images, image_size, channels)
        calibration_images = _typical(network.without_tails(model, tasks), calibration_images)
    parts: dict[str, Tasks] = {"": tasks}
    if settings.single_task and len(tasks) > 1:
        parts |= {f"{network.output_of(name, task)}_": {name: task} for name, task in tasks.items()}
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for prefix, chosen in parts.items():
        with tempfile.TemporaryDirectory() as temporary:
            part = _Part(
                network.without_tails(model, chosen),
                *(chosen, settings, calibration_images, image_size, channels, Path(temporary)),
            )
            for variant in settings.tflite:
                content = part.converted(variant)
                # Files of one output have the layers of the whole one.
                noise = part.noise() if measure_noise and variant == INT8 and not prefix else []
                name = prefix + variant
                files[name] = TFLiteFile(folder / f"{name}.tflite", variant, chosen, noise)
                files[name].path.write_bytes(content)
                _log.info("  %s: %.2f MB", files[name].path.name, len(content) / 1e6)
    return files


@dataclass(frozen=True)
class _Part:
    """The network up to some of its outputs, as TFLite's converter takes it."""

    network: keras.Model
    tasks: Tasks
    settings: ExportSettings
    calibration_images: np.ndarray
    image_size: int
    channels: int
    temporary: Path

    def converted(self, variant: str) -> bytes:
        """The file of a variant."""
        converted = flatbuffer.read(self._content(variant))
        if variant == INT16:
            flatbuffer.take_uint8(converted)
        outputs = {_signature_of(*task): network.output_of(*task) for task in self.tasks.items()}
        if variant in _INTEGER and self.settings.normalize_embedding and EMBED in outputs:
            flatbuffer.append_l2_normalization(converted, spec.EMBEDDING)
        if len(outputs) > 1 and self.settings.output_signatures:
            flatbuffer.add_signatures(converted, {key: [output] for key, output in outputs.items()})
        return flatbuffer.written(converted)

    def noise(self) -> list[LayerNoise]:
        """What int8 loses in each layer, the worst first."""
        images = _calibration_inputs(self.calibration_images[:_NOISE_IMAGES])
        with _quiet():
            return layer_noise(calibration.quantized(self._with_ranges, verifying=True), images)

    def _content(self, variant: str) -> bytes:
        """What the converter makes."""
        if variant not in (INT8, INT8_IO):
            return converted_to_builtins(self._converter(variant), variant)
        types = (tf.uint8, tf.float32) if variant == INT8 else (tf.int8, tf.int8)
        with _quiet():
            return calibration.quantized(self._with_ranges, *types)

    @cached_property
    def _with_ranges(self) -> bytes:
        """The float file that those of int8 are made of."""
        converter = self._converter(INT8)
        # It finds the activations on one image; their ranges are ours.
        converter.representative_dataset = lambda: _calibration_examples(self.calibration_images[:1])
        converter._experimental_calibrate_only = True
        marked = converted_to_builtins(converter, INT8)
        images = _calibration_inputs(self.calibration_images)
        with _quiet():
            return calibration.with_ranges(marked, images, self.settings.calibration_percentile)

    def _converter(self, variant: str) -> tf.lite.TFLiteConverter:
        kind = INT16 if variant == INT16 else "integer" if variant in _INTEGER else "float"
        folder = self.temporary / kind
        if not folder.exists():
            self._save_graph(folder, variant)
        converter = tf.lite.TFLiteConverter.from_saved_model(str(folder))
        _set_options(converter, variant, self.calibration_images)
        return converter

    @cached_property
    def _of_integers(self) -> keras.Model:
        return with_convolutions(self.network)

    def _save_graph(self, folder: Path, variant: str) -> None:
        """Saves the function that is converted, and its weights.

        For the integer variants its input is float32, which the converter then turns into uint8: with
        uint8 from the start, the graph's first operations would stay float. The embedding's
        normalisation is left out there, for the same reason in reverse.
        """
        integer, size, channels = variant in _INTEGER, self.image_size, self.channels
        batch_size = None if self.settings.resizable else 1
        dtype = tf.float32 if integer else tf.uint8
        normalised = self.settings.normalize_embedding and not integer
        computed = self._of_integers if integer else self.network

        @tf.function(input_signature=[tf.TensorSpec([batch_size, size, size, 3], dtype, spec.IMAGE)])
        def predict(image: tf.Tensor) -> dict[str, tf.Tensor]:
            # The converter gives a sum over an axis in int16 the range of its terms, which it exceeds.
            given = preprocessing.grey_of_terms(image) if channels == 1 and variant == INT16 else image
            prepared = preprocessing.prepare_images(given, size, channels)
            outputs = computed(tf.cast(prepared, tf.float32), training=False)
            return network.add_tails(outputs, self.tasks, normalised)

        module = tf.Module()
        module.network_variables = [variable.value for variable in computed.variables]
        module.predict = predict
        tf.saved_model.save(module, str(folder), {_SIGNATURE: predict})


def _signature_of(name: str, task: TaskSettings) -> str:
    return EMBED if task.kind == EMBEDDING else name


def _set_options(
    converter: tf.lite.TFLiteConverter, variant: str, calibration_images: np.ndarray
) -> None:
    if variant != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if variant == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if variant not in _INTEGER:
        return
    converter.representative_dataset = lambda: _calibration_examples(calibration_images)
    if variant == INT16:
        int16 = tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        converter.target_spec.supported_ops = [int16]
    else:
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]


def _calibration_examples(images: np.ndarray) -> Iterator[dict[str, np.ndarray]]:
    return ({spec.IMAGE: image} for image in _calibration_inputs(images))


def _calibration_inputs(images: np.ndarray) -> Iterator[np.ndarray]:
    """What the function that is converted takes, float32 `[1, height, width, 3]` each."""
    for index, image in enumerate(images):
        rgb = np.broadcast_to(image, (*image.shape[:-1], 3)).astype(np.float32)
        if not index:
            # Two pixels that reach both ends give the uint8 input a scale of 1 and a zero point of
            # 0, so that its values are pixels whatever the images' brightness.
            rgb[0, 0], rgb[0, 1] = 0.0, 255.0
        yield rgb[np.newaxis]


def converted_to_builtins(converter: tf.lite.TFLiteConverter, variant: str) -> bytes:
    """Returns what the converter makes of builtin operations alone.

    Args:
        converter: Made and set.
        variant: How messages call it.

    Raises:
        ValueError: There are operations that TFLite has not built in; they are named.
    """
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
    """Logs as debug what the converter writes to the console."""
    with tempfile.TemporaryFile() as captured:
        try:
            with libraries_redirected(captured.fileno()):
                yield
        finally:
            captured.seek(0)
            _log.debug("%s", captured.read().decode(errors="replace"))


def _typical(model: keras.Model, images: np.ndarray) -> np.ndarray:
    chosen = typical(model.predict(images, batch_size=_BATCH_SIZE, verbose=0))
    if not chosen.all():
        _log.info(
            "  calibrating without %d of %d images, on which the network leaves its range by far",
            (~chosen).sum(),
            len(images),
        )
    return images[chosen]


def _check_names(tasks: Tasks) -> None:
    for name in (_SIGNATURE, EMBED):
        if name in tasks:
            raise ValueError(f"a task must not have the name of a signature of all files; got {name!r}")


def _check_calibration_images(images: np.ndarray, image_size: int, channels: int) -> None:
    expected = (image_size, image_size, channels)
    if images.dtype != np.uint8 or images.shape[1:] != expected or not len(images):
        raise ValueError(
            "integer variants need calibration images, uint8 "
            f"[n, {image_size}, {image_size}, {channels}] with n > 0; got "
            f"{images.dtype} {list(images.shape)}"
        )
    if images.min() == images.max():
        raise ValueError(
            "integer variants need calibration images that show something; all pixels of the "
            f"{len(images)} that came are {images.min()}"
        )

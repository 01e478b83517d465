"""Runs an exported model: a SavedModel with TensorFlow, a TFLite file with LiteRT alone.

Either library is imported when a model of its kind is loaded, so that an app with a TFLite file needs
no TensorFlow.
"""

import abc
from pathlib import Path
from typing import Any

import numpy as np

from kfer import spec

_SAVED_MODEL_SIGNATURE = "image_tensor"
_TFLITE_SIGNATURE = "serving_default"
_TFLITE_IDENTIFIER = b"TFL3"
_BATCH_SIZE = 64
# Of kfer's files with int8 input: what is taken off a pixel in 0..255.
_INT8_PIXEL = 128


class Runner(abc.ABC):
    """A loaded model: called with images, it returns what they show.

    Attributes:
        image_size: Height and width that images must have in pixels; None where any will do.
        output_names: What the model says of an image, in alphabetical order: "embedding", and every
            other task by its name.
    """

    image_size: int | None
    output_names: tuple[str, ...]
    _batch_size: int

    def __call__(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Returns the model's outputs for each image.

        Args:
            images: RGB uint8 `[n, height, width, 3]` with n > 0.

        Returns:
            float32 by the name of the output: "embedding", L2-normalised `[n, embedding_size]`; of any
            other task `[n, k]`: probabilities of its classes or labels, or its numbers. "tasks" in the
            `model.json` beside the model says which, and what they are called.

        Raises:
            ValueError: The images have another type or shape than the model takes.
        """
        side = self.image_size or "any"
        shape = images.shape
        fits = len(shape) == 4 and shape[0] and shape[3] == 3
        if self.image_size is not None:
            fits = fits and shape[1:3] == (self.image_size, self.image_size)
        if images.dtype != np.uint8 or not fits:
            raise ValueError(
                f"the model takes RGB images, uint8 [n, height, width, 3] with n > 0, height and "
                f"width {side}; got {images.dtype} {list(shape)}"
            )
        batches = [
            self._run(images[start : start + self._batch_size])
            for start in range(0, len(images), self._batch_size)
        ]
        return {name: np.concatenate([b[name] for b in batches]) for name in self.output_names}

    @abc.abstractmethod
    def _run(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """The outputs, float32, for at most `_batch_size` images."""


def load(path: Path | str) -> Runner:
    """Returns a runner of the model in a SavedModel's folder or in a .tflite file.

    Raises:
        FileNotFoundError: There is nothing at this path.
        ValueError: What is there is no model that kfer exported.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no model at {path}")
    if path.is_dir():
        return _SavedModelRunner(path)
    with path.open("rb") as file:
        identifier = file.read(8)[4:]
    if identifier != _TFLITE_IDENTIFIER:
        raise ValueError(f"{path} is neither a TFLite file nor the folder of a SavedModel")
    return _TFLiteRunner(path)


def load_signature(path: Path, signature: str = _SAVED_MODEL_SIGNATURE) -> tuple[Any, Any]:
    """Returns a SavedModel and its function of pixels, which lives only as long as the model.

    Args:
        path: Its folder.
        signature: Of the function.

    Raises:
        ValueError: It is no SavedModel that kfer exported.
    """
    import tensorflow as tf

    if not (path / "saved_model.pb").is_file():
        raise ValueError(f"{path} is no SavedModel: it has no saved_model.pb")
    model = tf.saved_model.load(str(path))
    if signature not in model.signatures:
        raise ValueError(
            f"{path} was not exported by kfer: its signatures are "
            f"{', '.join(model.signatures) or 'none'}, without {signature!r}"
        )
    return model, model.signatures[signature]


class _SavedModelRunner(Runner):
    def __init__(self, path: Path) -> None:
        import tensorflow as tf

        self._model, self._signature = load_signature(path)
        self._to_tensor = tf.constant
        self._batch_size = _BATCH_SIZE
        self.image_size = None
        self.output_names = tuple(sorted(self._signature.structured_outputs))

    def _run(self, images: np.ndarray) -> dict[str, np.ndarray]:
        outputs = self._signature(images=self._to_tensor(images))
        return {name: output.numpy() for name, output in outputs.items()}


class _TFLiteRunner(Runner):
    def __init__(self, path: Path) -> None:
        from ai_edge_litert.interpreter import Interpreter

        try:
            interpreter = Interpreter(str(path))
        except ValueError as error:
            raise ValueError(f"{path} cannot be loaded as a TFLite file: {error}") from error
        signatures = interpreter.get_signature_list()
        if signatures.get(_TFLITE_SIGNATURE, {}).get("inputs") != [spec.IMAGE]:
            raise ValueError(
                f"{path} was not exported by kfer: it has no signature {_TFLITE_SIGNATURE!r} with "
                f"the one input {spec.IMAGE!r}, but {signatures or 'none'}"
            )
        self._signature = interpreter.get_signature_runner(_TFLITE_SIGNATURE)
        self._outputs = self._signature.get_output_details()
        image = self._signature.get_input_details()[spec.IMAGE]
        self._pixels = image["dtype"]
        resizable = image["shape_signature"][0] < 0
        self._batch_size = _BATCH_SIZE if resizable else 1
        self.image_size = int(image["shape"][1])
        self.output_names = tuple(sorted(self._outputs))

    def _run(self, images: np.ndarray) -> dict[str, np.ndarray]:
        if self._pixels == np.int8:
            images = (images.astype(np.int16) - _INT8_PIXEL).astype(np.int8)
        outputs = self._signature(**{spec.IMAGE: images})
        return {name: _dequantise(array, self._outputs[name]) for name, array in outputs.items()}


def _dequantise(array: np.ndarray, details: dict[str, Any]) -> np.ndarray:
    if array.dtype == np.float32:
        return array
    scale, zero_point = details["quantization"]
    return (array.astype(np.float32) - zero_point) * np.float32(scale)

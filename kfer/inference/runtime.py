"""Runs an exported model: a SavedModel with TensorFlow, a TFLite file with LiteRT alone.

Either library is imported when a model of its kind is loaded, so that an app with a TFLite file needs
no TensorFlow.
"""

import abc
from pathlib import Path
from typing import Any

import numpy as np

from kfer import forks, spec
from kfer.documents.models import ModelDescription
from kfer.files import DamagedError
from kfer.inference import proof

_SAVED_MODEL_SIGNATURE = "image_tensor"
_TFLITE_SIGNATURE = "serving_default"
_TFLITE_IDENTIFIER = b"TFL3"
_BATCH_SIZE = 64
# Of kfer's files with int8 input: what is taken off a pixel in 0..255.
_INT8_PIXEL = 128


class Runner(forks.OfOneProcess, abc.ABC):
    """A loaded model: called with images, it returns what they show.

    Attributes:
        image_size: Height and width that images must have in pixels; None where any will do.
        output_names: What the model says of an image, in alphabetical order: "embedding", and every
            other task by its name.
        output_sizes: How many numbers each output has by its name; None where any number may come.
    """

    image_size: int | None
    output_names: tuple[str, ...]
    output_sizes: dict[str, int | None]
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
            ForkedError: This process was forked from the one that loaded the model.
        """
        self.check_process()
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

    Its files are compared with the digests in the `model.json` beside them; where there is none, another
    process loads them first.

    Raises:
        FileNotFoundError: There is nothing at this path.
        DamagedError: A file is not the one that `model.json` describes, or cannot be loaded.
        ValueError: What is there is no model that kfer exported.
    """
    path = Path(path)
    check_kind(path)
    described = proof.checked(path)
    runner = open_checked(path)
    check_fits(path, described, runner)
    return runner


def open_checked(path: Path) -> Runner:
    """Returns the same runner of an export that is known to be whole: damaged ones may end Python."""
    return _SavedModelRunner(path) if path.is_dir() else _TFLiteRunner(path)


def check_kind(path: Path) -> None:
    """Checks that something is there, and begins as an export does.

    Raises:
        FileNotFoundError: There is nothing at this path.
        ValueError: What is there is neither a SavedModel nor a TFLite file.
    """
    if not path.exists():
        raise FileNotFoundError(f"there is no model at {path}")
    if path.is_dir():
        if not any((path / f"saved_model.{ending}").is_file() for ending in ("pb", "cpb")):
            raise ValueError(f"{path} is no SavedModel: it has no saved_model.pb")
        return
    if not path.is_file():
        raise ValueError(f"{path} is no file: a pipe or a device")
    with path.open("rb") as file:
        identifier = file.read(8)[4:]
    if identifier != _TFLITE_IDENTIFIER:
        raise ValueError(f"{path} is neither a TFLite file nor the folder of a SavedModel")


def check_fits(path: Path, described: ModelDescription | None, runner: Runner) -> None:
    """Checks that an export is the network that `model.json` describes.

    Raises:
        DamagedError: It takes images of another size, or an output has another number of numbers.
    """
    if described is None:
        return
    expected = {task: len(its.names) for task, its in described.tasks.items()}
    expected[spec.EMBEDDING] = described.embedding_size or 0
    wrong = [
        f"{name} of {size} numbers, {path.name} gives {runner.output_sizes[name]}"
        for name, size in expected.items()
        if size and runner.output_sizes.get(name) not in (None, size)
    ]
    if described.image_size and runner.image_size not in (None, described.image_size):
        wrong.append(f"image_size {described.image_size}, {path.name} takes {runner.image_size}")
    if wrong:
        file = (path if path.is_dir() else path.parent) / proof.DESCRIPTION
        raise DamagedError(f"{file} describes another network: {'; '.join(wrong)}: {proof.ADVICE}")


def load_signature(path: Path, signature: str = _SAVED_MODEL_SIGNATURE) -> tuple[Any, Any]:
    """Returns a SavedModel and its function of pixels, which lives only as long as the model.

    Args:
        path: Its folder, whose files are known to be whole.
        signature: Of the function.

    Raises:
        ValueError: It is no SavedModel that kfer exported.
    """
    forks.check_tensorflow()
    import tensorflow as tf

    model = tf.saved_model.load(str(path))
    if signature not in model.signatures:
        raise ValueError(
            f"{path} was not exported by kfer: its signatures are "
            f"{', '.join(model.signatures) or 'none'}, without {signature!r}"
        )
    return model, model.signatures[signature]


class _SavedModelRunner(Runner):
    def __init__(self, path: Path) -> None:
        forks.check_tensorflow()
        import tensorflow as tf

        self._model, self._signature = load_signature(path)
        self._to_tensor = tf.constant
        self._batch_size = _BATCH_SIZE
        self.image_size = None
        self.output_sizes = {
            name: output.shape[-1] if output.shape.rank else None
            for name, output in self._signature.structured_outputs.items()
        }
        self.output_names = tuple(sorted(self.output_sizes))

    def _run(self, images: np.ndarray) -> dict[str, np.ndarray]:
        outputs = self._signature(images=self._to_tensor(images))
        return {name: output.numpy() for name, output in outputs.items()}


class _TFLiteRunner(Runner):
    def __init__(self, path: Path) -> None:
        from ai_edge_litert.interpreter import Interpreter

        try:
            # Read, not mapped: a file that is cut short later would end Python.
            interpreter = Interpreter(model_content=path.read_bytes())
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
        self.output_sizes = {name: int(its["shape"][-1]) for name, its in self._outputs.items()}
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

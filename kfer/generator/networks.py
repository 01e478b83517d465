"""Exported generators as functions of noise and classes: a SavedModel, or a TFLite file."""

import abc
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kfer import forks

_SIGNATURE = "serving_default"
_NOISE, _IMAGES = "noise", "images"
# Images a call of a SavedModel: more are no quicker, and the last call of a few draws no fewer.
_BATCH_SIZE = 16


class Network(forks.OfOneProcess, abc.ABC):
    """A loaded generator.

    Attributes:
        noise_size: Numbers of noise that it takes.
        num_classes: By condition.
        image_size: Height and width of its images in pixels.
        channels: Of its images.
    """

    noise_size: int
    num_classes: dict[str, int]
    image_size: int
    channels: int

    @abc.abstractmethod
    def __call__(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """Returns an image for each row of noise; of the same row always the same, whatever the others.

        Args:
            inputs: "noise", float32 `[n, noise_size]`, and each condition, float32 `[n, num_classes]`.

        Returns:
            uint8 `[n, image_size, image_size, channels]`.
        """

    def _take(self, inputs: Mapping[str, Any], images: Any) -> None:
        """Takes the sizes from the shapes of what goes in and comes out."""
        widths = {name: int(shape[-1]) for name, shape in inputs.items()}
        self.noise_size = widths.pop(_NOISE)
        self.num_classes = widths
        self.image_size, self.channels = int(images[1]), int(images[3])


def open_network(path: Path) -> Network:
    """Returns what draws, of a SavedModel's folder or a `.tflite` file.

    Raises:
        ValueError: It cannot be loaded, or is no generator.
    """
    try:
        network = _SavedModel(path) if path.is_dir() else _TFLite(path)
    except KeyError as error:
        raise ValueError(
            f"{path} is no generator that kfer exported: its signature {_SIGNATURE!r} has no {error}"
        ) from error
    return network


class _SavedModel(Network):
    def __init__(self, path: Path) -> None:
        forks.check_tensorflow()
        import tensorflow as tf

        try:
            # The signature's function lives only as long as the model.
            self._model = tf.saved_model.load(str(path))
        except (OSError, ValueError, tf.errors.OpError) as error:
            raise ValueError(f"{path} cannot be loaded as a SavedModel: {error}") from error
        self._draw = self._model.signatures[_SIGNATURE]
        self._constant = tf.constant
        _, taken = self._draw.structured_input_signature
        self._take(
            {name: each.shape for name, each in taken.items()},
            self._draw.structured_outputs[_IMAGES].shape,
        )

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        self.check_process()
        count = len(inputs[_NOISE])
        drawn = []
        for start in range(0, count, _BATCH_SIZE):
            parts = {name: rows[start : start + _BATCH_SIZE] for name, rows in inputs.items()}
            # TensorFlow sums a batch of another size in another order: the last one is filled up.
            missing = _BATCH_SIZE - len(parts[_NOISE])
            filled = {name: np.pad(rows, [(0, missing), (0, 0)]) for name, rows in parts.items()}
            images = self._draw(**{name: self._constant(rows) for name, rows in filled.items()})
            drawn.append(images[_IMAGES].numpy())
        return np.concatenate(drawn)[:count]


class _TFLite(Network):
    def __init__(self, path: Path) -> None:
        from ai_edge_litert.interpreter import Interpreter

        try:
            # Read, not mapped: a file that is cut short later would end Python.
            interpreter = Interpreter(model_content=path.read_bytes())
        except ValueError as error:
            raise ValueError(f"{path} cannot be loaded as a TFLite file: {error}") from error
        if _SIGNATURE not in interpreter.get_signature_list():
            raise KeyError(_SIGNATURE)
        self._draw = interpreter.get_signature_runner(_SIGNATURE)
        self._take(
            {name: each["shape"] for name, each in self._draw.get_input_details().items()},
            self._draw.get_output_details()[_IMAGES]["shape"],
        )

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        self.check_process()
        drawn = [
            self._draw(**{name: rows[index : index + 1] for name, rows in inputs.items()})[_IMAGES]
            for index in range(len(inputs[_NOISE]))
        ]
        return np.concatenate(drawn)

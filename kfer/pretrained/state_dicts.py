"""Puts state dictionaries of torchvision's networks into Keras networks with the same names."""

import re
from pathlib import Path

import keras
import numpy as np
from safetensors import safe_open

from kfer.files import named_if_damaged
from kfer.pretrained import pth
from kfer.pretrained.fitting import Fit

_NORMALIZATION = {
    "weight": "gamma",
    "bias": "beta",
    "running_mean": "moving_mean",
    "running_var": "moving_variance",
}
_LINEAR = {"weight": "kernel", "bias": "bias"}
_PARALLEL = "module."
#: Counts training steps; inference does without.
_COUNTER = "num_batches_tracked"
# Bytes, as of 50,000 arrays; JSON takes many times its size in memory.
_LARGEST_HEADER = 8 * 2**20


def load(network: keras.Model, path: Path, sum_inputs_of: str, ignore: str) -> None:
    """Loads a `.pth`, `.pt` or `.safetensors` file; see `kfer.pretrained.load_weights`."""
    variables = _variables(network)
    expected = {key: _torch_shape(variable.shape) for key, variable in variables.items()}
    found = _read_safetensors(path) if path.suffix == ".safetensors" else pth.read(path)
    fit = Fit(path, lambda key: key.rpartition(".")[0], 0, sum_inputs_of, ignore)
    arrays = fit.arrays(expected, _renamed(found, path))
    for key, variable in variables.items():
        variable.assign(_keras_layout(arrays[key]))


def _variables(network: keras.Model) -> dict[str, keras.Variable]:
    """The network's variables by the keys that torch gives them."""
    variables: dict[str, keras.Variable] = {}
    # Several of torch's modules may be parts of one layer, as in DenseNet161 that recomputes.
    parts = [part for layer in network.layers for part in getattr(layer, "layers", [layer])]
    for layer in parts:
        names = _NORMALIZATION if hasattr(layer, "moving_mean") else _LINEAR
        own = {
            f"{layer.name}.{theirs}": variable
            for theirs, ours in names.items()
            if (variable := getattr(layer, ours, None)) is not None
        }
        if len(own) != len(layer.weights):
            raise ValueError(
                f"layer {layer.name!r} ({type(layer).__name__}) has no counterpart in files of torch; "
                "load a file of Keras"
            )
        variables |= own
    return variables


def _torch_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    if len(shape) == 4:
        height, width, inputs, outputs = shape
        return outputs, inputs, height, width
    return tuple(reversed(shape))


def _keras_layout(array: np.ndarray) -> np.ndarray:
    return array.transpose(2, 3, 1, 0) if array.ndim == 4 else array.T


def _renamed(found: dict[str, np.ndarray], path: Path) -> dict[str, np.ndarray]:
    found = {key: array for key, array in found.items() if not key.endswith(_COUNTER)}
    if all(key.startswith(_PARALLEL) for key in found):
        found = {key.removeprefix(_PARALLEL): array for key, array in found.items()}
    # torchvision's published DenseNets are older than its modules' names.
    renamed = {
        re.sub(r"(\.denselayer\d+\.(?:norm|conv))\.([12])\.", r"\1\2.", key): array
        for key, array in found.items()
    }
    if len(renamed) < len(found):
        raise ValueError(f"{path} has the same layers under old and new names; expected one of them")
    return renamed


def _read_safetensors(path: Path) -> dict[str, np.ndarray]:
    with named_if_damaged(path, "take another file"):
        with path.open("rb") as start:
            header = int.from_bytes(start.read(8), "little")
        if header > _LARGEST_HEADER:
            raise ValueError(f"its header has {header:,} bytes; at most {_LARGEST_HEADER:,} are read")
        with safe_open(path, framework="numpy") as file:
            return {key: _widened(file.get_tensor(key)) for key in file.keys()}  # noqa: SIM118


def _widened(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float32) if array.dtype.name == "bfloat16" else array

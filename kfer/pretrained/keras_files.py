"""Puts weights that Keras saved into a network.

Keras's own loader assigns as it reads, follows links to other files, and looks past arrays too many. So
a file is opened as plain HDF5, in a process of its own (`hdf5`), and Keras is given only a copy of what
has been checked. A `.keras` archive's description of its layers is not used: nothing in it can run.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np

from kfer.files import named_if_damaged
from kfer.pretrained import hdf5
from kfer.pretrained.fitting import Fit

_WEIGHTS = "model.weights.h5"
_ADVICE = "save it again with Keras, or take another file"
# Seconds, many times what a sound file takes; one that is read for ever ends by its processor's time.
_WAIT, _WAIT_A_GIBIBYTE = 60, 120


@dataclass(frozen=True)
class _Found:
    """What a file holds.

    Attributes:
        arrays: By their paths.
        layers: The names of their layers.
    """

    arrays: dict[str, np.ndarray]
    layers: dict[str, str]


def load(network: keras.Model, path: Path, sum_inputs_of: str, ignore: str) -> None:
    """Loads a `.weights.h5` or `.keras` file; see `kfer.pretrained.load_weights`."""
    with tempfile.TemporaryDirectory() as folder:
        own_path = Path(folder) / _WEIGHTS
        network.save_weights(own_path)
        with h5py.File(own_path, "r+") as own_file:
            own = dict(hdf5.arrays(own_file))
            # Counters and states of random generators are no weights: they stay the network's.
            weights = {key: array for key, array in own.items() if array.dtype.kind == "f"}
            layers = {key: hdf5.layer_of(array) for key, array in own.items()}
            with named_if_damaged(path, _ADVICE):
                found = _read(path, Path(folder))
            trunk = _trunk(own, found)
            arrays = {
                key: array for key, array in trunk.arrays.items() if key in weights or key not in own
            }
            names = trunk.layers | {key: layers[key] for key in weights}
            fit = Fit(path, lambda key: names.get(key, ""), -1, sum_inputs_of, ignore)
            shapes = {key: array.shape for key, array in weights.items()}
            for key, values in fit.arrays(shapes, arrays).items():
                weights[key][...] = values
        network.load_weights(own_path)


def _read(path: Path, folder: Path) -> _Found:
    file = path if path.suffix == ".h5" else _extracted(path, folder / "unpacked.h5")
    copy = folder / "copy"
    wait = _WAIT + _WAIT_A_GIBIBYTE * file.stat().st_size // 2**30
    try:
        done = subprocess.run(
            [sys.executable, "-P", hdf5.__file__, file, copy],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=wait,
            # Threads take their share of the memory that it may have.
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        )
    except subprocess.TimeoutExpired as error:
        raise OSError(f"reading it did not end within {wait} seconds") from error
    if done.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
        raise OSError("reading it takes more time or memory than a file of its size should")
    if done.returncode < 0:
        raise OSError(f"it crashes the HDF5 library ({signal.Signals(-done.returncode).name})")
    try:
        answer = json.loads(done.stdout)
    except ValueError as error:
        raise OSError(
            f"HDF5 says nothing of it; {done.stderr[-300:].decode(errors='replace')}"
        ) from error
    if "error" in answer:
        raise OSError(answer["error"])
    content = np.memmap(copy, np.uint8, "r") if copy.stat().st_size else np.zeros(0, np.uint8)
    return _Found(
        {each["key"]: _array(each, content) for each in answer["arrays"]},
        {each["key"]: each["layer"] for each in answer["arrays"]},
    )


def _array(described: Mapping[str, Any], content: np.ndarray) -> np.ndarray:
    shape = described["shape"]
    if "place" not in described:
        # Of something other than numbers the shape and type are said in messages, and no more.
        return np.broadcast_to(np.empty((), object), shape)
    dtype = np.dtype(described["dtype"])
    start = described["place"]
    size = dtype.itemsize * int(np.prod(shape, dtype=object))
    return content[start : start + size].view(dtype).reshape(shape)


def _extracted(path: Path, target: Path) -> Path:
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo(_WEIGHTS)
        if member.compress_type != zipfile.ZIP_STORED or member.file_size > path.stat().st_size:
            raise OSError(f"{_WEIGHTS} is compressed, which Keras never does")
        with archive.open(member) as packed, target.open("wb") as unpacked:
            shutil.copyfileobj(packed, unpacked)
    return target


def _trunk(own: Mapping[str, h5py.Dataset], found: _Found) -> _Found:
    """The file's arrays for the network: all, or those of the model within that fits best.

    Keras's paths count layers of a class, so fused normalisation and Keras's own take each other's.
    """
    places = {""} | {
        key[: position + 1]
        for key in found.arrays
        for position in range(len(key))
        if key[position:].startswith("/layers/")
    }

    def within(place: str) -> dict[str, str]:
        """The paths in the file by those that the network may have."""
        start = f"{place}layers/"
        inner = {key.removeprefix(place): key for key in found.arrays if key.startswith(start)}
        for theirs, ours in (("batch_", "fused_batch_"), ("fused_batch_", "batch_")):
            renamed = {
                key.replace(f"layers/{theirs}normalization", f"layers/{ours}normalization"): path
                for key, path in inner.items()
            }
            if len(renamed.keys() & own.keys()) > len(inner.keys() & own.keys()):
                return renamed
        return inner

    def fitting(place: str) -> tuple[int, int, int]:
        inner = within(place)
        known = [key for key in inner if key in own]
        return (
            sum(found.arrays[inner[key]].shape == own[key].shape for key in known),
            len(known),
            -len(inner),
        )

    taken = within(max(sorted(places), key=fitting))
    return _Found(
        {key: found.arrays[path] for key, path in taken.items()},
        {key: found.layers[path] for key, path in taken.items()},
    )

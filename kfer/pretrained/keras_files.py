"""Puts weights that Keras saved into a network.

Keras's own loader assigns as it reads, follows links to other files, and looks past arrays too many. So
a file is opened as plain HDF5, and Keras is given only a copy of what has been checked. A `.keras`
archive's description of its layers is not used at all: nothing in it can run.
"""

import shutil
import tempfile
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np

from kfer.pretrained.fitting import Fit

_WEIGHTS = "model.weights.h5"
_DAMAGE = (OSError, EOFError, RuntimeError, LookupError, zipfile.BadZipFile, NotImplementedError)


def load(network: keras.Model, path: Path, sum_inputs_of: str, ignore: str) -> None:
    """Loads a `.weights.h5` or `.keras` file; see `kfer.pretrained.load_weights`."""
    with tempfile.TemporaryDirectory() as folder:
        own_path = Path(folder) / _WEIGHTS
        network.save_weights(own_path)
        with h5py.File(own_path, "r+") as own_file:
            own = _arrays(own_file)
            # Counters and states of random generators are no weights: they stay the network's.
            weights = {key: array for key, array in own.items() if array.dtype.kind == "f"}
            for key, values in _read(path, Path(folder), own, weights, sum_inputs_of, ignore).items():
                weights[key][...] = values
        network.load_weights(own_path)


def _read(
    path: Path,
    folder: Path,
    own: dict[str, h5py.Dataset],
    weights: dict[str, h5py.Dataset],
    sum_inputs_of: str,
    ignore: str,
) -> dict[str, np.ndarray]:
    try:
        file_path = path if path.suffix == ".h5" else _extracted(path, folder / "unpacked.h5")
        with h5py.File(file_path, "r") as file:
            trunk = _trunk(own, _arrays(file))
            found = {key: array for key, array in trunk.items() if key in weights or key not in own}
            names = _layer_names(found) | _layer_names(weights)
            fit = Fit(path, lambda key: names.get(key, ""), -1, sum_inputs_of, ignore)
            return fit.arrays({key: array.shape for key, array in weights.items()}, found)
    except _DAMAGE as error:
        raise ValueError(f"{path} cannot be read as what Keras saved: {error}") from error


def _extracted(path: Path, target: Path) -> Path:
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo(_WEIGHTS)
        if member.compress_type != zipfile.ZIP_STORED:
            raise OSError(f"{_WEIGHTS} is compressed, which Keras never does")
        with archive.open(member) as packed, target.open("wb") as unpacked:
            shutil.copyfileobj(packed, unpacked)
    return target


def _arrays(group: h5py.Group, seen: set[h5py.Group] | None = None) -> dict[str, h5py.Dataset]:
    """The arrays within a group by their paths."""
    arrays: dict[str, h5py.Dataset] = {}
    seen = set() if seen is None else seen
    if group in seen:
        raise OSError(f"group {group.name!r} is in several places, as Keras's never are")
    seen.add(group)
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise OSError(f"{name!r} is a link to another place, which Keras never writes")
        item = group[name]
        if isinstance(item, h5py.Group):
            arrays |= {f"{name}/{key}": array for key, array in _arrays(item, seen).items()}
        elif item.is_virtual or item.external:
            raise OSError(f"{name!r} has its numbers in another file, which Keras never does")
        else:
            arrays[name] = item
    return arrays


def _trunk(own: dict[str, h5py.Dataset], found: dict[str, h5py.Dataset]) -> dict[str, h5py.Dataset]:
    """The file's arrays for the network: all, or those of the model within that fits best.

    Keras's paths count layers of a class, so fused normalisation and Keras's own take each other's.
    """
    places = {""} | {
        key[: position + 1]
        for key in found
        for position in range(len(key))
        if key[position:].startswith("/layers/")
    }

    def within(place: str) -> dict[str, h5py.Dataset]:
        start = f"{place}layers/"
        inner = {key.removeprefix(place): array for key, array in found.items() if key.startswith(start)}
        for theirs, ours in (("batch_", "fused_batch_"), ("fused_batch_", "batch_")):
            renamed = {
                key.replace(f"layers/{theirs}normalization", f"layers/{ours}normalization"): array
                for key, array in inner.items()
            }
            if len(renamed.keys() & own.keys()) > len(inner.keys() & own.keys()):
                return renamed
        return inner

    def fitting(place: str) -> tuple[int, int, int]:
        inner = within(place)
        known = [key for key in inner if key in own]
        return sum(inner[key].shape == own[key].shape for key in known), len(known), -len(inner)

    return within(max(sorted(places), key=fitting))


def _layer_names(arrays: dict[str, h5py.Dataset]) -> dict[str, str]:
    return {key: str(array.parent.attrs.get("name", "")) for key, array in arrays.items()}

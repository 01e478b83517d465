"""Copies the arrays of a Keras file of weights to raw bytes, in a process of its own.

    python hdf5.py FILE COPY

HDF5's library crashes on some damaged files and reads others for ever, so this process has limits of
time and memory. It is run by its path: with its package would come Keras and many seconds. Writes JSON to
standard output: a list with the key, layer, type, shape and place of each array, or what is wrong.
"""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import h5py
import numpy as np

# A processor's seconds, and bytes of memory, for any file, and for each of its bytes.
_SECONDS, _BYTES_A_SECOND = 5, 50 * 2**20
_MEMORY, _MEMORY_A_BYTE = 2**30, 2
_MOST_OBJECTS, _MOST_DEPTH = 100_000, 64
_LONGEST_NAME = 1024
_CHUNK = 2**24
#: Of a training that may go on; networks have no use for it.
_OPTIMIZER = "optimizer"


def copy(path: Path, target: BinaryIO) -> list[dict[str, object]]:
    """Writes the numbers of each array, and returns what the arrays are.

    Args:
        path: An HDF5 file.
        target: Takes the bytes, one array behind the other.

    Returns:
        Of each array "key", "layer" (the name that its group has), "dtype", "shape" and "place", where
        its bytes begin; no place where it holds something other than numbers.

    Raises:
        OSError: The file is damaged, or has what Keras never writes.
    """
    left = path.stat().st_size
    described: list[dict[str, object]] = []
    with h5py.File(path, "r") as file:
        for key, array in arrays(file):
            layer = layer_of(array)
            shape = [int(side) for side in array.shape]
            entry = {"key": key, "layer": layer[:_LONGEST_NAME], "dtype": array.dtype.str, "shape": shape}
            if array.dtype.kind in "fiub":
                left -= array.nbytes
                if left < 0 or array.id.get_storage_size() < array.nbytes:
                    raise OSError(
                        f"{key[:200]!r} says that it has {array.nbytes:,} bytes, more than there are"
                    )
                entry["place"] = target.tell()
                _write(array, target)
            described.append(entry)
    return described


def arrays(file: h5py.File) -> Iterator[tuple[str, h5py.Dataset]]:
    """Yields the arrays of a file, with their paths ("layers/dense/vars/0").

    Raises:
        OSError: The file is damaged, or has what Keras never writes.
    """
    return _arrays(file, "", set(), 0)


def layer_of(array: h5py.Dataset) -> str:
    """Returns the name of the layer that an array belongs to; empty where the file does not say."""
    name = array.parent.attrs.get("name", "")
    if not isinstance(name, str):
        raise OSError("the name of a layer is no text")
    return name


def _write(array: h5py.Dataset, target: BinaryIO) -> None:
    if not array.shape or array.nbytes <= _CHUNK:
        target.write(np.ascontiguousarray(array[()]).tobytes())
        return
    rows = max(1, _CHUNK * array.shape[0] // array.nbytes)
    for start in range(0, array.shape[0], rows):
        target.write(np.ascontiguousarray(array[start : start + rows]).tobytes())


def _arrays(
    group: h5py.Group, place: str, seen: set[h5py.Group], depth: int
) -> Iterator[tuple[str, h5py.Dataset]]:
    """Yields the arrays within a group, with their paths."""
    if group in seen:
        raise OSError(f"group {place[:200]!r} is in several places, as Keras's never are")
    seen.add(group)
    if len(seen) > _MOST_OBJECTS or len(group) > _MOST_OBJECTS or depth > _MOST_DEPTH:
        raise OSError(f"it has more than {_MOST_OBJECTS:,} groups, or groups deeper than {_MOST_DEPTH}")
    for name in group:
        if not depth and name == _OPTIMIZER:
            continue
        if len(name) > _LONGEST_NAME:
            raise OSError(f"it has a name of {len(name):,} characters")
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise OSError(f"{name!r} is a link to another place, which Keras never writes")
        item = group[name]
        if isinstance(item, h5py.Group):
            yield from _arrays(item, f"{place}{name}/", seen, depth + 1)
            continue
        if not isinstance(item, h5py.Dataset):
            raise OSError(f"{name!r} is neither a group nor an array")
        if item.is_virtual or item.external:
            raise OSError(f"{name!r} has its numbers in another file, which Keras never does")
        if item.id.get_create_plist().get_nfilters():
            raise OSError(f"{name!r} is compressed, which Keras never does")
        yield f"{place}{name}", item


def _limit(size: int) -> None:
    try:
        import resource
    except ImportError:  # Windows has none; the time that the parent waits is limited all the same.
        return
    limits = {"CPU": _SECONDS + size // _BYTES_A_SECOND, "CORE": 0}
    if sys.platform == "linux":
        limits["AS"] = _MEMORY + _MEMORY_A_BYTE * size
    for name, most in limits.items():
        kind = getattr(resource, f"RLIMIT_{name}")
        # Nobody may go beyond a limit that this process has already.
        _, hard = resource.getrlimit(kind)
        lowest = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (lowest, lowest))


def _main(path: Path, target: Path) -> None:
    _limit(path.stat().st_size)
    try:
        with target.open("wb") as file:
            answer: dict[str, object] = {"arrays": copy(path, file)}
    except Exception as error:  # h5py raises errors of many kinds, and the parent needs its words alone
        answer = {"error": f"{type(error).__name__}: {error}"[:1000]}
    sys.stdout.write(json.dumps(answer))
    sys.stdout.flush()
    # A damaged file may crash HDF5 when it closes it; nothing is left to do.
    os._exit(0)


if __name__ == "__main__":
    _main(Path(sys.argv[1]), Path(sys.argv[2]))

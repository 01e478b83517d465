"""Reads torch's checkpoints without torch, and without running anything that they hold."""

import math
import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from kfer.files import named_if_damaged
from kfer.pretrained import pickles

_ZIP_START = b"PK\x03\x04"
_PICKLE_START = b"\x80"
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001
_TAR_MAGIC = slice(257, 262)
_WRAPPERS = ("state_dict", "model")
_ADVICE = "save a state dictionary again with torch.save, or take another file"


def read(path: str | Path) -> dict[str, np.ndarray]:
    """Returns the tensors of a checkpoint by name.

    Both of torch's formats are read: zip archives (torch 1.6 and later) and the streams of pickles
    before them. Of `{"state_dict": ...}` and `{"model": ...}` the inner dictionary is taken, and of that
    whatever is a tensor.

    Args:
        path: The file.

    Returns:
        Read-only arrays in the tensors' shapes and types; bfloat16 becomes float32.

    Raises:
        FileNotFoundError: There is no such file.
        DamagedError: The file is damaged, is no checkpoint, or asks for more than tensors. Time and
            memory are bounded by the file's size.
    """
    path = Path(path)
    with named_if_damaged(path, _ADVICE), path.open("rb") as file:
        return _read(file, path.stat().st_size)


def _read(file: BinaryIO, size: int) -> dict[str, np.ndarray]:
    start = file.read(len(_ZIP_START))
    file.seek(0)
    if start == _ZIP_START:
        return _read_zip(file, size)
    if start[:1] == _PICKLE_START:
        return _read_legacy(file, size)
    if file.read(_TAR_MAGIC.stop)[_TAR_MAGIC] == b"ustar":
        raise ValueError("it is a tar, as torch wrote before 0.1.10; load it with an old torch")
    raise ValueError("it is neither a zip archive nor a stream of pickles")


def _read_zip(file: BinaryIO, size: int) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(file) as archive:
        pickled = [name for name in archive.namelist() if name.rpartition("/")[2] == "data.pkl"]
        if len(pickled) != 1:
            raise ValueError(f"expected one data.pkl in the archive; found {len(pickled)}")
        folder = pickled[0].removesuffix("data.pkl")
        order = "little"
        if f"{folder}byteorder" in archive.namelist():
            order = archive.read(_stored(archive, f"{folder}byteorder", 16)).decode()
            if order not in ("little", "big"):
                raise ValueError("its byte order is neither little nor big")
        with archive.open(_stored(archive, pickled[0], size)) as pickle:
            tensors = _tensors(pickles.load(pickle))  # type: ignore[arg-type]
        left = size

        def read_storage(storage: pickles.Storage) -> bytes:
            nonlocal left
            member = _stored(archive, f"{folder}data/{storage.key}", left)
            left -= member.file_size
            return archive.read(member)

        return _arrays(tensors, read_storage, order)


def _stored(archive: zipfile.ZipFile, name: str, most: int) -> zipfile.ZipInfo:
    """Returns a member that takes no more memory than it takes in the file."""
    try:
        member = archive.getinfo(name)
    except KeyError as error:
        raise ValueError(f"the archive has no {name!r}") from error
    if member.compress_type != zipfile.ZIP_STORED or member.file_size != member.compress_size:
        raise ValueError(f"{name!r} is compressed, which torch's files never are")
    if member.file_size > most:
        raise ValueError(f"{name!r} says that it has {member.file_size:,} bytes; {most:,} are left")
    return member


def _read_legacy(file: BinaryIO, size: int) -> dict[str, np.ndarray]:
    if pickles.load(file) != _LEGACY_MAGIC or pickles.load(file) != _LEGACY_PROTOCOL:
        raise ValueError("it is a pickle, but not one of torch.save")
    system = pickles.load(file)
    little = not isinstance(system, dict) or system.get("little_endian") is not False
    storages: dict[str, pickles.Storage] = {}
    tensors = _tensors(pickles.load(file, storages))
    keys = pickles.load(file)
    # Lists of lists could be compared for ever.
    are_names = isinstance(keys, list) and all(isinstance(key, str) for key in keys)
    if not are_names or sorted(keys) != sorted(storages):
        raise ValueError("the storages that it lists are not those of its tensors")
    places = {}
    for key in keys:
        (count,) = struct.unpack("<q" if little else ">q", file.read(8))
        length = count * _item_size(storages[key].dtype)
        if count != storages[key].count or length > size - file.tell():
            raise ValueError(f"storage {key[:40]!r} is cut short or has another length than stated")
        places[key] = file.tell()
        file.seek(length, os.SEEK_CUR)

    def read_storage(storage: pickles.Storage) -> bytes:
        file.seek(places[storage.key])
        return file.read(storage.count * _item_size(storage.dtype))

    return _arrays(tensors, read_storage, "little" if little else "big")


def _tensors(content: Any) -> dict[str, pickles.Tensor]:
    for wrapper in _WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    if not isinstance(content, dict):
        raise ValueError(
            f"it holds a {type(content).__name__}, not a state dictionary; save model.state_dict()"
        )
    tensors = {
        key: value
        for key, value in content.items()
        if isinstance(key, str) and isinstance(value, pickles.Tensor)
    }
    if not tensors:
        raise ValueError("its dictionary has no tensors; save model.state_dict()")
    return tensors


def _arrays(
    tensors: dict[str, pickles.Tensor], read_storage: Callable[[pickles.Storage], bytes], order: str
) -> dict[str, np.ndarray]:
    numbers: dict[pickles.Storage, np.ndarray] = {}
    arrays = {}
    for name, tensor in tensors.items():
        storage = tensor.storage
        if storage not in numbers:
            numbers[storage] = _numbers(read_storage(storage), storage, order)
        arrays[name] = _view(numbers[storage], tensor, name)
    return arrays


def _item_size(dtype: str) -> int:
    return 2 if dtype == "bfloat16" else np.dtype(dtype).itemsize


def _numbers(content: bytes, storage: pickles.Storage, order: str) -> np.ndarray:
    if len(content) != storage.count * _item_size(storage.dtype):
        raise ValueError(
            f"storage {storage.key[:40]!r} has {len(content):,} bytes; "
            f"expected {storage.count:,} numbers of {storage.dtype}"
        )
    if storage.dtype == "bool":
        return np.frombuffer(content, np.uint8) != 0
    stored = np.dtype("u2" if storage.dtype == "bfloat16" else storage.dtype)
    numbers = np.frombuffer(content, stored.newbyteorder("<" if order == "little" else ">"))
    numbers = numbers.astype(stored, copy=False)
    if storage.dtype == "bfloat16":
        return (numbers.astype(np.uint32) << 16).view(np.float32)
    return numbers


def _view(numbers: np.ndarray, tensor: pickles.Tensor, name: str) -> np.ndarray:
    count = math.prod(tensor.size)
    reach = sum((size - 1) * stride for size, stride in zip(tensor.size, tensor.stride, strict=True))
    if count > len(numbers) or (count and tensor.offset + reach >= len(numbers)):
        raise ValueError(f"tensor {name[:80]!r} {tensor.size} reaches beyond its storage")
    return np.lib.stride_tricks.as_strided(
        numbers[tensor.offset :],
        tensor.size,
        [stride * numbers.itemsize for stride in tensor.stride],
        writeable=False,
    )

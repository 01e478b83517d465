"""A gallery's file: read by mapping it, written beside and then put in place.

All numbers are little-endian. These parts follow one another; each starts at a multiple of 64 bytes,
and the gaps between them are zero:

- header: `KFERGLRY`, the format's version (1) and the embedding size as uint32; then as uint64 the bytes
  of metadata, the numbers of templates and of keys, the bytes of the graph, the number of checksums;
- metadata: JSON in UTF-8 with `model`, the fingerprint, and `names`, in the order of enrolment;
- owners: int32 `[num_templates]`, the number of each template's person, which is a place in `names`;
- embeddings: float32 `[num_templates, embedding_size]`, each of length 1;
- rows: int32 `[num_keys]`, the template of each key of the graph, -1 where it was removed;
- graph: the approximate index in usearch's own format; it and `rows` are empty where there is none;
- checksums: uint32, CRC-32 of every 4 MiB of all that stands before, header and gaps included.

The checksums find damage. They do not protect from people who change a file on purpose.
"""

import contextlib
import dataclasses
import hashlib
import itertools
import json
import mmap
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn

import filelock
import numpy as np

from kfer.files import remove_leftovers, replacing

_MAGIC, _VERSION = b"KFERGLRY", 1
_HEADER = struct.Struct("<8sII5Q")
# Bytes of a name that has room for ".lock".
_LONGEST = 250
_ALIGNMENT, _BLOCK = 64, 2**22
# zlib lets other threads run while it computes.
_THREADS = 2


class GalleryError(ValueError):
    """A file that is no gallery, is damaged, or is one of another model."""


@dataclasses.dataclass(frozen=True)
class Contents:
    """What stands in a file; what was read is a read-only view of the mapped file.

    Attributes:
        model: The fingerprint of the model.
        names: The people, in the order of enrolment.
        owners: The number of each template's person, int32 `[num_templates]`.
        embeddings: The templates, of length 1, float32 `[num_templates, embedding_size]`.
        rows: The template of each key of the graph, int32 `[num_keys]`; -1 where it was removed.
        graph: usearch's graph; empty where there is none.
    """

    model: str
    names: list[str]
    owners: np.ndarray
    embeddings: np.ndarray
    rows: np.ndarray
    graph: memoryview


@contextlib.contextmanager
def locked(path: Path) -> Iterator[Path]:
    """Waits until no other process or thread writes this file, and yields the file behind links.

    The same thread may lock a file that it has locked already.

    Raises:
        FileNotFoundError: The folder does not exist.
    """
    # Two names of one file need one lock, and a link shall not be replaced by a file.
    path = Path(os.path.realpath(path))
    if not path.parent.is_dir():
        raise FileNotFoundError(f"the folder {path.parent} does not exist: make it first")
    name = path.name if len(os.fsencode(path.name)) <= _LONGEST else _digest(path.name)
    with filelock.FileLock(path.with_name(f"{name}.lock"), is_singleton=True):
        # They may hold templates of people who were removed.
        remove_leftovers(path.parent)
        yield path


def write(path: Path, contents: Contents) -> None:
    """Writes a file that is whole or as it was; the caller holds its lock.

    Raises:
        OSError: There is no room, or no right to write.
    """
    metadata = json.dumps({"model": contents.model, "names": contents.names}, ensure_ascii=False)
    parts = [
        memoryview(metadata.encode()),
        _bytes_of(contents.owners, "<i4"),
        _bytes_of(contents.embeddings, "<f4"),
        _bytes_of(contents.rows, "<i4"),
        contents.graph,
    ]
    length = _aligned(_HEADER.size) + sum(_aligned(len(part)) for part in parts)
    header = _HEADER.pack(
        _MAGIC,
        _VERSION,
        contents.embeddings.shape[1],
        len(parts[0]),
        len(contents.owners),
        len(contents.rows),
        len(contents.graph),
        -(-length // _BLOCK),
    )
    with replacing(path) as new, new.open("w+b") as file:
        for part in (memoryview(header), *parts):
            file.write(part)
            file.write(bytes(_aligned(file.tell()) - file.tell()))
        file.flush()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            checksums = _checksums(mapped, len(mapped))
        file.write(checksums)
        file.flush()
        os.fsync(file.fileno())
    _sync_folder(path.parent)


def read(path: Path) -> Contents:
    """Maps a file, and checks every byte of it.

    Raises:
        FileNotFoundError: There is no such file.
        GalleryError: It is no gallery, is damaged, or was written by a newer kfer.
    """
    if not path.exists():
        raise FileNotFoundError(f"there is no gallery at {path}")
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size < _HEADER.size:
            _damaged(path, "it is too short")
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    magic, version, embedding_size, *sizes, num_checksums = _HEADER.unpack_from(content)
    if magic != _MAGIC:
        raise GalleryError(f"{path} is no gallery of kfer, or its first bytes are damaged")
    if version > _VERSION:
        raise GalleryError(
            f"{path} has format version {version}, this kfer reads {_VERSION}: a newer kfer wrote it, "
            "or it is damaged; update kfer, or restore the file from a copy"
        )
    num_bytes, num_templates, num_keys, graph_bytes = sizes
    matrix_bytes = 4 * num_templates * embedding_size
    lengths = (_HEADER.size, num_bytes, 4 * num_templates, matrix_bytes, 4 * num_keys, graph_bytes)
    metadata_at, owners_at, embeddings_at, rows_at, graph_at, end = itertools.accumulate(
        _aligned(length) for length in lengths
    )
    if embedding_size == 0 or len(content) != end + 4 * num_checksums:
        _damaged(path, "it was cut or grew, or its header changed")
    if _checksums(content, end) != content[end:]:
        _damaged(path, "its checksums do not fit its content")
    owners = np.frombuffer(content, "<i4", num_templates, owners_at)
    embeddings = np.frombuffer(content, "<f4", num_templates * embedding_size, embeddings_at)
    rows = np.frombuffer(content, "<i4", num_keys, rows_at)
    graph = memoryview(content)[graph_at : graph_at + graph_bytes]
    try:
        metadata = json.loads(content[metadata_at : metadata_at + num_bytes])
        model, names = metadata["model"], metadata["names"]
    except (ValueError, TypeError, KeyError) as error:
        raise GalleryError(f"{path} was not written by kfer: its metadata is {error}") from error
    if not _is_consistent(model, names, owners, rows):
        raise GalleryError(f"{path} was not written by kfer: its parts contradict one another")
    return Contents(model, names, owners, embeddings.reshape(-1, embedding_size), rows, graph)


def _is_consistent(model: str, names: Sequence[str], owners: np.ndarray, rows: np.ndarray) -> bool:
    if not isinstance(model, str) or not isinstance(names, list):
        return False
    if not all(isinstance(name, str) for name in names):
        return False
    if len(owners) and (owners.min() < 0 or owners.max() >= len(names)):
        return False
    kept = rows[rows >= 0]
    return (
        len(set(names)) == len(names)
        and bool(np.bincount(owners, minlength=len(names)).all())
        and len(kept) <= len(owners)
        and bool((kept == np.arange(len(kept))).all())
    )


def _checksums(content: mmap.mmap, length: int) -> bytes:
    with memoryview(content) as view, ThreadPoolExecutor(_THREADS) as threads:

        def checksum(start: int) -> int:
            with view[start : min(start + _BLOCK, length)] as block:
                return zlib.crc32(block)

        found = threads.map(checksum, range(0, length, _BLOCK))
        return np.fromiter(found, "<u4").tobytes()


def _bytes_of(array: np.ndarray, dtype: str) -> memoryview:
    return np.ascontiguousarray(array, dtype).reshape(-1).view(np.uint8).data


def _aligned(offset: int) -> int:
    return -(-offset // _ALIGNMENT) * _ALIGNMENT


def _digest(name: str) -> str:
    return hashlib.sha256(os.fsencode(name)).hexdigest()


def _sync_folder(folder: Path) -> None:
    # A new name is safe from a power failure only when its folder is written too.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _damaged(path: Path, why: str) -> NoReturn:
    raise GalleryError(f"{path} is damaged ({why}): restore it from a copy, or enrol the people anew")

"""A gallery's file: read, or mapped where it is large, written beside and then put in place.

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

The checksums find damage. They do not protect from people who change a file on purpose: whatever native
code follows is looked at by itself (`kfer.inference.gallery.graph`), as are names, owners and lengths.
"""

import contextlib
import dataclasses
import hashlib
import itertools
import json
import mmap
import os
import struct
import unicodedata
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn

import filelock
import numpy as np

from kfer.files import reason, remove_leftovers, replacing
from kfer.inference.gallery.people import checked_name
from kfer.json_text import parse_json

_MAGIC, _VERSION = b"KFERGLRY", 1
_HEADER = struct.Struct("<8sII5Q")
# Bytes of a name that has room for ".lock".
_LONGEST = 250
_ALIGNMENT, _BLOCK = 64, 2**22
# Bytes up to which a file is read, not mapped; rows that are looked at together; of squared lengths.
_LARGEST_READ, _ROWS, _MOST_ERROR = 2**28, 2**14, 1e-3
_LARGEST_EMBEDDING = 65_536
# zlib lets other threads run while it computes.
_THREADS = 2


class GalleryError(ValueError):
    """A file that is no gallery, is damaged, or is one of another model."""


@dataclasses.dataclass(frozen=True)
class Contents:
    """What stands in a file; arrays that were read are read-only, and mapped where the file is large.

    Attributes:
        model: The fingerprint of the model.
        names: The people, in the order of enrolment.
        owners: The number of each template's person, int32 `[num_templates]`.
        embeddings: The templates, of length 1, float32 `[num_templates, embedding_size]`.
        rows: The template of each key of the graph, int32 `[num_keys]`; -1 where it was removed.
        graph: usearch's graph, never mapped; empty where there is none.
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
    """Reads a file, or maps a large one except its graph, and checks every byte of it.

    Raises:
        FileNotFoundError: There is no such file.
        GalleryError: It is no gallery, is damaged, or was written by a newer kfer.
    """
    if not path.exists():
        raise FileNotFoundError(f"there is no gallery at {path}")
    content = _content(path)
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
    if not 0 < embedding_size <= _LARGEST_EMBEDDING or len(content) != end + 4 * num_checksums:
        _damaged(path, "it was cut or grew, or its header changed")
    if _checksums(content, end) != content[end:]:
        _damaged(path, "its checksums do not fit its content")
    owners = np.frombuffer(content, "<i4", num_templates, owners_at)
    embeddings = np.frombuffer(content, "<f4", num_templates * embedding_size, embeddings_at)
    embeddings = embeddings.reshape(-1, embedding_size)
    rows = np.frombuffer(content, "<i4", num_keys, rows_at)
    graph = content[graph_at : graph_at + graph_bytes]
    if len(content) > _LARGEST_READ:
        # usearch follows every number in it, and whoever writes into a mapped file changes them later.
        graph = _copied(graph)
    try:
        metadata = parse_json(bytes(content[metadata_at : metadata_at + num_bytes]))
        model, names = metadata["model"], metadata["names"]
        _check_names(model, names)
        _check_owners(names, owners)
        _check_rows(rows, len(owners))
        _check_lengths(embeddings)
    except (ValueError, TypeError, KeyError) as error:
        raise GalleryError(
            f"{path} was not written by kfer ({reason(error)}): restore it from a copy, or enrol the "
            "people anew"
        ) from error
    return Contents(model, names, owners, embeddings, rows, graph)


def _content(path: Path) -> memoryview:
    """All of a file, read-only. Small ones are read: a mapped one that shrinks would end Python."""
    # Opening a named pipe would wait for a writer.
    if not path.is_file():
        raise GalleryError(f"{path} is no gallery of kfer, but a folder, a pipe or a device")
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size < _HEADER.size:
            _damaged(path, "it is too short")
        if size > _LARGEST_READ:
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        # Memory that begins at a multiple of 64 bytes, as a mapped file does.
        content = mmap.mmap(-1, size)
        if file.readinto(content) < size:
            _damaged(path, "it was cut while it was read")
        return memoryview(content).toreadonly()


def _copied(part: memoryview) -> memoryview:
    """A part of a file in memory of its own, which begins at a multiple of 64 bytes."""
    if not part:
        return part
    copy = mmap.mmap(-1, len(part))
    copy.write(part)
    return memoryview(copy).toreadonly()


def _check_names(model: object, names: object) -> None:
    if not isinstance(model, str) or not model.strip() or not model.isprintable():
        raise ValueError("its model has no fingerprint of one line")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError("its names are no list of texts")
    if len(set(names)) < len(names):
        raise ValueError("a name is there twice")
    together = " ".join(names)
    # One look at all: a million names one by one take seconds.
    if not (
        together.isprintable()
        and unicodedata.is_normalized("NFC", together)
        and all(map(str.strip, names))
    ):
        for name in names:
            if checked_name(name) != name:
                raise ValueError(f"the name {name[:60]!r} is not in Unicode's composed form")


def _check_owners(names: list[str], owners: np.ndarray) -> None:
    if len(owners) and (owners.min() < 0 or owners.max() >= len(names)):
        raise ValueError("a template is nobody's")
    if not np.bincount(owners, minlength=len(names)).all():
        raise ValueError("somebody has no template")


def _check_rows(rows: np.ndarray, num_templates: int) -> None:
    kept = rows[rows >= 0]
    if len(kept) > num_templates or not (kept == np.arange(len(kept))).all():
        raise ValueError("its index is of other templates")


def _check_lengths(embeddings: np.ndarray) -> None:
    for start in range(0, len(embeddings), _ROWS):
        block = embeddings[start : start + _ROWS]
        squares = np.einsum("ij,ij->i", block, block)
        # Also where one is no number.
        if not (np.abs(squares - 1) <= _MOST_ERROR).all():
            raise ValueError("an embedding is not of length 1")


def _checksums(content: memoryview | mmap.mmap, length: int) -> bytes:
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

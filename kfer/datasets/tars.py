"""Reads tars that nobody has checked, in memory that the archive's size bounds.

`tarfile` trusts sizes in headers, ends without a word at the first header that is damaged, and unpacks
xz with whatever memory the file asks for. So the bytes that it reads come through `_Bytes`, which counts.
"""

import bz2
import contextlib
import gzip
import io
import lzma
import re
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

_COMPRESSIONS: dict[bytes, Callable[[BinaryIO], BinaryIO]] = {
    b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file),  # type: ignore[dict-item, return-value]
    b"BZh": bz2.BZ2File,  # type: ignore[dict-item]
    b"\xfd7zXZ\0": lambda file: io.BufferedReader(_Xz(file)),
    b"]\0\0": lambda file: io.BufferedReader(_Xz(file)),
}
# Bytes. `xz -9` takes 64 MiB to unpack; a header of tar's holds names, at most.
_XZ_MEMORY = 256 * 2**20
_LARGEST_READ = 2**20
_CHUNK = 2**16
# Each file of a tar takes at least so many bytes of it, however well it is packed.
_FEWEST_BYTES, _FREE_FILES = 16, 10_000
_MOST_GLOBALS = 1000
_MANY_DIGITS = re.compile(rb"\d{64}")


def entries(source: Path, most_bytes: int) -> Iterator[tuple[tarfile.TarInfo, Callable[[], BinaryIO]]]:
    """Yields what a tar says of each entry, and a function, good until the next, that opens it.

    Args:
        source: A tar: as it is, or packed by gzip, bzip2 or xz.
        most_bytes: More than so many unpacked bytes are refused.

    Raises:
        Exception: Whatever `tarfile` and the decompressors raise of a damaged file.
        ValueError: The tar unpacks to too much, has too many entries, or is cut short.
    """
    packed = source.stat().st_size
    with contextlib.ExitStack() as stack:
        file: BinaryIO = stack.enter_context(source.open("rb"))
        start = file.read(max(map(len, _COMPRESSIONS)))
        file.seek(0)
        for magic, unpacked in _COMPRESSIONS.items():
            if start.startswith(magic):
                file = stack.enter_context(unpacked(file))
                break
        content = _Bytes(file, most_bytes)
        archive = stack.enter_context(tarfile.open(fileobj=content, mode="r:"))  # type: ignore[call-overload]
        count = 0
        while (info := archive.next()) is not None:
            count += 1
            if count > _FREE_FILES + packed // _FEWEST_BYTES:
                raise ValueError(f"it has more than {count - 1:,} entries in {packed:,} bytes")
            if info.issparse():
                raise ValueError(f"{info.name[:200]!r} is sparse; unpack the tar yourself")
            if len(archive.pax_headers) > _MOST_GLOBALS:
                raise ValueError(f"it has more than {_MOST_GLOBALS:,} global headers")
            content.is_header = False
            yield info, lambda info=info: archive.extractfile(info)  # type: ignore[misc]
            content.is_header = True
            # The archive would keep what it says of each of millions.
            archive.members.clear()
        # At a header that it does not understand, tarfile ends as at the end.
        if len(content.last) != tarfile.BLOCKSIZE or any(content.last):
            raise ValueError("it ends without a mark of its end: it is cut short, or a header is damaged")
        content.is_header = False
        # The checksums of compressed files are at their ends.
        while content.read(_CHUNK):
            pass


class _Bytes:
    """A file's bytes for `tarfile`, which only goes forward, in headers and chunks of a few bytes.

    Attributes:
        last: What the last read gave.
        is_header: Whether headers are read now, and not what is in the entries.
    """

    def __init__(self, file: BinaryIO, most: int) -> None:
        self._file, self._most = file, most
        self.last, self.is_header = b"", True

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _LARGEST_READ:
            raise ValueError(f"one of its headers has {size:,} bytes")
        self.last = self._file.read(size)
        self._check(self.tell())
        if self.is_header and size > tarfile.BLOCKSIZE:
            if b"GNU.sparse" in self.last:
                raise ValueError("it has sparse files; unpack it yourself")
            # Python before 3.11.10 and 3.12.6 takes forever over such headers.
            if _MANY_DIGITS.search(self.last):
                raise ValueError("one of its headers has a number without end")
        return self.last

    def seek(self, position: int) -> int:
        if position < self.tell():
            raise ValueError("one of its headers has a negative size")
        self._check(position)
        return self._file.seek(position)

    def tell(self) -> int:
        return self._file.tell()

    def _check(self, position: int) -> None:
        if position > self._most:
            raise ValueError(f"it unpacks to more than {self._most:,} bytes")


class _Xz(io.RawIOBase):
    """What an `.xz` or `.lzma` file unpacks to, within `_XZ_MEMORY`."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._decoder = lzma.LZMADecompressor(memlimit=_XZ_MEMORY)
        self._position = 0

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seekable(self) -> bool:
        return True

    def seek(self, position: int, whence: int = io.SEEK_SET) -> int:
        if whence != io.SEEK_SET or position < self._position:
            raise io.UnsupportedOperation("an xz file is read from its beginning to its end")
        while self._position < position:
            if not self._unpacked(min(_LARGEST_READ, position - self._position)):
                break
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        content = self._unpacked(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def _unpacked(self, size: int) -> bytes:
        while True:
            packed = b""
            if self._decoder.eof:
                # Several streams may follow one another, with zeros between them.
                packed = (self._decoder.unused_data or self._file.read(_CHUNK)).lstrip(b"\0")
                if not packed:
                    return b""
                self._decoder = lzma.LZMADecompressor(memlimit=_XZ_MEMORY)
            elif self._decoder.needs_input:
                packed = self._file.read(_CHUNK)
                if not packed:
                    raise EOFError("its compressed end is missing")
            content = self._decoder.decompress(packed, size)
            if content:
                self._position += len(content)
                return content

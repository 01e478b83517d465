"""Reading of the files in a zip, a tar or a folder, without extracting them to disk.

Nothing that an archive says of sizes is trusted: what is read is counted, and stops at a limit.
"""

import contextlib
import errno
import functools
import logging
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import BinaryIO

from kfer import listing
from kfer.datasets import tars
from kfer.files import DamagedError, named_if_damaged
from kfer.listing import LeftOut, Reason
from kfer.progress import progress

#: The environment variable with the most megabytes that one file of an archive may have, unpacked. A
#: video, which goes to disk and not to memory, may have 16 times as many.
LIMIT = "KFER_ARCHIVE_LIMIT_MB"
_MEGABYTES, _MOST_MEGABYTES = 256, 2**20
_COPIED = 16
# Archives of pictures are hardly smaller than the pictures; Deflate's most is 1032.
_LARGEST_RATIO = 100
_CHUNK = 2**15
_LONGEST_NAME = 4096
# Bits of a zip's flags: encrypted, and strongly so.
_ENCRYPTED = 0x41
# The bit that says that a name is UTF-8.
_UTF8 = 0x800
_log = logging.getLogger(__name__)


def is_image(name: str) -> bool:
    """Whether the file's name is that of a picture of a format that is read."""
    return listing.ending_of(name) in listing.PICTURES


def dataset_folder(download_dir: PurePath, name: str) -> Path:
    """The subfolder `name` of the download folder, or the folder itself where it has none."""
    folder = Path(download_dir) / name
    return folder if folder.is_dir() else Path(download_dir)


def find(folder: Path, names: Sequence[str], advice: str) -> Path:
    """Returns the first of the named files or folders that is there.

    Args:
        folder: Where to look.
        names: Paths relative to `folder`, the preferred one first.
        advice: Where to get the files and where to put them; ends the error message.

    Raises:
        FileNotFoundError: None is there.
    """
    for name in names:
        if (folder / name).exists():
            return folder / name
    raise FileNotFoundError(f"{folder} has no {' or '.join(names)}. {advice}")


def list_files(source: Path, advice: str, left_out: LeftOut | None = None) -> list[str]:
    """Returns the files' paths inside the source, with forward slashes; `kfer.listing` decides which.

    A tar is read from end to end for it.

    Args:
        source: A zip, a tar (compressed or not) or a folder.
        advice: Where to get the source anew; ends the message about a damaged one.
        left_out: Gets what is left out; None logs it.

    Raises:
        DamagedError: The source is damaged, an entry points outside of it, or unpacks to too much.
    """
    most = _limit()
    found = LeftOut() if left_out is None else left_out
    with named_if_damaged(source, advice):
        names = [entry.name for entry in _entries(source, most, found)]
    if left_out is None:
        found.log(_log, source)
    return names


def list_images(source: Path, advice: str, left_out: LeftOut, table: str = "") -> list[str]:
    """Returns the paths of the images that can be read, as `list_files` does; empty files are left out.

    Args:
        source: A zip, a tar (compressed or not) or a folder.
        advice: Where to get the source anew; ends the message about a damaged one.
        left_out: Gets what is left out.
        table: The path of the table that lists them, which is nothing to tell of.

    Raises:
        DamagedError: The source is damaged, an entry points outside of it, or unpacks to too much.
    """
    most = _limit()
    with named_if_damaged(source, advice):
        entries = _entries(source, most, left_out)
        sizes = {entry.name: entry.size for entry in entries if entry.name != table}
    images = list(listing.chosen(sizes, left_out))
    for name in images:
        if not sizes[name]:
            left_out.add(Reason.EMPTY, name)
    return [name for name in images if sizes[name]]


def read_files(source: Path, wanted: Callable[[str], bool], advice: str) -> Iterator[tuple[str, bytes]]:
    """Yields the path inside the source and the content of every wanted file.

    Args:
        source: A zip, a tar (compressed or not) or a folder.
        wanted: Says of a path inside the source whether to read the file.
        advice: Where to get the source anew; ends the message about a damaged one.

    Raises:
        DamagedError: The source is damaged, an entry points outside of it, or unpacks to too much.
    """
    wanted_files = _wanted(source, wanted, advice)
    yield from progress(wanted_files, f"files read from {source.name}")


@contextlib.contextmanager
def file_in(source: Path, name: str, advice: str) -> Iterator[Path]:
    """Gives a file in a source a path of its own: in a folder its own, else that of a copy for a while.

    Args:
        source: A zip, a tar (compressed or not) or a folder.
        name: The file's path inside the source, as `list_files` has it.
        advice: Where to get the source anew; ends the message about a damaged one.

    Raises:
        FileNotFoundError: The source has no such file.
        DamagedError: The source is damaged, an entry points outside of it, or unpacks to too much.
    """
    if source.is_dir():
        yield source / name
        return
    most = _limit()
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / PurePosixPath(name).name
        with named_if_damaged(source, advice):
            for entry in _entries(source, most):
                if entry.name == name:
                    _copy(source, entry, copy, most * _COPIED, advice)
                    break
            else:
                raise FileNotFoundError(f"{source} has no {name}. {advice}")
        yield copy


@dataclass(frozen=True)
class _Entry:
    """A file in a source.

    Attributes:
        name: Its path inside the source.
        size: In bytes, as the source says.
        open: Opens its content; good until the next entry.
    """

    name: str
    size: int
    open: Callable[[], BinaryIO]


def _wanted(source: Path, wanted: Callable[[str], bool], advice: str) -> Iterator[tuple[str, bytes]]:
    most = _limit()
    with named_if_damaged(source, advice):
        for entry in _entries(source, most):
            if wanted(entry.name):
                yield entry.name, _content(source, entry, most, advice)


def _content(source: Path, entry: _Entry, most: int, advice: str) -> bytes:
    with named_if_damaged(f"{source}, {entry.name}", advice):
        return b"".join(_chunks(source, entry, most))


def _copy(source: Path, entry: _Entry, copy: Path, most: int, advice: str) -> None:
    free = shutil.disk_usage(copy.parent).free
    if free < entry.size <= most:
        full = f"{copy.parent} has {free:,} bytes free; {entry.name} of {source} takes {entry.size:,}"
        raise OSError(errno.ENOSPC, full)
    with named_if_damaged(f"{source}, {entry.name}", advice), copy.open("wb") as file:
        for chunk in _chunks(source, entry, most):
            file.write(chunk)


def _chunks(source: Path, entry: _Entry, most: int) -> Iterator[bytes]:
    """Yields what is in an entry; never more than that, whatever the source says of its size."""
    _check_size(source, entry.name, entry.size, most)
    count = 0
    with entry.open() as content:
        while chunk := content.read(_CHUNK):
            count += len(chunk)
            _check_size(source, entry.name, count, most)
            yield chunk


def _check_size(source: Path, name: str, size: int, most: int) -> None:
    if size > most:
        raise DamagedError(
            f"{source} has the file {name!r} of {size:,} bytes or more; at most {most:,} are read. If "
            f"you trust it, set the environment variable {LIMIT} to more megabytes"
        )


def _limit() -> int:
    """Returns how many bytes one file of an archive may have in memory."""
    text = os.environ.get(LIMIT) or str(_MEGABYTES)
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= _MOST_MEGABYTES:
        raise ValueError(
            f"{LIMIT} must be a number of megabytes in [1, {_MOST_MEGABYTES:,}]; got {text!r}"
        )
    return int(text) * 2**20


def _entries(source: Path, largest: int, left_out: LeftOut | None = None) -> Iterator[_Entry]:
    """Yields the files of a source that are looked at; `largest` is one file's limit in bytes."""
    most = max(largest, _LARGEST_RATIO * source.stat().st_size)
    left_out = LeftOut() if left_out is None else left_out
    if source.is_dir():
        yield from _folder_entries(source, left_out)
        return
    if source.exists() and not source.is_file():
        raise ValueError("it is a device or a pipe; expected an archive or a folder")
    is_zip = source.suffix.lower() == ".zip"
    entries = _zip_entries(source, most) if is_zip else _tar_entries(source, most)
    names: set[int] = set()
    for entry in entries:
        if not listing.is_shown(entry.name):
            left_out.add(Reason.HIDDEN, entry.name)
        elif not listing.is_text(entry.name):
            left_out.add(Reason.NOT_TEXT, entry.name)
        else:
            key = hash(entry.name)  # of millions of long names, to keep less
            if key in names:
                raise ValueError(
                    f"it has the file {entry.name[:200]!r} twice; unpack it and take the folder"
                )
            names.add(key)
            yield entry


def _folder_entries(source: Path, left_out: LeftOut) -> Iterator[_Entry]:
    for file in listing.files(source, left_out):
        yield _Entry(file.name, file.size, functools.partial(_opened_file, source / file.name))


def _opened_file(path: Path) -> BinaryIO:
    return path.open("rb")


def _zip_entries(source: Path, most: int) -> Iterator[_Entry]:
    with zipfile.ZipFile(source) as archive:
        total = sum(info.file_size for info in archive.infolist())
        if total > most:
            raise ValueError(f"it unpacks to {total:,} bytes, more than {most:,}")
        for info in archive.infolist():
            # The upper 16 bits are the Unix mode, in which 0o120000 marks a symbolic link.
            is_link = (info.external_attr >> 16) & 0o170000 == 0o120000
            name = _checked_entry(source, _zip_name(info), is_link)
            if not info.filename.endswith(("/", "\\")):
                yield _Entry(name, info.file_size, functools.partial(_opened, archive, info))


def _zip_name(info: zipfile.ZipInfo) -> str:
    """An entry's name: macOS and others write UTF-8 without the flag that says so."""
    if not info.flag_bits & _UTF8 and not info.filename.isascii():
        with contextlib.suppress(UnicodeError):
            return info.filename.encode("cp437").decode()
    return info.filename


def _opened(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> BinaryIO:
    if info.flag_bits & _ENCRYPTED:
        raise ValueError("it has a password; unpack the archive yourself and take the folder")
    # Python unpacks the others in memory that nothing bounds.
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(
            f"it is packed by the method {info.compress_type}, and only 0 (stored) and 8 (Deflate) are "
            "read; unpack the archive yourself and take the folder"
        )
    return archive.open(info)  # type: ignore[return-value]


def _tar_entries(source: Path, most: int) -> Iterator[_Entry]:
    for info, opened in tars.entries(source, most):
        name = _checked_entry(source, info.name, not (info.isreg() or info.isdir()))
        if info.isreg():
            yield _Entry(name, info.size, opened)


def _checked_entry(source: Path, name: str, is_special: bool) -> str:
    if len(name) > _LONGEST_NAME:
        raise ValueError(f"it has a name of {len(name):,} characters, {name[:100]!r}...")
    path = PurePosixPath(name.replace("\\", "/"))
    if is_special:
        raise DamagedError(f"{source} has the entry {name!r}, a link or device. Refused: not data.")
    if path.is_absolute() or PureWindowsPath(name).drive or ".." in path.parts:
        raise DamagedError(
            f"{source} has the entry {name!r}, which lies outside the archive's own folder. "
            "Refused: do not trust this file."
        )
    return path.as_posix()

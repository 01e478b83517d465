"""Reading of the files in a zip, a tar or a folder, without extracting them to disk."""

import contextlib
import gzip
import lzma
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath

from kfer.progress import progress

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp")


def is_image(name: str) -> bool:
    """Whether the file's name is that of an image which TensorFlow decodes."""
    return name.lower().endswith(IMAGE_SUFFIXES)


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


def list_files(source: Path, advice: str) -> list[str]:
    """Returns the files' paths inside the source, with forward slashes; hidden ones are left out.

    A tar is read from end to end for it.

    Args:
        source: A zip, a tar (compressed or not) or a folder.
        advice: Where to get the source anew; ends the message about a damaged one.

    Raises:
        ValueError: The source is damaged, or an entry points outside of it.
    """
    with _damage_reported(source, advice):
        return [name for name, _ in _entries(source)]


def read_files(source: Path, wanted: Callable[[str], bool], advice: str) -> Iterator[tuple[str, bytes]]:
    """Yields the path inside the source and the content of every wanted file.

    Args:
        source: A zip, a tar (compressed or not) or a folder.
        wanted: Says of a path inside the source whether to read the file.
        advice: Where to get the source anew; ends the message about a damaged one.

    Raises:
        ValueError: The source is damaged, or an entry points outside of it.
    """
    with _damage_reported(source, advice):
        wanted_files = ((name, read()) for name, read in _entries(source) if wanted(name))
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
        ValueError: The source is damaged, or an entry points outside of it.
    """
    if source.is_dir():
        yield source / name
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / PurePosixPath(name).name
        with _damage_reported(source, advice):
            for entry, read in _entries(source):
                if entry == name:
                    copy.write_bytes(read())
                    break
            else:
                raise FileNotFoundError(f"{source} has no {name}. {advice}")
        yield copy


@contextlib.contextmanager
def _damage_reported(source: Path, advice: str) -> Iterator[None]:
    try:
        yield
    except (
        zipfile.BadZipFile,
        tarfile.TarError,
        gzip.BadGzipFile,
        lzma.LZMAError,
        zlib.error,
        EOFError,
    ) as error:
        raise ValueError(f"{source} is damaged or incomplete ({error}). {advice}") from error


def _entries(source: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Yields each file's path inside the source and a function, good until the next, to read it."""
    if source.is_dir():
        entries = _folder_entries(source)
    elif source.suffix.lower() == ".zip":
        entries = _zip_entries(source)
    else:
        entries = _tar_entries(source)
    for name, read in entries:
        parts = PurePosixPath(name).parts
        if not any(part.startswith(".") or part == "__MACOSX" for part in parts):
            yield name, read


def _folder_entries(source: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    for path in sorted(source.rglob("*")):
        if path.is_file():
            yield path.relative_to(source).as_posix(), path.read_bytes


def _zip_entries(source: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    with zipfile.ZipFile(source) as archive:
        for info in archive.infolist():
            # The upper 16 bits are the Unix mode, in which 0o120000 marks a symbolic link.
            is_link = (info.external_attr >> 16) & 0o170000 == 0o120000
            name = _checked_entry(source, info.filename, is_link)
            if not info.is_dir():
                yield name, lambda info=info: archive.read(info)  # type: ignore[misc]


def _tar_entries(source: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    if not source.stat().st_size:
        # tarfile takes it for an archive without entries.
        raise EOFError("the file is empty")
    with tarfile.open(source) as archive:
        for info in archive:
            is_special = not (info.isreg() or info.isdir())
            name = _checked_entry(source, info.name, is_special)
            if info.isreg():
                yield name, lambda info=info: archive.extractfile(info).read()  # type: ignore


def _checked_entry(source: Path, name: str, is_special: bool) -> str:
    path = PurePosixPath(name.replace("\\", "/"))
    if is_special:
        raise ValueError(f"{source} has the entry {name!r}, a link or device. Refused: not data.")
    if path.is_absolute() or PureWindowsPath(name).drive or ".." in path.parts:
        raise ValueError(
            f"{source} has the entry {name!r}, which lies outside the archive's own folder. "
            "Refused: do not trust this file."
        )
    return path.as_posix()

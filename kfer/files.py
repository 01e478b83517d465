"""Files that are whole or not there, and whether they are of the same settings.

What is written lies in a private folder beside its place, `.kfer-<random>.partial`, until it is whole.
Its writer holds a lock on that folder while it lives, so that what a killed one leaves can be told from
what another one writes.
"""

import contextlib
import csv
import dataclasses
import errno
import json
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from kfer.json_text import parse_json

try:
    import fcntl
except ImportError:  # Windows: nothing tells there whether a writer lives, so that leftovers stay
    fcntl = None  # type: ignore[assignment]

_STUDY = "study.json"
# Characters.
_LONGEST_REASON = 300
_PREFIX, _SUFFIX = ".kfer-", ".partial"
_NEW, _FORMER = "new", "former"
# Entries of a folder up to which leftovers are looked for before every write; in larger ones, once.
_FEW = 256
_swept: set[Path] = set()
_FULL = (errno.ENOSPC, errno.EDQUOT)
# Bytes free on a disk that is as good as full.
_NO_ROOM = 16_384
# What spreadsheets take for the start of a formula (OWASP, "CSV Injection"), and numbers, which are none.
_FORMULA = re.compile(r"'*(\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n])")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE | re.ASCII)
#: The largest file of JSON that is read, in bytes; the largest that kfer writes are a tenth of it.
LARGEST_JSON = 2**26


class DamagedError(ValueError):
    """A file that cannot be read: damaged, cut short, too large, or of another kind."""


class DiskFullError(OSError):
    """There is no room on the disk for what was to be written, or no more of the user's quota."""

    def __init__(self, path: Path, more: str = "") -> None:
        super().__init__(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        self._path, self._more = path, more

    def __reduce__(self) -> tuple[type["DiskFullError"], tuple[Path, str]]:
        return type(self), (self._path, self._more)

    def __str__(self) -> str:
        more = self._more or "nothing half written was left. Free space, or write to another disk"
        return f"the disk is full: {self.filename} cannot be written; {more}"


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Writes a file that is whole or not there, and that replaces at once what was there before.

    What killed processes left in the folder is removed; what others write there at this moment is not.

    Args:
        path: Where the file shall be. It gets the permissions of a file that is there.

    Yields:
        Where to write it: a path of the same name in a new folder beside, which nobody else can open.

    Raises:
        DiskFullError: There is no room; what was there before still is.
        OSError: It cannot be written; likewise.
    """
    with _partial(path) as new:
        yield new
        with contextlib.suppress(FileNotFoundError, PermissionError):
            new.chmod(stat.S_IMODE(path.stat().st_mode))
        new.replace(path)


@contextlib.contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Writes a folder that is whole or not there, as `replacing` does a file.

    Args:
        path: Where the folder shall be.

    Yields:
        The new, empty folder to write into.

    Raises:
        DiskFullError: There is no room; what was there before still is.
        OSError: It cannot be written; likewise.
    """
    with _partial(path) as new:
        new.mkdir()
        yield new
        if path.is_dir() and not path.is_symlink():
            former = new.parents[1] / _FORMER / path.name
            former.parent.mkdir()
            path.rename(former)  # `_remove` brings it back where this process is killed here
        new.rename(path)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Waits until no other process or thread holds the lock on a folder, and holds it.

    File systems without locks (some of networks) have none: then this does nothing.

    Args:
        folder: It must be there; nothing is written into it.
    """
    opened = os.open(folder, os.O_RDONLY)
    try:
        _lock(opened, wait=True)
        yield
    finally:
        os.close(opened)


@contextlib.contextmanager
def told_if_full(path: Path) -> Iterator[None]:
    """Names the file or folder that is written within where the disk gets full.

    Raises:
        DiskFullError: What is done within fails for want of room.
    """
    try:
        yield
    except DiskFullError:
        raise
    except Exception as error:
        if not is_disk_full(error, path):
            raise
        raise DiskFullError(path) from error


def is_disk_full(error: BaseException | None, path: Path | None = None) -> bool:
    """Returns whether an error, or one that led to it, says that a disk has no room left.

    Args:
        error: TensorFlow, h5py and others raise types of their own, without the system's number.
        path: What was written. NumPy and OpenCV give no reason, so that its disk is looked at.
    """
    silent = isinstance(error, RuntimeError) or (isinstance(error, OSError) and error.errno is None)
    if silent and path is not None and _free(path) < _NO_ROOM:
        return True
    while error is not None:
        if getattr(error, "errno", None) in _FULL:
            return True
        if re.search(
            rf"{os.strerror(errno.ENOSPC)}|disk is full|\d requested and \d+ written", str(error)
        ):
            return True
        error = error.__cause__ or error.__context__
    return False


def _free(path: Path) -> int:
    """Bytes that the disk of a path has left."""
    return shutil.disk_usage(
        next(place for place in (path, *path.absolute().parents) if place.exists())
    ).free


@contextlib.contextmanager
def _partial(path: Path) -> Iterator[Path]:
    """Yields a path of the same name in a folder that is this process's alone; removes it at the end."""
    folder, opened = _own_folder(path)
    try:
        with told_if_full(path):
            yield folder / _NEW / path.name
    except OSError as error:
        if str(error.filename).startswith(str(folder)):
            error.filename, error.filename2 = str(path), None
        raise
    finally:
        _remove(folder)
        os.close(opened)


def _own_folder(path: Path) -> tuple[Path, int]:
    """Makes a folder beside a path that nobody else can open, and returns it with its open lock."""
    parent = path.parent
    with told_if_full(path):
        while True:
            _sweep(parent)
            try:
                folder = Path(tempfile.mkdtemp(_SUFFIX, _PREFIX, parent))
                opened = os.open(folder, os.O_RDONLY)
            except OSError as error:
                if error.errno == errno.ENOENT and parent.is_dir():
                    continue  # taken for a leftover before it was opened
                error.filename = str(path)
                raise
            if _lock(opened) is not False and folder.exists():
                (folder / _NEW).mkdir()
                return folder, opened
            os.close(opened)  # taken for a leftover before it was locked


def _sweep(parent: Path) -> None:
    """Removes the private folders in a folder whose owners are dead."""
    place = parent.absolute()
    if place in _swept:
        return
    count = 0
    with contextlib.suppress(OSError), os.scandir(parent) as entries:
        for entry in entries:
            count += 1
            if entry.name.startswith(_PREFIX) and entry.name.endswith(_SUFFIX):
                _remove_if_dead(Path(entry.path))
    if count > _FEW:
        _swept.add(place)


def _remove_if_dead(folder: Path) -> None:
    try:
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except (OSError, AttributeError):  # another user's, a link, or Windows
        return
    try:
        if os.fstat(opened).st_uid == os.geteuid() and _lock(opened):
            _remove(folder)
    finally:
        os.close(opened)


def _remove(folder: Path) -> None:
    """Removes a private folder; what was to be replaced goes back if nothing has taken its place."""
    for former in folder.glob(f"{_FORMER}/*"):
        if not (folder.parent / former.name).exists():
            former.rename(folder.parent / former.name)
    shutil.rmtree(folder, ignore_errors=True)


def _lock(opened: int, wait: bool = False) -> bool | None:
    """Locks an open folder until it is closed; False: another one holds it; None: there are no locks."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(opened, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system that has no locks
        return None
    return True


@contextlib.contextmanager
def named_if_damaged(path: Path | str, advice: str) -> Iterator[None]:
    """Reads a file that others may have changed, and names it where reading fails, for whatever reason.

    Readers of foreign bytes raise errors of many kinds, MemoryError and RecursionError among them. Each
    becomes one error; interrupts go through, and so does a `DamagedError`, which has its file's name.

    Args:
        path: The file; a member of an archive is written "archive.zip, member".
        advice: What the user can do.

    Raises:
        DamagedError: What is done within fails.
        OSError: The system refuses (no such file, no permission, no space); the message names a file.
    """
    try:
        yield
    except DamagedError:
        raise
    except OSError as error:
        if not _of_the_system(error):
            raise DamagedError(f"{path} is damaged ({reason(error)}): {advice}") from error
        if error.filename is None and str(path) not in str(error):
            raise type(error)(error.errno, error.strerror, str(path)) from error
        raise
    except BaseException as error:
        # Readers in Rust raise their panics as BaseException.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise DamagedError(f"{path} is damaged ({reason(error)}): {advice}") from error


def reason(error: BaseException) -> str:
    """Returns what an error of another package says, as one printable line of at most 300 characters."""
    text = " ".join(str(error).split())
    if isinstance(error, MemoryError):
        text = "reading it takes more memory than there is"
    elif isinstance(error, RecursionError):
        text = "its content is nested too deep"
    elif isinstance(error, LookupError) or not text:
        text = f"{type(error).__name__} {text}".rstrip()
    text = "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)
    return text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]}..."


def _of_the_system(error: OSError) -> bool:
    """Whether the system refuses, rather than a reader that finds something wrong in the content."""
    if error.errno is None:
        return isinstance(error, FileNotFoundError | PermissionError | FileExistsError)
    # What a seek or read raises whose place comes from damaged bytes.
    return error.errno not in (errno.EINVAL, errno.EOVERFLOW, errno.EBADF)


def saved_model_bytes(folder: Path) -> int:
    """Returns the size of a SavedModel, without the other files that may lie in its folder."""
    patterns = ("saved_model.pb", "fingerprint.pb", "variables/*", "assets/*")
    return sum(file.stat().st_size for pattern in patterns for file in folder.glob(pattern))


def newest(pattern: str) -> Path:
    """Returns the file that was written last of those that fit a pattern; a plain path as it is.

    Args:
        pattern: A path, in which "*" stands for any part of a name.

    Raises:
        FileNotFoundError: There is no such file.
    """
    path = Path(pattern)
    if path.exists():
        return path
    found = list(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
    if not found:
        raise FileNotFoundError(f"there is no file {pattern}")
    return max(found, key=lambda file: file.stat().st_mtime_ns)


def check_new(path: Path, ending: str) -> None:
    """Checks that a file can be written without replacing one that somebody may need.

    Args:
        path: Where it shall be.
        ending: What its name must end in (".zip").

    Raises:
        FileExistsError: Something is there.
        ValueError: It has another ending.
    """
    if path.suffix != ending:
        raise ValueError(f"the file's name must end in {ending}; got {path}")
    if path.exists():
        raise FileExistsError(f"{path} exists; name another file, or delete it")


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Writes a file that is whole or not there."""
    write_text(path, json.dumps(content, indent=1))


def read_json(
    path: Path, advice: str = "restore it from a copy, or move it away to make it anew"
) -> dict[str, Any]:
    """Returns the object in a file of JSON, as `parse_json` reads it.

    Args:
        path: The file, of at most `LARGEST_JSON` bytes.
        advice: What the user can do where it is damaged.

    Raises:
        DamagedError: It is no file, is too large, is not valid JSON, or holds no object.
        FileNotFoundError: There is no such file.
    """
    with named_if_damaged(path, advice):
        found = path.stat()
        # Opening a named pipe would wait for a writer.
        if not stat.S_ISREG(found.st_mode):
            raise ValueError("expected a file; it is a folder, a pipe or a device")
        if found.st_size > LARGEST_JSON:
            raise ValueError(f"it has {found.st_size:,} bytes; at most {LARGEST_JSON:,} are read")
        with path.open("rb") as file:
            content = parse_json(file.read(LARGEST_JSON))
        if not isinstance(content, dict):
            raise ValueError(f"expected an object in braces; it holds a {type(content).__name__}")
        return content


def write_text(path: Path, content: str) -> None:
    """Writes a file that is whole or not there."""
    write_bytes(path, content.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file that is whole or not there."""
    with replacing(path) as new:
        new.write_bytes(content)


def write_csv(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes a table that is whole or not there, without cells that spreadsheets run: see `csv_cell`.

    Args:
        path: The table.
        rows: The columns are those of all rows, in order of appearance.
    """
    rows = list(rows)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with replacing(path) as new, new.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(map(csv_cell, columns))
        writer.writerows([csv_cell(row.get(name, "")) for name in columns] for row in rows)


def read_csv(path: Path) -> list[dict[str, str]]:
    """Returns the rows of a table that `write_csv` wrote, with the texts that it was given."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        return [
            {of_csv_cell(name): of_csv_cell(text or "") for name, text in row.items() if name is not None}
            for row in csv.DictReader(file)
        ]


def csv_cell(value: Any) -> Any:
    """Returns the cell for a value: an apostrophe makes a text of what spreadsheets would run.

    >>> csv_cell("=1+1"), csv_cell("Ada"), csv_cell(-0.5), csv_cell("-0.5")
    ("'=1+1", 'Ada', -0.5, '-0.5')

    Args:
        value: A text; anything else comes back unchanged.
    """
    if isinstance(value, str) and _FORMULA.match(value) and not _NUMBER.fullmatch(value):
        return f"'{value}"
    return value


def of_csv_cell(text: str) -> str:
    """Returns the text that `csv_cell` was given.

    >>> of_csv_cell("'=1+1"), of_csv_cell("O'Neil")
    ('=1+1', "O'Neil")
    """
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def claim(output_dir: Path, kind: str, name: str) -> None:
    """Makes a folder of results the own one of a study; it is made where it is missing.

    Args:
        output_dir: The folder.
        kind: What sort of study it is, for the error's words.
        name: The study's name.

    Raises:
        ValueError: The folder is another one's, or what says whose it is is damaged.
    """
    path = output_dir / _STUDY
    if path.exists():
        found = read_json(path).get("name")
        if found != name:
            raise ValueError(
                f"{output_dir} holds the {kind} {found!r}, this one is {name!r}: give another "
                "--output-dir"
            )
    output_dir.mkdir(parents=True, exist_ok=True)
    write_json(path, {"name": name})


def differences(value: Any, found: Any, name: str) -> Iterator[str]:
    """Yields what of a setting, or of a group of settings, was something else.

    Settings that came with a later kfer than what was found must have their defaults.

    Args:
        value: As it is now.
        found: As it came back from JSON.
        name: The setting's dotted name.
    """
    if dataclasses.is_dataclass(value) and isinstance(found, Mapping):
        for field in dataclasses.fields(value):
            own = getattr(value, field.name)
            before = found.get(field.name, plain(_default(field)))
            yield from differences(own, before, f"{name}.{field.name}")
    elif isinstance(value, tuple) and isinstance(found, list) and len(value) == len(found):
        for index, (item, before) in enumerate(zip(value, found, strict=True)):
            yield from differences(item, before, f"{name}.{index}")
    elif isinstance(value, Mapping) and isinstance(found, Mapping) and value.keys() == found.keys():
        for key, item in value.items():
            yield from differences(item, found[key], f"{name}.{key}")
    elif plain(value) != found:
        yield f"{name} was {found} and is {plain(value)}"


def plain(value: Any) -> Any:
    """A value as it comes back from JSON: settings are mappings, tuples are lists."""
    return json.loads(json.dumps(value, default=vars))


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default is not dataclasses.MISSING:
        return field.default
    return None if field.default_factory is dataclasses.MISSING else field.default_factory()

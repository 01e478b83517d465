"""Writes files and folders that are whole or not there; `kfer.files` has all of it.

What is written lies in a private folder beside its place, `.kfer-<random>.partial`, until it is whole.
Its writer holds a lock on that folder while it lives, so that what a killed one leaves can be told from
what another one writes.
"""

import contextlib
import errno
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: nothing tells there whether a writer lives, so that leftovers stay
    fcntl = None  # type: ignore[assignment]

_PREFIX, _SUFFIX = ".kfer-", ".partial"
_NEW, _FORMER = "new", "former"
# Entries of a folder up to which leftovers are looked for before every write; in larger ones, once.
_FEW = 256
_swept: set[Path] = set()
# Open folders that this process holds, by their real paths.
_held: dict[str, int] = {}
_FULL = (errno.ENOSPC, errno.EDQUOT)
# What is wrong then is a value, whatever room there is.
_OTHER_REASONS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
_IN_WORDS = re.compile(rf"{os.strerror(errno.ENOSPC)}|disk is full|\d requested and \d+ written")
# Bytes free on a disk that is as good as full.
_NO_ROOM = 16_384


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
def new_folder(path: Path) -> Iterator[Path]:
    """Writes a folder that is whole or not there, and never replaces one that holds anything.

    Args:
        path: Where the folder shall be: nothing, or an empty folder.

    Yields:
        The new, empty folder to write into.

    Raises:
        FileExistsError: Something is there at the end.
        DiskFullError: There is no room.
        OSError: It cannot be written.
    """
    with _partial(path) as new:
        new.mkdir()
        yield new
        try:
            new.rename(path)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
            raise FileExistsError(errno.EEXIST, "something is there by now", str(path)) from error


@contextlib.contextmanager
def private_folder(path: Path) -> Iterator[Path]:
    """Yields a new folder beside a path, which nobody else can open; it goes at the end.

    Where this process is killed, the next one that writes something there removes it.

    Args:
        path: What is prepared in the folder, for the words of errors.

    Raises:
        DiskFullError: There is no room for what is done within.
        OSError: Its folder cannot be written to.
    """
    folder, opened = _own_folder(path)
    try:
        with told_if_full(path):
            yield folder
    except OSError as error:
        if str(error.filename).startswith(str(folder)):
            error.filename, error.filename2 = str(path), None
        raise
    finally:
        _remove(folder)
        os.close(opened)


def remove_leftovers(folder: Path) -> int:
    """Removes what killed processes left in a folder when they wrote there; returns how much it has.

    Every writer of this module calls it first; others do where a run may have nothing to write.
    """
    count = 0
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            count += 1
            if entry.name.startswith(_PREFIX) and entry.name.endswith(_SUFFIX):
                _remove_if_dead(Path(entry.path))
    return count


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


def hold(folder: Path) -> None:
    """Keeps `remove_unused` of other processes from removing a folder until this process ends.

    Args:
        folder: It must be there. File systems without locks have none: then nothing is removed either.
    """
    name = os.path.realpath(folder)
    if fcntl is None or name in _held:
        return
    opened = os.open(name, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_SH)
    except OSError:
        os.close(opened)
    else:
        _held[name] = opened


def remove_unused(folder: Path) -> bool:
    """Removes a folder unless another process holds it; returns whether it is gone."""
    opened = _held.pop(os.path.realpath(folder), None)
    if opened is not None:
        os.close(opened)
    try:
        opened = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        return True
    except OSError:  # another user's, or Windows
        return False
    try:
        if _lock(opened):
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(opened)
    return not folder.exists()


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
        # It may be a file in the system's temporary folder.
        other = Path(str(getattr(error, "filename", None) or path))
        raise DiskFullError(path if other.is_relative_to(path.parent) else other) from error


def check_room(path: Path) -> None:
    """Checks that a disk is not full, behind a library that does not tell (TensorFlow's event files).

    Raises:
        DiskFullError: It is.
    """
    if _free(path) < _NO_ROOM:
        raise DiskFullError(path)


def is_disk_full(error: BaseException | None, path: Path | None = None) -> bool:
    """Returns whether an error, or one that led to it, says that a disk has no room left.

    Args:
        error: TensorFlow, h5py and others raise types of their own, without the system's number.
        path: What was written: where a library gives no reason (OpenCV, NumPy), its disk is looked at.
    """
    has_reason = getattr(error, "errno", None) is not None or isinstance(error, _OTHER_REASONS)
    if error is not None and not has_reason and path is not None and _free(path) < _NO_ROOM:
        return True
    while error is not None:
        if getattr(error, "errno", None) in _FULL:
            return True
        with contextlib.suppress(Exception):  # some messages cannot be made
            if _IN_WORDS.search(str(error)):
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
    """Yields a path of the same name in a private folder beside it."""
    with private_folder(path) as folder:
        (folder / _NEW).mkdir()
        yield folder / _NEW / path.name


def _own_folder(path: Path) -> tuple[Path, int]:
    """Makes a folder beside a path that nobody else can open, and returns it with its open lock."""
    parent = path.parent
    with told_if_full(path):
        while True:
            if parent.absolute() not in _swept and remove_leftovers(parent) > _FEW:
                _swept.add(parent.absolute())
            try:
                folder = Path(tempfile.mkdtemp(_SUFFIX, _PREFIX, parent))
                opened = os.open(folder, os.O_RDONLY)
            except OSError as error:
                if error.errno == errno.ENOENT and parent.is_dir():
                    continue  # taken for a leftover before it was opened
                error.filename = str(path)
                raise
            if _lock(opened) is not False and folder.exists():
                return folder, opened
            os.close(opened)  # taken for a leftover before it was locked


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

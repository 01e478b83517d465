"""Files that are whole or not there, and whether they are of the same settings."""

import contextlib
import csv
import dataclasses
import errno
import json
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from kfer.json_text import parse_json
from kfer.writing import DiskFullError as DiskFullError
from kfer.writing import check_room as check_room
from kfer.writing import hold as hold
from kfer.writing import is_disk_full as is_disk_full
from kfer.writing import locked as locked
from kfer.writing import new_folder as new_folder
from kfer.writing import private_folder as private_folder
from kfer.writing import remove_leftovers as remove_leftovers
from kfer.writing import remove_unused as remove_unused
from kfer.writing import replacing as replacing
from kfer.writing import replacing_folder as replacing_folder
from kfer.writing import told_if_full as told_if_full

# Characters.
_LONGEST_REASON = 300
# What spreadsheets take for the start of a formula (OWASP, "CSV Injection"), and numbers, which are none.
_FORMULA = re.compile(r"'*(\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n])")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE | re.ASCII)
#: The largest file of JSON that is read, in bytes; the largest that kfer writes are a tenth of it.
LARGEST_JSON = 2**26


class DamagedError(ValueError):
    """A file that cannot be read: damaged, cut short, too large, or of another kind."""


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
    remove_leftovers(path.parent)
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
    content = read_any_json(path, advice)
    with named_if_damaged(path, advice):
        if not isinstance(content, dict):
            raise ValueError(f"expected an object in braces; it holds a {type(content).__name__}")
        return content


def read_any_json(path: Path, advice: str) -> Any:
    """Returns what a file of JSON holds, an object or not; else as `read_json`."""
    with named_if_damaged(path, advice):
        found = path.stat()
        # Opening a named pipe would wait for a writer.
        if not stat.S_ISREG(found.st_mode):
            raise ValueError("expected a file; it is a folder, a pipe or a device")
        if found.st_size > LARGEST_JSON:
            raise ValueError(f"it has {found.st_size:,} bytes; at most {LARGEST_JSON:,} are read")
        with path.open("rb") as file:
            return parse_json(file.read(LARGEST_JSON))


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

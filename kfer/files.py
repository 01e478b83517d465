"""Files that are whole or not there, and whether they are of the same settings."""

import contextlib
import csv
import dataclasses
import errno
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

_STUDY = "study.json"
# Characters.
_LONGEST_REASON = 300


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
    if path.exists():
        raise FileExistsError(f"{path} exists; name another file, or delete it")


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Writes a file that is whole or not there."""
    write_text(path, json.dumps(content, indent=1))


def read_json(
    path: Path, advice: str = "restore it from a copy, or move it away to make it anew"
) -> dict[str, Any]:
    """What `write_json` wrote.

    Args:
        path: The file.
        advice: What the user can do where it is damaged.

    Raises:
        DamagedError: The file is not valid JSON, or has no object.
    """
    with named_if_damaged(path, advice):
        return dict(json.loads(path.read_text(encoding="utf-8")))


def write_text(path: Path, content: str) -> None:
    """Writes a file that is whole or not there."""
    write_bytes(path, content.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file that is whole or not there."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(content)
    partial.replace(path)


def write_csv(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes a table that is whole or not there; its columns are those of all rows, as they come up."""
    rows = list(rows)
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(dict.fromkeys(name for row in rows for name in row)))
        writer.writeheader()
        writer.writerows(rows)
    partial.replace(path)


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

"""Files that are whole or not there, and whether they are of the same settings."""

import contextlib
import csv
import dataclasses
import json
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

_STUDY = "study.json"


class DamagedError(ValueError):
    """A file that was whole when it was written is not any more."""


@contextlib.contextmanager
def named_if_damaged(path: Path, advice: str) -> Iterator[None]:
    """Reads a file of this package's own, and names it where it cannot be understood.

    Args:
        path: The file.
        advice: What the user can do.

    Raises:
        DamagedError: What is done within fails as a cut or changed file lets it fail.
    """
    try:
        yield
    except (ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DamagedError(f"{path} is damaged ({error}): {advice}") from error


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
        DamagedError: It is none of that.
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

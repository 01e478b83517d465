"""A user's own CSV that says what files are labelled with."""

import logging
import os
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath

from kfer import spec, tables
from kfer.console import printable
from kfer.datasets import naming
from kfer.listing import composed

_FILENAME, _SPLIT = "filename", "split"
# What programs write for nothing. "Null" and "None" may be people.
_NOTHING = frozenset(
    ("nan", "NaN", "NAN", "null", "NULL", "none", "NONE", "n/a", "N/A", "#N/A", "<NA>", "-", "--", "?")
)
_NUM_TOLD = 3
_log = logging.getLogger(__name__)


def check_choice(task: str, labels: str, tasks: Sequence[str], layout: str) -> None:
    """Checks that labels come from folders or from a table.

    Args:
        task: What the names of folders label; empty for none.
        labels: The table's path; empty for none.
        tasks: What they may label.
        layout: How files may lie, for messages.

    Raises:
        ValueError: Both or neither are given, or there is no such task.
    """
    if bool(task) == bool(labels):
        raise ValueError(f"Give either task or labels; got task={task!r}, labels={labels!r}. {layout}")
    if task:
        naming.check_name(task, tasks, "The task")


def columns(source: Path, labels: Sequence[str], layout: str) -> tuple[str, ...]:
    """Returns which columns of labels the table has.

    Args:
        source: The CSV.
        labels: The columns that it may have.
        layout: What is expected; ends the messages.

    Raises:
        FileNotFoundError: It is not there.
        ValueError: It cannot be read, or has no column filename, or none of `labels`.
    """
    if not source.is_file():
        raise FileNotFoundError(f"{source} is not there. {layout}")
    found, header = tables.columns(source, (_FILENAME, _SPLIT, *labels))
    own = tuple(label for label in labels if label in found)
    if _FILENAME not in found or not own:
        raise ValueError(f"{source} has the columns {header}. {layout}")
    return own


def read(
    source: Path,
    files: Collection[str],
    root: Path,
    others: Sequence[str],
    expressions: Collection[str],
    kind: str,
    layout: str,
) -> dict[str, dict[str, str]]:
    """Returns the rows by filename, each with its split ("train" where it says none) and other columns.

    A filename may have backslashes, other capitals or another Unicode form than the file.

    Args:
        source: The CSV.
        files: What it may name, relative to `root`, with forward slashes.
        root: Where those are.
        others: The columns to read; a missing or empty cell is "".
        expressions: What cells of a column expression may be.
        kind: What files are, for messages: "image".
        layout: What is expected; ends the message about an empty table.

    Raises:
        ValueError: It cannot be read or has no rows, a row names no file of `files`, or two rows have
            different labels for one file, or a label is unknown.
    """
    names = Names(files, root)
    found: dict[str, dict[str, str]] = {}
    line_of: dict[str, int] = {}
    missing: list[tuple[int, str]] = []
    again: list[int] = []
    for row in tables.rows(source, (_FILENAME,), (_SPLIT, *others), layout):
        place = f"{source}, line {row.line}"
        named = row.cells[_FILENAME]
        if not named:
            raise ValueError(f"{place}: it names no file")
        name = names.find(named, place)
        if name is None:
            missing.append((row.line, named))
            continue
        labels = {_SPLIT: row.cells[_SPLIT] or spec.TRAIN} | {each: row.cells[each] for each in others}
        _check_labels(labels, expressions, place)
        if found.setdefault(name, labels) != labels:
            raise ValueError(
                f"{source} names {printable(name)} twice, in lines {line_of[name]} and {row.line}, with "
                "different labels; expected one row a file"
            )
        if line_of.setdefault(name, row.line) != row.line:
            again.append(row.line)
    if missing:
        raise _not_there(source, missing, f"{kind} in {root}", names)
    if not found:
        raise ValueError(f"{source} has no rows. {layout}")
    if again:
        _log.warning("%s names %d files again, the first in line %d", source, len(again), again[0])
    names.log(source)
    return found


def _check_labels(labels: Mapping[str, str], expressions: Collection[str], place: str) -> None:
    for column, cell in labels.items():
        if cell in _NOTHING:
            raise ValueError(
                f"{place}: the {column} is {cell!r}; leave the cell empty where there is none"
            )
    expression = labels.get(spec.EXPRESSION)
    if expression:
        naming.check_name(expression, expressions, f"{place}: the expression")
    if not re.fullmatch(r"[\w-]+", labels[_SPLIT]) or labels[_SPLIT] == "all":
        raise ValueError(
            f"{place}: the split is {tables.told(labels[_SPLIT])}; expected letters, digits, "
            "underscores and hyphens, such as train"
        )


def _not_there(source: Path, missing: list[tuple[int, str]], kind: str, names: "Names") -> ValueError:
    (line, first), *others = missing
    near = names.near(first)
    more = ", ".join(f"{printable(name)} in line {number}" for number, name in others[:_NUM_TOLD])
    if len(others) > _NUM_TOLD:
        more += f" and {len(others) - _NUM_TOLD:,} more"
    return ValueError(
        f"{source}, line {line}: it names {printable(first)}, which is no {kind}"
        + (f"; did you mean {printable(near)}?" if near else "")
        + (f"; nor are {more}" if more else "")
    )


class Names:
    """Finds the file that a cell names: with backslashes, other capitals or another Unicode form."""

    def __init__(self, files: Collection[str], root: Path) -> None:
        """Takes the files' paths relative to `root`, with forward slashes."""
        self._files = frozenset(files)
        self._root = root
        self._composed = _by(composed, files)
        self._folded: dict[str, list[str]] | None = None
        self._in_other_capitals: list[str] = []

    def find(self, named: str, place: str) -> str | None:
        """Returns the name as it is on the disk; None where there is no such file.

        Raises:
            ValueError: Several files could be meant.
        """
        for text in dict.fromkeys((named, named.replace("\\", "/"))):
            name = self._within(text)
            found = [name] if name in self._files else self._composed.get(composed(name), [])
            if not found:
                found = self._by_capitals(name)
            if len(found) > 1:
                raise ValueError(
                    f"{place}: {printable(named)} may be any of {len(found)} files whose names differ "
                    "in capitals or in their Unicode form alone; rename them"
                )
            if found:
                return found[0]
        return None

    def near(self, named: str) -> str:
        """The most similar name of a file; "" where there is none, or too many to compare."""
        return naming.nearest(named, self._files) if len(self._files) <= 10_000 else ""

    def log(self, source: Path) -> None:
        """Says how many names were written in other capitals."""
        if self._in_other_capitals:
            _log.warning(
                "%s has %d names in other capitals than their files, the first is %s",
                source,
                len(self._in_other_capitals),
                printable(self._in_other_capitals[0]),
            )

    def _within(self, text: str) -> str:
        """A path relative to the folder, without detours."""
        if PurePosixPath(text).is_absolute() or PureWindowsPath(text).drive:
            root = self._root.absolute().as_posix()
            if text.startswith(f"{root}/"):
                text = text[len(root) + 1 :]
        return os.path.normpath(text)

    def _by_capitals(self, name: str) -> list[str]:
        if self._folded is None:
            self._folded = _by(lambda file: composed(file).casefold().strip(), self._files)
        found = self._folded.get(composed(name).casefold().strip(), [])
        if len(found) == 1:
            self._in_other_capitals.append(found[0])
        return found


def _by(key: Callable[[str], str], names: Collection[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(key(name), []).append(name)
    return found

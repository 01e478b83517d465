"""A user's own CSV that says what files are labelled with."""

import csv
import io
from collections.abc import Collection, Sequence
from pathlib import Path, PurePosixPath

from kfer import spec
from kfer.datasets import naming

_FILENAME, _SPLIT = "filename", "split"


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
        ValueError: It has no column filename, or none of `labels`.
    """
    if not source.is_file():
        raise FileNotFoundError(f"{source} is not there. {layout}")
    header = next(csv.reader(io.StringIO(source.read_text("utf-8-sig"))), [])
    found = tuple(label for label in labels if label in header)
    if _FILENAME not in header or not found:
        raise ValueError(f"{source} has the columns {header}. {layout}")
    return found


def read(
    source: Path, files: Collection[str], place: str, others: Sequence[str], layout: str
) -> dict[str, dict[str, str]]:
    """Returns the rows by filename, each with its split ("train" where it says none) and other columns.

    Args:
        source: The CSV.
        files: The filenames that it may have, with forward slashes.
        place: Where those are, for the error's words.
        others: The columns to read; a missing or empty field is "".
        layout: What is expected; ends the message about an empty table.

    Raises:
        ValueError: It has no rows, names a file twice or one that is not among `files`.
    """
    rows: dict[str, dict[str, str]] = {}
    for row in csv.DictReader(io.StringIO(source.read_text("utf-8-sig"))):
        filename = PurePosixPath(row[_FILENAME]).as_posix()
        if filename not in files:
            raise ValueError(f"{source} names {filename}, which is not in {place}")
        if filename in rows:
            raise ValueError(f"{source} names {filename} twice; expected one row a file")
        rows[filename] = {_SPLIT: row.get(_SPLIT) or spec.TRAIN} | {
            name: (row.get(name) or "").strip() for name in others
        }
    if not rows:
        raise ValueError(f"{source} has no rows. {layout}")
    return rows

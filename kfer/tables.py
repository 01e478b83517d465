"""Tables that users write: CSV files as spreadsheets and scripts leave them.

Python's csv reads the cells; this module finds the encoding and the separator, matches the columns, and
names the file and the line of whatever cannot be read.
"""

import codecs
import csv
import logging
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kfer.console import printable
from kfer.files import of_csv_cell
from kfer.listing import composed

_SEPARATORS = ",;\t|"
# The first line of some of Excel's tables.
_NAMED_SEPARATOR = re.compile(r"sep=([^\w\s\"']|\t)\s*")
_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # begins as that of UTF-16
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_HEAD = 4096
_LONGEST_CELL, _LONGEST_LINE = 60, 2**20
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Attributes:
        line: The number of the line in which it begins, from 1.
        cells: The cells by column, without spaces at their ends; "" where there is none.
    """

    line: int
    cells: Mapping[str, str]


def columns(source: Path, known: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """Returns which of the known columns a table has, and all names in its header.

    Args:
        source: The CSV.
        known: The columns' names; a header may have them in capitals, or with spaces.

    Raises:
        FileNotFoundError: It is not there.
        ValueError: It cannot be read, is empty, or has a known column twice.
    """
    _, header = _opened(source, known)
    found = _positions(source, header, known)
    return tuple(name for name in known if name in found), header


def rows(
    source: Path, required: Sequence[str], optional: Sequence[str] = (), advice: str = ""
) -> Iterator[Row]:
    """Yields the rows of a table that are not empty.

    Args:
        source: The CSV: UTF-8 or UTF-16; cells separated by commas, semicolons, tabs or
            bars.
        required: Columns that it must have, and each row a cell of.
        optional: Columns that it may have.
        advice: What is expected; ends messages about columns.

    Raises:
        FileNotFoundError: It is not there.
        ValueError: It cannot be read, is empty or lacks a column, or a row has too many cells.
    """
    records, header = _opened(source, (*required, *optional))
    positions = _positions(source, header, (*required, *optional))
    missing = [name for name in required if name not in positions]
    if missing:
        raise ValueError(
            f"{source} has no column {', '.join(missing)}; it has {header}. {advice}".strip()
        )
    num_short = first_short = 0
    for line, cells in records:
        if len(cells) < len(header):
            absent = [name for name in required if positions[name] >= len(cells)]
            if absent:
                raise ValueError(
                    f"{source}, line {line}: it has {len(cells)} of {len(header)} cells, and none for "
                    f"{', '.join(absent)}"
                )
            num_short, first_short = num_short + 1, first_short or line
        elif any(cell for cell in cells[len(header) :]):
            raise ValueError(
                f"{source}, line {line}: it has {len(cells)} cells, the header {len(header)}; put cells "
                "that have the separator in them between quotation marks"
            )
        places = {name: positions.get(name, len(cells)) for name in (*required, *optional)}
        yield Row(line, {name: cells[at] if at < len(cells) else "" for name, at in places.items()})
    if num_short:
        _log.warning(
            "%s: %d rows have fewer cells than the header, the first in line %d: taken as empty",
            source,
            num_short,
            first_short,
        )


def lines(source: Path) -> list[str]:
    """Returns the lines of a text that a user wrote, without their ends.

    Raises:
        FileNotFoundError: It is not there.
        ValueError: It is neither UTF-8 nor UTF-16.
    """
    return [line.rstrip("\n") for line in _lines(source, _encoding(source))]


def whole_number(text: str, place: str) -> int:
    """Returns the number in a cell, which a spreadsheet may have written as 3.0 or 3,0.

    Args:
        text: The cell.
        place: Where it stands; begins the error's message.

    Raises:
        ValueError: It is no whole number.
    """
    whole = re.fullmatch(r"([+-]?[0-9]{1,18})(?:[.,]0*)?", text)
    if not whole:
        raise ValueError(f"{place} must be a whole number; got {told(text)}")
    return int(whole[1])


def told(text: str) -> str:
    """A cell as an error shows it: short, and in one line."""
    text = printable(text)
    return repr(text if len(text) <= _LONGEST_CELL else f"{text[:_LONGEST_CELL]}...")


def _opened(source: Path, known: Sequence[str]) -> tuple[Iterator[tuple[int, list[str]]], list[str]]:
    """The rows with their lines, and the header."""
    encoding = _encoding(source)
    separator, skipped = _separator(source, encoding, known)
    records = _records(source, encoding, separator, skipped)
    _, header = next(records, (0, []))
    if not header:
        raise ValueError(f"{source} is empty; expected a table with a header")
    while header and not header[-1]:
        header.pop()
    return records, header


def _records(
    source: Path, encoding: str, separator: str, skipped: int
) -> Iterator[tuple[int, list[str]]]:
    text = _lines(source, encoding)
    for _ in range(skipped):
        next(text)
    # Strict, so that a quotation mark that is never closed does not swallow the rest without a word.
    reader = csv.reader(text, delimiter=separator, strict=True, skipinitialspace=True)
    while True:
        line = reader.line_num + skipped + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise ValueError(
                f"{source}, line {line}: the row that begins there cannot be read ({error}); is a "
                "quotation mark missing or too many?"
            ) from error
        if cells is None:
            return
        cells = [of_csv_cell(cell.strip()) for cell in cells]
        if any(cells):
            yield line, cells


def _separator(source: Path, encoding: str, known: Sequence[str]) -> tuple[str, int]:
    """The separator with which the header has most of the known columns, and lines to pass over."""
    text = _lines(source, encoding)
    first = next(text, "")
    named = _NAMED_SEPARATOR.fullmatch(first.rstrip("\n"))
    if named:
        return named[1], 1
    wanted = set(map(_key, known))
    while first and not first.strip(f"{_SEPARATORS} \t\n"):
        first = next(text, "")

    def fit(separator: str) -> tuple[int, int]:
        names = first.split(separator)
        return len(wanted.intersection(_key(name.strip(' "\n')) for name in names)), len(names)

    return max(_SEPARATORS, key=fit), 0


def _positions(source: Path, header: Sequence[str], known: Sequence[str]) -> dict[str, int]:
    names = {_key(name): name for name in known}
    found: dict[str, int] = {}
    for place, title in enumerate(header):
        name = names.get(_key(title))
        if name is None:
            continue
        if name in found:
            raise ValueError(
                f"{source} has the column {name} twice, as number {found[name] + 1} and {place + 1}: "
                "delete one"
            )
        found[name] = place
    return found


def _key(name: str) -> str:
    """A column's name without what spreadsheets and people change in it."""
    text = unicodedata.normalize("NFKC", name).casefold()
    return "".join(character for character in text if character.isalnum())


def _encoding(source: Path) -> str:
    if not source.is_file():
        raise FileNotFoundError(f"{source} is not there, or no file")
    with source.open("rb") as file:
        head = file.read(_HEAD)
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if head.startswith(mark):
            return encoding
    # Without a mark: every other byte of ASCII is 0.
    for first, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        if head[first::2].count(0) > len(head) // 4:
            return encoding
    return "utf-8"


def _lines(source: Path, encoding: str) -> Iterator[str]:
    """Yields the lines, whose ends are "\\n" whatever the file has."""
    number = 0
    try:
        with source.open(encoding=encoding) as file:
            for number, line in enumerate(iter(lambda: file.readline(_LONGEST_LINE), ""), 1):
                if len(line) == _LONGEST_LINE:
                    raise ValueError(
                        f"{source}, line {number}: it has {_LONGEST_LINE:,} characters or more; expected "
                        "a table of text"
                    )
                if "\0" in line:
                    raise ValueError(
                        f"{source}, line {number}: it has bytes of 0, as damaged files have; save it "
                        "anew as CSV UTF-8"
                    )
                yield composed(line)
    except UnicodeError as error:
        bad = _first_bad_line(source) if encoding.startswith("utf-8") else number + 1
        expected = encoding[:6].rstrip("-").upper()
        raise ValueError(
            f"{source}, line {bad}: it is not {expected}; save the table as CSV UTF-8"
        ) from error


def _first_bad_line(source: Path) -> int:
    with source.open("rb") as file:
        for number, line in enumerate(_universal(file), 1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return number
    return 1


def _universal(file: Iterable[bytes]) -> Iterator[bytes]:
    for line in file:
        yield from line.replace(b"\r\n", b"\n").replace(b"\r", b"\n").removesuffix(b"\n").split(b"\n")

"""CSV files as spreadsheets leave them: what is read, and which line is named."""

import csv
from pathlib import Path

import pytest

from kfer import tables
from kfer.tables import Row

ROWS = [("1.png", "happy"), ("Jos\u00e9, 2.png", "sad")]
PLAIN = 'filename,expression\n1.png,happy\n"Jos\u00e9, 2.png",sad\n'


def write(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "labels.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(path: Path) -> list[tuple[str, ...]]:
    return [tuple(row.cells.values()) for row in tables.rows(path, ("filename", "expression"))]


@pytest.mark.parametrize(
    "content",
    [
        PLAIN.encode("utf-8-sig"),
        PLAIN.encode("utf-16"),
        b"\xfe\xff" + PLAIN.encode("utf-16-be"),
        PLAIN.encode("utf-16-le"),
        PLAIN.encode("utf-16-be"),
        PLAIN.encode("utf-32"),
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("\n", "\r"),
        PLAIN.removesuffix("\n"),
        PLAIN + "\n,\n , \n",
        "\n" + PLAIN,
        PLAIN.replace("e\u0301", "\u00e9"),
        PLAIN.replace("\u00e9", "e\u0301"),
        PLAIN.replace("filename,expression", ' File-Name ,"EXPRESSION"'),
        'filename,expression,,\n1.png,happy,,\n"Jos\u00e9, 2.png",sad,\n',
        "filename;expression\n1.png;happy\nJos\u00e9, 2.png;sad\n",
        "sep=;\nfilename;expression\n1.png;happy\nJos\u00e9, 2.png;sad\n",
        "filename\texpression\n1.png\thappy\nJos\u00e9, 2.png\tsad\n",
        'expression,note,filename\nhappy,"two\nlines",1.png\nsad,,"Jos\u00e9, 2.png"\n',
        'filename, expression\n 1.png ,happy \n"Jos\u00e9, 2.png", "sad"\n',
        'note,note,filename,expression\n,,1.png,happy\n,,"Jos\u00e9, 2.png",sad\n',
    ],
)
def test_what_spreadsheets_do_is_undone(tmp_path, content):
    assert read(write(tmp_path, content)) == ROWS


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty; expected a table with a header"),
        ("\n\n", "is empty"),
        (
            "file,expression\n1.png,sad\n",
            r"no column filename; it has \['file', 'expression'\]\. Like this",
        ),
        (
            "filename,expression,Expression\n1.png,sad,happy\n",
            "column expression twice, as number 2 and 3",
        ),
        ("expression,filename\nsad,1.png\nhappy\n", "line 3: it has 1 of 2 cells, and none for filename"),
        ("filename,expression\na\n,b.png,sad\n", "line 2: it has 1 of 2 cells"),
        ("filename,expression\na,b.png,sad\n", "line 2: it has 3 cells, the header 2"),
        (b"filename,expression\n1.png,sad\ncaf\xe9.png,sad\n", "line 3: it is not UTF-8; save the table"),
        (b"filename,expression\r1.png,sad\rcaf\xe9.png,sad\r", "line 3: it is not UTF-8"),
        (b"\xff\xfef\0i\0l", "line 1: it is not UTF-16"),
        ("filename,expression\n1.png,s\0ad\n", "line 2: it has bytes of 0"),
        (
            'filename,expression\n1.png,sad\n2.png,"happy\n3.png,sad\n',
            "line 3: the row that begins there",
        ),
        ('filename,expression\n1.png,"hap"py\n', "line 2: the row that begins there cannot be read"),
        ('filename,expression\n1.png,"happy\n' + "2.png,sad\n" * 20_000, "line 2: the row that begins"),
        ('"filename,expression\n' + "2.png,sad\n" * 20_000, "line 1: the row that begins there"),
        ("filename,expression\n" + "x" * 2**20, "line 2: it has 1,048,576 characters or more"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_line(tmp_path, content, message):
    path = write(tmp_path, content)
    limit = csv.field_size_limit()
    with pytest.raises(ValueError, match=rf"labels\.csv.*{message}"):
        list(tables.rows(path, ("filename", "expression"), advice="Like this."))
    assert csv.field_size_limit() == limit


def test_lines_are_those_of_the_file(tmp_path):
    path = write(tmp_path, '\nfilename,expression\n"a\nb",sad\n\nc,happy\n')
    assert [row.line for row in tables.rows(path, ("filename", "expression"))] == [3, 6]


def test_a_short_row_has_empty_cells_and_is_told(tmp_path, caplog):
    path = write(tmp_path, "filename,expression,identity\n1.png,sad\n2.png,sad,Ann\n3.png,sad\n")
    found = list(tables.rows(path, ("filename",), ("identity", "split")))
    assert found[0] == Row(2, {"identity": "", "split": "", "filename": "1.png"})
    assert found[1].cells["identity"] == "Ann"
    assert "2 rows have fewer cells than the header, the first in line 2" in caplog.text


def test_apostrophes_before_formulas_are_taken_off(tmp_path):
    path = write(tmp_path, "filename,expression\n'=1.png,sad\n'tis.png,happy\n")
    assert read(path) == [("=1.png", "sad"), ("'tis.png", "happy")]


def test_what_is_no_file(tmp_path):
    for path in (tmp_path, tmp_path / "no.csv"):
        with pytest.raises(FileNotFoundError, match="is not there, or no file"):
            tables.columns(path, ("filename",))


def test_columns(tmp_path):
    path = write(tmp_path, "File Name;Person;expression\n")
    found = tables.columns(path, ("filename", "expression", "identity"))
    assert found == (("filename", "expression"), ["File Name", "Person", "expression"])


def test_lines_of_a_text(tmp_path):
    assert tables.lines(write(tmp_path, "a\r\n\r\nb\x0b\rc".encode("utf-16"))) == ["a", "", "b\x0b", "c"]


@pytest.mark.parametrize("text", ["3", "3.0", "3,0", "+3"])
def test_whole_numbers(text):
    assert tables.whole_number(text, "here") == 3


@pytest.mark.parametrize("text", ["", "3.5", "three", "nan", "1e3", "\u0663"])
def test_what_is_no_whole_number(text):
    with pytest.raises(ValueError, match="line 2: votes must be a whole number; got"):
        tables.whole_number(text, "x.csv, line 2: votes")

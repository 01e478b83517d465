"""Which file a row names, and rows that contradict each other."""

import unicodedata

import pytest

from kfer.datasets import label_table

NFC = "caf\u00e9.png"
NFD = unicodedata.normalize("NFD", NFC)


def read(tmp_path, rows: str, files=("a/1.png", "b c.png", "IMG.PNG", NFD), header="filename,identity"):
    table = tmp_path / "labels.csv"
    table.write_text(f"{header}\n{rows}")
    found = label_table.read(
        table, files, tmp_path, ("identity", "expression"), ("happy", "sad"), "image", "So."
    )
    return {name: row["identity"] for name, row in found.items()}


@pytest.mark.parametrize(
    ("named", "name"),
    [
        ("a/1.png", "a/1.png"),
        ("./a//1.png", "a/1.png"),
        ("a\\1.png", "a/1.png"),
        ("x/../a/1.png", "a/1.png"),
        (" b c.png ", "b c.png"),
        (NFC, NFD),
        (NFD, NFD),
        ("img.png", "IMG.PNG"),
        ("A\\1.PNG", "a/1.png"),
    ],
)
def test_the_file_that_a_row_names(tmp_path, named, name):
    assert read(tmp_path, f"{named},Ann\n") == {name: "Ann"}


def test_absolute_paths_into_the_folder(tmp_path):
    assert read(tmp_path, f"{tmp_path}/a/1.png,Ann\n") == {"a/1.png": "Ann"}


@pytest.mark.parametrize("named", ["/etc/1.png", "../1.png", "C:\\1.png", "a", "a/2.png", ".."])
def test_files_that_are_not_there(tmp_path, named):
    with pytest.raises(ValueError, match=r"labels\.csv, line 3: it names .*, which is no image in"):
        read(tmp_path, f"a/1.png,Ann\n{named},Bob\n")


def test_missing_files_are_counted_and_the_nearest_is_told(tmp_path):
    rows = "a/11.png,Ann\n" + "".join(f"{number}.jpg,Ann\n" for number in range(5))
    message = (
        r"line 2: it names a/11\.png, which is no image in .*; did you mean a/1\.png\?; nor are 0\.jpg "
        r"in line 3, 1\.jpg in line 4, 2\.jpg in line 5 and 2 more"
    )
    with pytest.raises(ValueError, match=message):
        read(tmp_path, rows)


def test_a_name_that_several_files_may_have(tmp_path):
    with pytest.raises(
        ValueError, match=r"line 2: x\.png may be any of 2 files whose names differ in cap"
    ):
        read(tmp_path, "x.png,Ann\n", ("X.png", "x.PNG"))
    assert read(tmp_path, "X.png,Ann\n", ("X.png", "x.PNG")) == {"X.png": "Ann"}
    with pytest.raises(ValueError, match=r"line 2: .* may be any of 2 files .* Unicode form"):
        read(tmp_path, f"{NFC.upper()},Ann\n", (NFC, NFD))


def test_rows_for_one_file(tmp_path, caplog):
    assert read(tmp_path, "a/1.png,Ann\na\\1.png,Ann\n") == {"a/1.png": "Ann"}
    assert "names 1 files again, the first in line 3" in caplog.text
    with pytest.raises(
        ValueError, match=r"names a/1\.png twice, in lines 2 and 4, with different labels"
    ):
        read(tmp_path, "a/1.png,Ann\nb c.png,Ann\na/1.png,Bob\n")


def test_other_capitals_are_told(tmp_path, caplog):
    read(tmp_path, "img.png,Ann\n")
    assert "has 1 names in other capitals than their files, the first is IMG.PNG" in caplog.text


@pytest.mark.parametrize("nothing", ["nan", "NULL", "N/A", "-", "None".upper()])
def test_what_programs_write_for_nothing_is_nobody(tmp_path, nothing):
    with pytest.raises(ValueError, match=f"line 2: the identity is '{nothing}'; leave the cell empty"):
        read(tmp_path, f"a/1.png,{nothing}\n")


def test_people_in_two_unicode_forms_are_one(tmp_path):
    found = read(tmp_path, f"a/1.png,{NFC}\nb c.png,{NFD}\n")
    assert set(found.values()) == {NFC}


@pytest.mark.parametrize(
    ("header", "row", "message"),
    [
        ("filename,expression", "a/1.png,Happy", "line 2: the expression is 'Happy'.*mean 'happy'"),
        ("filename,split", "a/1.png,my split", "line 2: the split is 'my split'; expected letters"),
        ("filename,split", "a/1.png,all", "line 2: the split is 'all'; expected letters"),
        ("filename,split", ",train", "line 2: it names no file"),
    ],
)
def test_cells_that_mean_nothing(tmp_path, header, row, message):
    with pytest.raises(ValueError, match=message):
        read(tmp_path, f"{row}\n", header=header)

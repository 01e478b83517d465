import json
import os

import pytest

from kfer import documents, files
from kfer.documents.reading import Document


class Sizes(Document):
    width: int
    heights: list[float] = []


def read(path):
    return documents.read(path, Sizes, "write it anew")


def test_a_file_is_read_as_it_is(tmp_path):
    content = {"width": 3, "heights": [1.5, 2], "later": {"a": None}}
    (tmp_path / "a.json").write_text(json.dumps(content))
    found = read(tmp_path / "a.json")
    assert (found.width, found.heights, found.content()) == (3, [1.5, 2], content)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({}, "width is missing"),
        ({"width": None}, "width: expected a valid integer; got None"),
        ({"width": 1.0}, "width: expected a valid integer; got 1.0"),
        (
            {"width": 1, "heights": [1, "x", "y"]},
            "heights.1: expected a valid number; got 'x'; and 1 more",
        ),
        ([1], "expected an object in braces; it holds a list"),
    ],
)
def test_a_wrong_field_is_named(tmp_path, content, words):
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(files.DamagedError) as caught:
        read(tmp_path / "a.json")
    assert str(caught.value) == f"{tmp_path / 'a.json'} is damaged ({words}): write it anew"


def test_what_is_no_file_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "folder.json").mkdir()
    for name in ("pipe.json", "folder.json"):
        with pytest.raises(
            files.DamagedError, match="expected a file; it is a folder, a pipe or a device"
        ):
            read(tmp_path / name)
    with pytest.raises(FileNotFoundError, match=r"none\.json"):
        read(tmp_path / "none.json")


def test_a_huge_file_is_not_read(tmp_path):
    with (tmp_path / "a.json").open("wb") as file:
        file.truncate(2**32)
    with pytest.raises(files.DamagedError, match=r"has 4,294,967,296 bytes; at most 67,108,864 are read"):
        read(tmp_path / "a.json")

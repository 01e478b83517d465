"""What of a folder is looked at, and how the rest is told."""

import logging
import os
import socket
import unicodedata
from pathlib import Path

import pytest

from kfer import console, listing
from kfer.listing import LeftOut, Reason


def put(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    return root


def listed(root: Path) -> tuple[list[str], list[tuple[str, Reason]]]:
    left_out = LeftOut(keep=None)
    names = [file.name for file in listing.files(root, left_out)]
    return names, [(name, reason) for name, reason, _ in left_out.named()]


def test_files_come_in_the_order_of_their_paths_with_size_and_time(tmp_path):
    put(tmp_path, "b/2.png", "b/10.png", "a.png", "b.png", "b/a/1.png")
    os.utime(tmp_path / "a.png", ns=(1, 123456789))
    found = list(listing.files(tmp_path))
    assert found[0][:3] == ("a.png", 1, 123456789)
    names = [file.name for file in found]
    assert names == ["a.png", "b/10.png", "b/2.png", "b/a/1.png", "b.png"]
    assert names == [p.relative_to(tmp_path).as_posix() for p in sorted(tmp_path.rglob("*.png"))]


HIDDEN = (
    ".hidden.png",
    ".ipynb_checkpoints/1.png",
    "Ann/.thumbnails/1.png",
    "Ann/._1.png",
    "__MACOSX/1.png",
    "Thumbs.db",
    "Ann/desktop.ini",
    ".DS_Store",
    "$RECYCLE.BIN/1.png",
    "System Volume Information/1.png",
    "lost+found/1.png",
    "@eaDir/1.png",
    "Ann/#recycle/1.png",
)


def test_hidden_and_system_files_are_passed_over(tmp_path):
    put(tmp_path, "Ann/1.png", *HIDDEN)
    names, left_out = listed(tmp_path)
    assert names == ["Ann/1.png"]
    assert len(left_out) == len(HIDDEN) and {reason for _, reason in left_out} == {Reason.HIDDEN}
    assert all(not listing.is_shown(name) for name in HIDDEN) and listing.is_shown("Ann/1.png")


def test_a_hidden_folder_that_was_asked_for_is_listed(tmp_path):
    assert listed(put(tmp_path / ".mine", "1.png"))[0] == ["1.png"]


def test_links_to_files_and_folders_are_followed(tmp_path):
    put(tmp_path / "disk", "sad/1.png", "2.png")
    root = put(tmp_path / "faces", "happy/1.png")
    (root / "sad").symlink_to(tmp_path / "disk" / "sad")
    (root / "2.png").symlink_to("../disk/2.png")
    (tmp_path / "linked").symlink_to(root)
    assert listed(tmp_path / "linked") == (["2.png", "happy/1.png", "sad/1.png"], [])


def test_links_in_a_circle_and_broken_links_are_named(tmp_path):
    root = put(tmp_path / "faces", "a/1.png")
    (root / "a" / "up").symlink_to("..")
    (root / "a" / "self").symlink_to("self")
    (root / "gone.png").symlink_to("nowhere.png")
    names, left_out = listed(root)
    assert names == ["a/1.png"]
    assert left_out == [
        ("a/self", Reason.CIRCLE),
        ("a/up", Reason.CIRCLE),
        ("gone.png", Reason.BROKEN_LINK),
    ]


def test_folders_that_link_to_each_other_come_to_an_end(tmp_path):
    for name in "abcdef":
        put(tmp_path, f"{name}/1.png")
        for other in "abcdef".replace(name, ""):
            (tmp_path / name / other).symlink_to(f"../{other}")
    names, left_out = listed(tmp_path)
    assert names[0] == "a/1.png" and len(names) < 5000
    assert {reason for _, reason in left_out} == {Reason.CIRCLE}


def test_what_is_no_file_is_never_opened(tmp_path, monkeypatch):
    put(tmp_path, "1.png")
    os.mkfifo(tmp_path / "pipe.png")
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind("socket.png")
        names, left_out = listed(tmp_path)
    assert names == ["1.png"]
    assert left_out == [("pipe.png", Reason.SPECIAL), ("socket.png", Reason.SPECIAL)]


def test_a_name_that_is_not_utf8_is_named_in_printable_form(tmp_path):
    put(tmp_path, "1.png")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png")).write_bytes(b"x")
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    put(folder, "2.png")
    names, left_out = listed(tmp_path)
    assert names == ["1.png"]
    assert sorted(left_out) == [("\\xff", Reason.NOT_TEXT), ("caf\\xe9.png", Reason.NOT_TEXT)]


def test_unreadable_files_and_folders_are_named(tmp_path, monkeypatch):
    """Root may read everything, so the system's answer is made up."""
    put(tmp_path, "1.png", "locked.png", "shut/2.png")
    names_of = os.listdir
    monkeypatch.setattr(os, "access", lambda path, mode: not path.endswith("locked.png"))

    def refused(path):
        if path.endswith("shut"):
            raise PermissionError(13, "Permission denied", path)
        return names_of(path)

    monkeypatch.setattr(os, "listdir", refused)
    names, left_out = listed(tmp_path)
    assert names == ["1.png"]
    assert left_out == [("locked.png", Reason.UNREADABLE), ("shut", Reason.UNREADABLE)]


def test_the_order_is_one_in_both_forms_of_unicode(tmp_path):
    orders = []
    for form in ("NFC", "NFD"):
        root = put(
            tmp_path / form, *(unicodedata.normalize(form, name) for name in ("Jos\u00e9", "Josf"))
        )
        orders.append([listing.composed(name) for name in listed(root)[0]])
    assert orders[0] == orders[1] == ["Josf", "Jos\u00e9"]


def test_a_folder_that_is_not_there_or_none(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        list(listing.files(tmp_path / "nowhere"))
    with pytest.raises(NotADirectoryError, match=r"1\.png"):
        list(listing.files(put(tmp_path, "1.png") / "1.png"))


def test_pictures_are_chosen_by_endings_and_others_are_told(tmp_path, caplog):
    put(tmp_path, "1.JPG", "2.jpeg", "a/3.WebP", "a/4.AVIF", "5.avif", "6.psd", "notes.txt", "README")
    put(tmp_path, *(f"more/{number}.avif" for number in range(3)), ".DS_Store")
    left_out = LeftOut()
    assert list(listing.pictures(tmp_path, left_out)) == ["1.JPG", "2.jpeg", "a/3.WebP"]
    assert left_out.count == 8
    left_out.log(logging.getLogger("kfer.test"), tmp_path)
    assert caplog.records[0].levelname == "WARNING"
    assert caplog.records[0].getMessage() == (
        f"Left out of {tmp_path}: 1 hidden (.DS_Store), "
        "5 .avif, a format that is not read (5.avif, a/4.AVIF, more/0.avif and 2 more), "
        "1 .psd, a format that is not read (6.psd), "
        "1 without the ending of what is read (README), 1 .txt (notes.txt)"
    )
    assert left_out.content()[0] == {"reason": "hidden", "count": 1, "names": [".DS_Store"]}


def test_hidden_files_alone_are_no_warning(tmp_path, caplog):
    left_out = LeftOut()
    assert not list(listing.pictures(put(tmp_path, ".DS_Store"), left_out))
    with caplog.at_level(logging.INFO):
        left_out.log(logging.getLogger("kfer.test"), tmp_path)
        LeftOut().log(logging.getLogger("kfer.test"), tmp_path)
    assert [record.levelname for record in caplog.records] == ["INFO"]


def test_many_different_endings_stay_one_line():
    left_out = LeftOut()
    assert not list(listing.chosen((f"a.{number}" for number in range(1000)), left_out))
    assert left_out.count == 1000 and len(str(left_out)) < 1000


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Jos\u00e9/1.png", "Jos\u00e9/1.png"),
        (os.fsdecode(b"caf\xe9"), "caf\\xe9"),
        ("two\nlines\x1b[31m", "two\\nlines\\x1b[31m"),
        ("\ud800", "\\ud800"),
        ("a\tb", "a\\tb"),
        # A joiner, which Persian names have, is no control character.
        ("\u06cc\u200c\u06a9", "\u06cc\u200c\u06a9"),
    ],
)
def test_every_name_can_be_printed(name, told):
    assert console.printable(name) == told
    told.encode()


def test_endings():
    names = ("a/b.c/d", "a/.png", "a.tar.GZ", "d.", "x")
    assert [listing.ending_of(name) for name in names] == ["", "", ".gz", ".", ""]


def test_a_million_files_are_not_held(tmp_path):
    """They come one by one: the first is there before the others are looked at."""
    put(tmp_path, *(f"{folder}/{number}.png" for folder in "ab" for number in range(3)))
    found = listing.files(tmp_path)
    assert next(found).name == "a/0.png"
    put(tmp_path, "b/9.png")
    assert sum(1 for _ in found) == 6

import dataclasses
import errno
import multiprocessing
import os
import pickle
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kfer import files, writing


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_replaced_at_once_and_keeps_its_permissions(tmp_path: Path):
    file = tmp_path / "a.json"
    file.write_text("before")
    file.chmod(0o640)
    with writing.replacing(file) as new:
        new.write_text("after")
        assert file.read_text() == "before"
        assert new.name == file.name
        assert stat.S_IMODE(new.parents[1].stat().st_mode) == 0o700
    assert file.read_text() == "after"
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert names(tmp_path) == ["a.json"]


def test_a_new_file_has_the_usual_permissions(tmp_path: Path):
    before = os.umask(0o027)
    try:
        files.write_text(tmp_path / "a", "")
        with writing.replacing_folder(tmp_path / "b"):
            pass
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "b").stat().st_mode) == 0o750


def test_what_fails_leaves_what_was_there(tmp_path: Path):
    (tmp_path / "a").write_text("before")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "c").write_text("before")
    with pytest.raises(KeyboardInterrupt), writing.replacing(tmp_path / "a") as new:
        new.write_text("half")
        raise KeyboardInterrupt
    with pytest.raises(ZeroDivisionError), writing.replacing_folder(tmp_path / "b") as new:
        (new / "d").write_text("half")
        raise ZeroDivisionError
    assert (tmp_path / "a").read_text() == "before"
    assert [path.name for path in (tmp_path / "b").iterdir()] == ["c"]
    assert names(tmp_path) == ["a", "b"]


def test_a_folder_is_replaced_with_all_it_holds(tmp_path: Path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "old").touch()
    with writing.replacing_folder(tmp_path / "b") as new:
        (new / "new").touch()
    assert names(tmp_path / "b") == ["new"]
    assert names(tmp_path) == ["b"]


def test_an_error_names_the_file_that_was_asked_for(tmp_path: Path):
    with pytest.raises(FileNotFoundError) as caught, writing.replacing(tmp_path / "missing" / "a"):
        pass
    assert caught.value.filename == str(tmp_path / "missing" / "a")
    with pytest.raises(IsADirectoryError) as caught, writing.replacing(tmp_path / "a") as new:
        new.mkdir()
        new.write_text("")
    assert caught.value.filename == str(tmp_path / "a")


def test_planted_links_are_not_followed(tmp_path: Path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    for name in (".a.partial", ".kfer-a.partial", ".a.json.partial", "a.json"):
        (tmp_path / name).symlink_to(victim)
    files.write_json(tmp_path / "a.json", {})
    assert victim.read_text() == "precious"
    assert not (tmp_path / "a.json").is_symlink()


def test_the_longest_names_are_written(tmp_path: Path):
    name = "n" * 251 + ".csv"
    files.write_csv(tmp_path / name, [{"a": 1}])
    assert names(tmp_path) == [name]


@contextmanager
def writer_of(path: Path, folder: bool = False) -> Iterator[int]:
    """A process that is within `replacing`, and its number."""
    name = "replacing_folder" if folder else "replacing"
    source = f"""
import sys, time
from pathlib import Path
from kfer import files
with files.{name}(Path(sys.argv[1])) as new:
    (new / "a" if {folder} else new).write_bytes(b"half")
    print("ready", flush=True)
    time.sleep(600)
"""
    process = subprocess.Popen([sys.executable, "-c", source, str(path)], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield process.pid
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("folder", [False, True])
def test_what_killed_writers_leave_goes_and_what_living_ones_write_stays(tmp_path: Path, folder: bool):
    with writer_of(tmp_path / "a", folder):
        (living,) = names(tmp_path)
        with writer_of(tmp_path / "a", folder) as killed:
            os.kill(killed, signal.SIGKILL)
        assert len(names(tmp_path)) == 2
        files.write_text(tmp_path / "b", "")
        assert names(tmp_path) == sorted([living, "b"])
    files.write_text(tmp_path / "b", "")
    assert names(tmp_path) == ["b"]


def test_a_folder_whose_replacement_was_killed_comes_back(tmp_path: Path):
    partial = tmp_path / ".kfer-abcdefgh.partial"
    (partial / "former" / "b").mkdir(parents=True)
    (partial / "former" / "b" / "old").touch()
    files.write_text(tmp_path / "a", "")
    assert names(tmp_path) == ["a", "b"]
    assert names(tmp_path / "b") == ["old"]


def test_files_of_others_are_no_leftovers(tmp_path: Path):
    for name in (".a.partial", ".kfer-a", "kfer-a.partial"):
        (tmp_path / name).mkdir()
    (tmp_path / ".kfer-b.partial").touch()
    before = set(names(tmp_path))
    files.write_text(tmp_path / "a", "")
    assert set(names(tmp_path)) == {*before, "a"}


def test_large_folders_are_searched_for_leftovers_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    searched = []
    monkeypatch.setattr(
        writing.os, "scandir", lambda path, find=os.scandir: searched.append(path) or find(path)
    )
    for number in range(300):
        (tmp_path / str(number)).touch()
    for _ in range(3):
        files.write_text(tmp_path / "a", "")
    assert searched.count(tmp_path) == 1


def _write(path: Path, text: str) -> None:
    for _ in range(50):
        files.write_text(path, text)


def test_processes_that_write_one_file_do_not_disturb_each_other(tmp_path: Path):
    path, texts = tmp_path / "a", [letter * 100_000 for letter in "abc"]
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_write, args=(path, text)) for text in texts]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert not path.exists() or path.read_text() in texts
        time.sleep(0.001)
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    assert names(tmp_path) == ["a"]


def test_one_at_a_time_holds_a_folder(tmp_path: Path):
    order = []

    def other() -> None:
        with writing.locked(tmp_path):
            order.append("other")

    thread = threading.Thread(target=other)
    with writing.locked(tmp_path):
        thread.start()
        thread.join(0.1)
        order.append("first")
    thread.join()
    assert order == ["first", "other"]
    assert names(tmp_path) == []


def test_a_full_disk_is_named(tmp_path: Path):
    path = tmp_path / "a.json"
    for error in (
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        RuntimeError("database or disk is full"),
        OSError("12800 requested and 512 written"),
        ValueError("RESOURCE_EXHAUSTED: out.tfrecord; No space left on device"),
    ):
        with (
            pytest.raises(
                writing.DiskFullError, match=rf"^the disk is full: {path} cannot be written; noth"
            ) as full,
            writing.replacing(path) as new,
        ):
            new.write_text("half")
            raise error
        assert full.value.__cause__ is error
        assert full.value.errno == errno.ENOSPC
        assert str(pickle.loads(pickle.dumps(full.value))) == str(full.value)
        assert names(tmp_path) == []


def test_an_error_that_gives_no_reason_is_that_of_a_full_disk_where_it_is_full(
    monkeypatch, tmp_path: Path
):
    assert not writing.is_disk_full(OSError("cannot write"), tmp_path / "a" / "b")
    monkeypatch.setattr(writing.shutil, "disk_usage", lambda _: _Usage(free=4096))
    assert writing.is_disk_full(OSError("cannot write"), tmp_path / "a" / "b")
    assert not writing.is_disk_full(ValueError("cannot write"), tmp_path)
    assert not writing.is_disk_full(PermissionError(errno.EACCES, "no"), tmp_path)


@dataclasses.dataclass
class _Usage:
    free: int

import csv
import dataclasses
import errno
import json
import multiprocessing
import os
import pickle
import signal
import stat
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kfer import files
from kfer.settings import TaskSettings, TrainingSettings, default_tasks


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def differences(value: object, found: object) -> list[str]:
    return list(files.differences(value, found, "given"))


def test_equal_settings_do_not_differ():
    for value in (TrainingSettings(), default_tasks(), (1, 2), 0.5):
        assert differences(value, files.plain(value)) == []


def test_a_changed_field_is_named():
    found = files.plain(TrainingSettings(epochs=3))
    assert differences(TrainingSettings(epochs=4), found) == ["given.epochs was 3 and is 4"]


def test_a_changed_field_of_settings_in_a_mapping_is_named():
    tasks = default_tasks()
    changed = {**tasks, "identity": dataclasses.replace(tasks["identity"], weight=0.0)}
    assert differences(changed, files.plain(tasks)) == ["given.identity.weight was 0.1 and is 0.0"]


def test_another_key_makes_mappings_different():
    (said,) = differences({"a": 1, "b": 2}, {"a": 1})
    assert said == "given was {'a': 1} and is {'a': 1, 'b': 2}"


def test_a_setting_that_came_later_must_have_its_default():
    found = {"expression": files.plain(TaskSettings(names=("a", "b")))}
    del found["expression"]["dropout"]
    assert differences({"expression": TaskSettings(names=("a", "b"))}, found) == []
    (said,) = differences({"expression": TaskSettings(names=("a", "b"), dropout=0.5)}, found)
    assert said == "given.expression.dropout was None and is 0.5"


def test_a_table_has_the_columns_of_all_rows(tmp_path: Path):
    files.write_csv(tmp_path / "table.csv", [{"a": 1}, {"a": 2, "b": "x"}])
    with (tmp_path / "table.csv").open(newline="") as file:
        assert list(csv.DictReader(file)) == [{"a": "1", "b": ""}, {"a": "2", "b": "x"}]
    assert [path.name for path in tmp_path.iterdir()] == ["table.csv"]


def test_a_folder_has_one_owner(tmp_path: Path):
    files.claim(tmp_path / "new", "study", "mine")
    files.claim(tmp_path / "new", "study", "mine")
    with pytest.raises(ValueError, match=r"holds the study 'mine', this one is 'yours': give another"):
        files.claim(tmp_path / "new", "study", "yours")
    assert json.loads((tmp_path / "new" / "study.json").read_text()) == {"name": "mine"}


def test_of_files_that_fit_the_newest_is_taken(tmp_path):
    for number, written in ((1, 30), (2, 50), (3, 40)):
        (tmp_path / str(number)).mkdir()
        file = tmp_path / str(number) / "model.keras"
        file.touch()
        os.utime(file, (written, written))
    assert files.newest(str(tmp_path / "*" / "model.keras")) == tmp_path / "2" / "model.keras"
    assert files.newest(str(tmp_path / "3" / "model.keras")) == tmp_path / "3" / "model.keras"
    with pytest.raises(FileNotFoundError, match=r"there is no file .*/\*\.h5"):
        files.newest(str(tmp_path / "*.h5"))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ValueError("no such\nblock"), "(no such block)"),
        (KeyError("name"), "(KeyError 'name')"),
        (zlib.error("bad data"), "(bad data)"),
        (AttributeError("it has no x"), "(it has no x)"),
        (MemoryError(), "(reading it takes more memory than there is)"),
        (RecursionError("maximum"), "(its content is nested too deep)"),
        (OSError("file signature not found"), "(file signature not found)"),
        (OSError(errno.EINVAL, "Invalid argument"), "([Errno 22] Invalid argument)"),
        (StopIteration(), "(StopIteration)"),
        (RuntimeError("\x1b[2J" + 1000 * "x"), "(\\x1b[2J" + 293 * "x" + "...)"),
        (type("PanicException", (BaseException,), {})("index out of range"), "(index out of range)"),
    ],
)
def test_any_failure_of_a_reader_names_the_file_and_what_to_do(error, words):
    with (
        pytest.raises(files.DamagedError) as raised,
        files.named_if_damaged("faces.zip", "fetch it anew"),
    ):
        raise error
    assert str(raised.value) == f"faces.zip is damaged {words}: fetch it anew"
    assert raised.value.__cause__ is error


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
def test_interrupts_are_no_damage(interrupt):
    with pytest.raises(interrupt), files.named_if_damaged("faces.zip", "fetch it anew"):
        raise interrupt


def test_what_the_system_refuses_stays_what_it_is_and_names_the_file():
    full = OSError(errno.ENOSPC, "No space left on device")
    with (
        pytest.raises(OSError, match="left on device: 'faces") as raised,
        files.named_if_damaged("faces", "-"),
    ):
        raise full
    assert raised.value.errno == errno.ENOSPC
    with pytest.raises(FileNotFoundError, match="other"), files.named_if_damaged("faces", "-"):
        Path("other").read_bytes()


def test_the_name_of_an_inner_file_is_kept():
    inner, outer = files.named_if_damaged("inner", "mend it"), files.named_if_damaged("outer", "-")
    with pytest.raises(files.DamagedError, match=r"^inner is damaged \(x\): mend it$"), outer, inner:
        raise ValueError("x")


def test_a_file_is_replaced_at_once_and_keeps_its_permissions(tmp_path: Path):
    file = tmp_path / "a.json"
    file.write_text("before")
    file.chmod(0o640)
    with files.replacing(file) as new:
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
        with files.replacing_folder(tmp_path / "b"):
            pass
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "b").stat().st_mode) == 0o750


def test_what_fails_leaves_what_was_there(tmp_path: Path):
    (tmp_path / "a").write_text("before")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "c").write_text("before")
    with pytest.raises(KeyboardInterrupt), files.replacing(tmp_path / "a") as new:
        new.write_text("half")
        raise KeyboardInterrupt
    with pytest.raises(ZeroDivisionError), files.replacing_folder(tmp_path / "b") as new:
        (new / "d").write_text("half")
        raise ZeroDivisionError
    assert (tmp_path / "a").read_text() == "before"
    assert [path.name for path in (tmp_path / "b").iterdir()] == ["c"]
    assert names(tmp_path) == ["a", "b"]


def test_a_folder_is_replaced_with_all_it_holds(tmp_path: Path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "old").touch()
    with files.replacing_folder(tmp_path / "b") as new:
        (new / "new").touch()
    assert names(tmp_path / "b") == ["new"]
    assert names(tmp_path) == ["b"]


def test_an_error_names_the_file_that_was_asked_for(tmp_path: Path):
    with pytest.raises(FileNotFoundError) as caught, files.replacing(tmp_path / "missing" / "a"):
        pass
    assert caught.value.filename == str(tmp_path / "missing" / "a")
    with pytest.raises(IsADirectoryError) as caught, files.replacing(tmp_path / "a") as new:
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
        files.os, "scandir", lambda path, find=os.scandir: searched.append(path) or find(path)
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
        with files.locked(tmp_path):
            order.append("other")

    thread = threading.Thread(target=other)
    with files.locked(tmp_path):
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
                files.DiskFullError, match=rf"^the disk is full: {path} cannot be written; noth"
            ) as full,
            files.replacing(path) as new,
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
    assert not files.is_disk_full(OSError("cannot write"), tmp_path / "a" / "b")
    monkeypatch.setattr(files.shutil, "disk_usage", lambda _: _Usage(free=4096))
    assert files.is_disk_full(OSError("cannot write"), tmp_path / "a" / "b")
    assert not files.is_disk_full(ValueError("cannot write"), tmp_path)
    assert not files.is_disk_full(PermissionError(errno.EACCES, "no"), tmp_path)


@dataclasses.dataclass
class _Usage:
    free: int


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1+1",
        "-1+1",
        "@SUM(1)",
        "\t=1",
        "\r=1",
        "  =1",
        "'=1",
        "''=1",
        " \t@a",
        "\uff1d1",
        "-",
        "\n=1",
    ],
)
def test_formulas_are_written_as_texts_and_read_as_they_were(tmp_path: Path, text: str):
    files.write_csv(tmp_path / "a.csv", [{"name": text, text: 1}])
    with (tmp_path / "a.csv").open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == [["name", f"'{text}"], [f"'{text}", "1"]]
    assert files.read_csv(tmp_path / "a.csv") == [{"name": text, text: "1"}]


@pytest.mark.parametrize(
    "value", ["Ada", "O'Neil", "'Ada'", "", "a=1", -0.5, "-0.5", "+5", "-1e-05", None, "nan"]
)
def test_other_cells_are_written_unchanged(tmp_path: Path, value):
    files.write_csv(tmp_path / "a.csv", [{"name": value, "last": "x"}])
    written = "" if value is None else str(value)
    assert (tmp_path / "a.csv").read_text() == f"name,last\n{written},x\n"
    assert files.read_csv(tmp_path / "a.csv") == [{"name": written, "last": "x"}]

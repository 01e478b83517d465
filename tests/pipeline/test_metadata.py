import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from kfer.files import DamagedError, DiskFullError
from kfer.pipeline.artifacts import Schema
from kfer.pipeline.metadata import MetadataStore


@pytest.fixture
def root(tmp_path) -> Path:
    """A root with one finished run."""
    store = MetadataStore(tmp_path)
    run = store.start_run("toy", "{}")
    execution = store.start_execution(run, "SchemaGen", "key", {})
    store.complete_execution(execution, {"schema": Schema(tmp_path / "SchemaGen/schema/1")}, "done")
    store.finish_run(run, "COMPLETE")
    store.close()
    return tmp_path


def changed(root: Path, *statements: str) -> None:
    with sqlite3.connect(root / "metadata.sqlite") as db:
        for statement in statements:
            db.execute(statement)
    db.close()


def read(root: Path) -> None:
    """Asks for everything that is in a root."""
    store = MetadataStore(root)
    try:
        for run in store.runs():
            store.executions(run.id)
        store.find_outputs("SchemaGen")
        list(store.newest_executions("SchemaGen"))
    finally:
        store.close()


def refused(root: Path, words: str) -> None:
    with pytest.raises(DamagedError, match=words) as raised:
        read(root)
    assert str(root / "metadata.sqlite") in str(raised.value)
    assert "move it away and run again" in str(raised.value)


def test_what_was_written_is_read(root: Path) -> None:
    read(root)


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE contexts SET settings = CAST(x'ff' AS TEXT)", "UTF-8"),
        ("UPDATE contexts SET settings = x'ff'", "where a str belongs"),
        ("UPDATE contexts SET started = 'yesterday'", "'yesterday' where a float belongs"),
        ("UPDATE contexts SET started = 1e300", "where a float belongs"),
        ("UPDATE artifacts SET type = 'Nothing'", "it has an artifact 'Nothing'"),
        ("UPDATE artifacts SET uri = '/etc'", "at '/etc'"),
        ("UPDATE artifacts SET uri = '../other'", "at '../other'"),
        ("DROP TABLE events", "the table events is missing"),
        ("ALTER TABLE executions RENAME COLUMN key TO lock", "the column key of the table executions"),
        ("CREATE TABLE songs (name TEXT)", "another program's or a later kfer's"),
        ("PRAGMA user_version = 2", "another program's or a later kfer's"),
        ("CREATE VIEW endless AS SELECT 1", "another program's or a later kfer's"),
    ],
)
def test_what_is_wrong_in_the_tables_is_told(root: Path, statement: str, words: str) -> None:
    changed(root, statement)
    refused(root, words)


def test_another_programs_database_is_left_as_it_is(tmp_path) -> None:
    changed(tmp_path, "CREATE TABLE songs (name TEXT)")
    before = (tmp_path / "metadata.sqlite").read_bytes()
    refused(tmp_path, "another program's")
    assert (tmp_path / "metadata.sqlite").read_bytes() == before


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:100],
        lambda content: b"no database at all" * 100,
        lambda content: content[:4096] + b"\xff" * 4096 + content[8192:],
        lambda content: content[:-4096],
        lambda content: content.replace(b"COMPLETE", b"\xffOMPLETE"),
    ],
)
def test_damaged_bytes_are_told(root: Path, damage: Callable[[bytes], bytes]) -> None:
    path = root / "metadata.sqlite"
    path.write_bytes(damage(path.read_bytes()))
    refused(root, "is damaged")


def test_damage_in_the_middle_of_a_run_is_told(root: Path) -> None:
    store = MetadataStore(root)
    run = store.start_run("toy", "{}")
    changed(root, "DROP TABLE executions")
    with pytest.raises(DamagedError, match=r"metadata\.sqlite is damaged \(no such table: executions\)"):
        store.start_execution(run, "SchemaGen", "key", {})
    store.close()


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_what_is_no_file_is_told(tmp_path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "metadata.sqlite")
    refused(tmp_path, "it is no file")


def test_a_lock_of_another_process_is_told(root: Path, monkeypatch) -> None:
    other = sqlite3.connect(root / "metadata.sqlite", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **kwargs: connect(*args, **kwargs, timeout=0))
    with pytest.raises(OSError, match=r"metadata\.sqlite is locked by another process: let that end"):
        read(root)
    other.close()


def test_a_full_disk_is_told(root: Path) -> None:
    store = MetadataStore(root)
    store._db.execute("PRAGMA max_page_count = 1")
    with pytest.raises(DiskFullError, match=r"metadata\.sqlite cannot be written; free some space"):
        store.start_run("toy", "x" * 10**6)
    store.close()

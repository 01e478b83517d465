import json
import os
import shutil
from pathlib import Path

import pytest

from kfer import fingerprints
from kfer.fingerprints import Fingerprint, read


def write(folder: Path, *names: str, content: str = "x") -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)


def changed(reads, change) -> str:
    """What is told of a change; each must also be another digest."""
    before = fingerprints.take(reads)
    assert fingerprints.take(reads) == before
    change()
    after = fingerprints.take(reads)
    assert after.digest != before.digest
    # As a file has it.
    before = Fingerprint.of(json.loads(json.dumps(before.content())))
    return fingerprints.changes(before, after)


@pytest.fixture
def folder(tmp_path):
    write(tmp_path / "mine", "a/1.jpg", "a/2.jpg", "a.b/3.PNG", "notes.md", "labels.csv")
    return tmp_path / "mine"


def replace(path: Path) -> None:
    """Other content of the same size and time, as a copy that keeps times leaves it."""
    before = path.stat()
    path.write_text("y")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def rename(path: Path) -> None:
    path.rename(path.with_name("4.jpg"))


def recreate(folder: Path) -> None:
    shutil.copytree(folder, folder.with_name("copy"))
    shutil.rmtree(folder)
    folder.with_name("copy").rename(folder)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda folder: write(folder, "a/4.jpg", "b/5.jpg"), "2 images new"),
        (lambda folder: (folder / "a/1.jpg").unlink(), "1 image removed"),
        (lambda folder: write(folder, "a/1.jpg", content="yy"), "1 image changed"),
        (lambda folder: replace(folder / "a/1.jpg"), "1 image changed"),
        (lambda folder: rename(folder / "a/1.jpg"), "1 image renamed"),
        (lambda folder: rename(folder / "a"), "2 images renamed"),
        (lambda folder: recreate(folder / "a"), "2 images changed"),
        (shutil.rmtree, "3 images removed"),
    ],
)
def test_each_change_of_a_folder_is_counted(folder, change, told):
    assert changed([read(folder, (".jpg", ".png"))], lambda: change(folder)) == told


def test_what_is_not_read_does_not_count(folder):
    reads = [read(folder, (".jpg",)), read(folder, (".png",), ("a/",))]
    before = fingerprints.take(reads)
    assert before.num_files == 2
    write(folder, "notes.md", "a.b/3.PNG", ".hidden.jpg", ".git/1.jpg", content="other")
    write(folder, "4.avif")
    assert fingerprints.take(reads) == before


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda folder: write(folder, "a/4.avif", "b/5.avif"), "2 files that are left out new"),
        (lambda folder: (folder / "notes.md").unlink(), "1 file that is left out removed"),
        (lambda folder: (folder / "a/0.jpg").symlink_to("gone"), "1 file that is left out new"),
        (
            lambda folder: (folder / "a/1.jpg").rename(folder / "a/1.avif"),
            "1 file that is left out new, 1 image removed",
        ),
    ],
)
def test_what_is_left_out_counts_by_its_name(folder, change, told):
    reads = [read(folder, (".jpg", ".png"), tells=True)]
    before = fingerprints.take(reads)
    assert before.num_files == 3
    write(folder, "notes.md", ".hidden.jpg", content="other")
    assert fingerprints.take(reads) == before
    assert changed(reads, lambda: change(folder)) == told


TABLE = "filename,expression\n1.png,happy\n2.png,happy\n3.png,sad\n"


@pytest.mark.parametrize(
    ("table", "told"),
    [
        (TABLE.replace("2.png,happy", "2.png,sad"), "1 label changed"),
        (TABLE + "4.png,sad\n", "1 label new"),
        (TABLE.replace("1.png,happy\n", ""), "1 label removed"),
        (TABLE.replace("1.png,happy", "1.png,fear") + "4.png,sad\n", "1 label new, 1 label changed"),
        ("filename,expression\n3.png,sad\n1.png,happy\n2.png,happy\n", "1 table changed"),
    ],
)
def test_labels_of_a_table_are_counted(tmp_path, table, told):
    write(tmp_path, "labels.csv", content=TABLE)
    reads = [read(tmp_path / "labels.csv")]
    assert changed(reads, lambda: write(tmp_path, "labels.csv", content=table)) == told


def test_a_table_that_is_saved_again_is_the_same(tmp_path):
    write(tmp_path, "labels.csv", content=TABLE)
    before = fingerprints.take([read(tmp_path / "labels.csv")])
    os.utime(tmp_path / "labels.csv", (0, 0))
    assert fingerprints.take([read(tmp_path / "labels.csv")]) == before


def test_files_and_tables_that_come_and_go(tmp_path):
    reads = [read(tmp_path / name) for name in ("faces.zip", "labels.csv", "pairs.txt")]
    assert changed(reads, lambda: write(tmp_path, "faces.zip")) == "1 archive new"
    assert changed(reads, lambda: write(tmp_path, "faces.zip")) == "1 archive changed"
    told = changed(reads, lambda: write(tmp_path, "labels.csv", content=TABLE))
    assert told == "3 labels new"
    assert changed(reads, lambda: write(tmp_path, "pairs.txt", content="1\n2\n")) == "2 lines new"
    assert changed(reads, lambda: (tmp_path / "faces.zip").unlink()) == "1 archive removed"


def test_large_tables_are_compared_by_their_times(tmp_path, monkeypatch):
    monkeypatch.setattr(fingerprints, "_LARGEST_TABLE", 10)
    write(tmp_path, "labels.csv", content=TABLE)
    told = changed([read(tmp_path / "labels.csv")], lambda: replace(tmp_path / "labels.csv"))
    assert told == "1 file changed"


def test_a_folder_that_is_only_looked_for(tmp_path):
    reads = [read(tmp_path / "lfw", ())]
    assert changed(reads, lambda: (tmp_path / "lfw").mkdir()) == ""
    before = fingerprints.take(reads)
    write(tmp_path / "lfw", "a.jpg")
    assert fingerprints.take(reads) == before


def test_links_count_by_what_they_lead_to(tmp_path, folder):
    write(tmp_path / "other", "a/1.jpg")
    link = tmp_path / "link"
    link.symlink_to(folder)
    assert fingerprints.take([read(link)]) == fingerprints.take([read(folder)])
    before = fingerprints.take([read(link)])
    link.unlink()
    link.symlink_to(tmp_path / "other")
    assert fingerprints.take([read(link)]).digest != before.digest
    within = folder / "a" / "1.jpg"
    within.unlink()
    within.symlink_to(tmp_path / "other/a/1.jpg")
    told = changed([read(folder)], lambda: replace(tmp_path / "other/a/1.jpg"))
    assert told == "1 image changed"


def test_paths_of_one_folder_are_one(tmp_path, folder, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert fingerprints.take([read("mine")]) == fingerprints.take([read(folder)])


def test_names_that_are_no_text_or_odd(tmp_path):
    write(tmp_path, "a\tb.jpg", "line\nbreak.jpg", "ü.jpg")
    told = changed([read(tmp_path)], lambda: (tmp_path / "line\nbreak.jpg").unlink())
    assert told == "1 image removed"


def test_a_damaged_fingerprint_is_an_error(tmp_path):
    content = fingerprints.take([read(tmp_path)]).content()
    for damaged in ({}, {**content, "packed": content["packed"][:-5]}, {**content, "num_files": None}):
        with pytest.raises(ValueError, match="fingerprint"):
            Fingerprint.of(damaged)


@pytest.mark.slow
def test_a_million_files_take_at_most_a_minute(tmp_path):
    """Prints CPU seconds and memory; the files are removed at the end."""
    import resource
    import time
    import tracemalloc

    try:
        for number in range(1_000):
            place = tmp_path / f"{number:04}"
            place.mkdir()
            for each in range(1_000):
                os.close(os.open(place / f"{each:04}.jpg", os.O_CREAT | os.O_WRONLY))
        start = time.process_time(), time.perf_counter()
        found = fingerprints.take([read(tmp_path, (".jpg",))])
        cpu, wall = time.process_time() - start[0], time.perf_counter() - start[1]
        assert found.num_files == 1_000_000
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"\n1,000,000 files: {cpu:.1f} s of CPU, {wall:.1f} s, packed {len(found.packed):,} bytes,"
              f" peak memory of the process {peak:.0f} MB")  # fmt: skip
        assert cpu <= 60
        (tmp_path / "0500" / "0500.jpg").write_text("x")
        start = time.process_time()
        later = fingerprints.take([read(tmp_path, (".jpg",))])
        assert fingerprints.changes(found, later) == "1 image changed"
        print(f"and {time.process_time() - start:.1f} s of CPU to take and compare another")
        tracemalloc.start()
        fingerprints.take([read(tmp_path, (".jpg",))])
        print(f"at most {tracemalloc.get_traced_memory()[1] / 1e6:.0f} MB while it is taken")
        tracemalloc.stop()
    finally:
        shutil.rmtree(tmp_path)

"""Prepared data follow their source, whatever builder prepares them."""

import contextlib
import importlib
import importlib.util
import logging
import pkgutil
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow_datasets as tfds

from kfer import datasets, fingerprints, spec
from kfer.datasets import preparation

FACE = b"\x89PNG any bytes"


def neighbour(name: str) -> Any:
    """A test module of this folder, whose small datasets are used here too."""
    path = Path(__file__).with_name(f"test_{name}.py")
    found = importlib.util.spec_from_file_location(f"neighbour_{name}", path)
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def write(path: Path, content: bytes | str = FACE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def pack(folder: Path, archive: Path, *more: str) -> None:
    with zipfile.ZipFile(archive, "w") as packed:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                packed.write(path, path.relative_to(folder).as_posix())
        for name in more:
            packed.writestr(name, FACE)


@dataclass
class Case:
    """A small source of a builder, and a change of it.

    Attributes:
        name: Of the dataset.
        make: Writes the source into a folder, which is the data folder.
        change: Changes it.
        told: What the log says of the change.
        arguments: From the folder, those of the builder.
    """

    name: str
    make: Callable[[Path], object]
    change: Callable[[Path], object]
    told: str
    arguments: Callable[[Path], dict[str, Any]] = field(default=lambda folder: {})

    def prepare(self, folder: Path, into: Path, afresh: bool = False) -> tfds.core.DatasetBuilder:
        builder = datasets.builder(self.name, into, **self.arguments(folder))
        datasets.prepare(builder, folder, afresh)
        return builder


def mine(folder: Path) -> None:
    for name in ("train/happy/1.png", "train/sad/2.png"):
        write(folder / "mine" / name)
    write(
        folder / "mine/labels.csv", "filename,expression\ntrain/happy/1.png,happy\ntrain/sad/2.png,sad\n"
    )


def fer2013_folders(folder: Path) -> None:
    for name, content in neighbour("fer2013").fake_images().items():
        write(folder / "fer2013" / name, content)


def fer2013_plus(folder: Path) -> None:
    fer2013 = neighbour("fer2013")
    images = fer2013.fake_images()
    fer2013.write_zip(folder / "fer2013", images)
    fer2013.write_ferplus(folder / "ferplus", [fer2013.ANGRY_VOTES] * len(images), list(images))


def zipped(folder: Path) -> None:
    mine(folder)
    pack(folder / "mine", folder / "mine.zip")


def new_people(folder: Path) -> None:
    shutil.copytree(folder / "orl_faces/s2", folder / "orl_faces/s3")


def clip_folder(folder: Path) -> None:
    neighbour("clip_folder").write_all(folder / "clips")


def image_folder(folder: Path) -> dict[str, Any]:
    return {"path": str(folder / "mine"), "task": "expression"}


def image_table(folder: Path) -> dict[str, Any]:
    return {"path": str(folder / "mine"), "labels": "labels.csv"}


CASES = [
    Case(
        "image_folder",
        mine,
        lambda folder: write(folder / "mine/train/happy/3.png"),
        "1 image new",
        image_folder,
    ),
    Case(
        "image_folder",
        mine,
        lambda folder: edit(folder / "mine/labels.csv", "2.png,sad", "2.png,happy"),
        "1 label changed",
        image_table,
    ),
    Case(
        "image_folder",
        zipped,
        lambda folder: pack(folder / "mine", folder / "mine.zip", "train/sad/3.png"),
        "1 archive changed",
        lambda folder: {"path": str(folder / "mine.zip"), "task": "expression"},
    ),
    Case(
        "clip_folder",
        clip_folder,
        lambda folder: shutil.copy(folder / "clips/train/happy/1.avi", folder / "clips/train/sad/9.avi"),
        "1 recording new",
        lambda folder: {"path": str(folder / "clips"), "task": "expression"},
    ),
    Case(
        "fer2013",
        fer2013_folders,
        lambda folder: (folder / "fer2013/train/sad/Training_5.jpg").rename(
            folder / "fer2013/train/happy/Training_5.jpg"
        ),
        "1 image renamed",
    ),
    Case(
        "fer2013/ferplus_majority",
        fer2013_plus,
        lambda folder: edit(folder / "ferplus/fer2013new.csv", ",7,", ",3,"),
        "1 label changed",
    ),
    Case(
        "lfw",
        lambda folder: neighbour("lfw").write_all(folder),
        lambda folder: edit(folder / "lfw/expression_legend.csv", "HAPPINESS", "FEAR"),
        "1 label changed",
    ),
    Case(
        "lfw/pairs",
        lambda folder: neighbour("lfw").write_all(folder),
        lambda folder: edit(folder / "lfw/pairsDevTrain.txt", "Person_6\t2", "Person_6\t1"),
        "1 line changed",
    ),
    Case(
        "cmu_faces",
        lambda folder: neighbour("cmu_faces").write_all(folder),
        lambda folder: (folder / "cmu_faces/faces/bpm/bpm_up_happy_sunglasses.pgm").unlink(),
        "1 image removed",
    ),
    Case("orl", lambda folder: neighbour("orl").write_all(folder), new_people, "2 images new"),
    Case(
        "vggface2",
        lambda folder: neighbour("vggface2").write_all(folder),
        lambda folder: edit(folder / "vggface2/bb_landmark/loose_bb_train.csv", "10,20", "11,20"),
        "1 label changed",
    ),
    Case(
        "ravdess",
        lambda folder: neighbour("ravdess").write_all(folder),
        lambda folder: (folder / "ravdess/Actor_01/03-01-02-01-01-01-01.wav").unlink(),
        "1 sound removed",
    ),
    Case(
        "crema_d",
        lambda folder: neighbour("crema_d").write_all(folder),
        lambda folder: (folder / "crema_d/AudioWAV/1001_IEO_HAP_HI.wav").unlink(),
        "1 sound removed",
    ),
]


@pytest.fixture
def generated_times(monkeypatch) -> list[str]:
    """The datasets that were generated, one after the other."""
    found: list[str] = []
    generate = preparation._generate

    def count(dataset, download_dir):
        found.append(dataset.name)
        generate(dataset, download_dir)

    monkeypatch.setattr(preparation, "_generate", count)
    return found


def rows(builder: tfds.core.DatasetBuilder) -> int:
    return sum(split.num_examples for split in builder.info.splits.values())


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.name}: {case.told}")
def test_a_change_of_the_source_is_seen_and_told(case, tmp_path, caplog, generated_times):
    data = tmp_path / "data"
    data.mkdir()
    case.make(data)
    first = case.prepare(data, tmp_path / "prepared")
    again = case.prepare(data, tmp_path / "prepared")
    assert again.data_dir == first.data_dir
    assert rows(again) == rows(first)
    assert len(generated_times) == 1
    case.change(data)
    with caplog.at_level(logging.INFO, "kfer"):
        changed = case.prepare(data, tmp_path / "prepared")
    assert len(generated_times) == 2
    assert f"{case.told} since it was prepared" in caplog.text
    assert str(data) in caplog.text
    assert changed.data_dir != first.data_dir
    assert tfds.builder_from_directory(changed.data_dir).info.full_name == first.info.full_name
    case.prepare(data, tmp_path / "prepared")
    assert len(generated_times) == 2
    # What was prepared before is out of date.
    assert [path.parent.parent for path in (tmp_path / "prepared").rglob("dataset_info.json")] == [
        Path(changed.data_dir).parent
    ]


def add_unread(data: Path) -> None:
    """Puts a picture of a format that is not read into each archive, and beside each other picture."""
    for archive in (*data.rglob("*.zip"), *data.rglob("*.tar.gz"), *data.rglob("*.tgz")):
        folder = archive.with_name("unpacked")
        shutil.unpack_archive(archive, folder)
        write(next(each for each in folder.rglob("*") if each.is_file()).with_name("0.avif"))
        if archive.suffix == ".zip":
            pack(folder, archive)
        else:
            with tarfile.open(archive, "w:gz") as packed:
                packed.add(folder, "")
        shutil.rmtree(folder)
    for name in (".jpg", ".pgm", ".mp4", ".flv"):
        for file in data.rglob(f"*{name}"):
            write(file.with_name("0.avif"))


@pytest.mark.parametrize(
    "case", [case for case in CASES if not case.name.endswith("_folder")], ids=lambda case: case.name
)
def test_what_a_published_dataset_leaves_out_is_kept_for_the_report(case, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    case.make(data)
    add_unread(data)
    builder = case.prepare(data, tmp_path / "prepared")
    builder = tfds.builder_from_directory(builder.data_dir)
    told = builder.info.metadata["left_out"]
    assert {row["reason"] for row in told} == {".avif, a format that is not read"}, told
    assert all(name.endswith("0.avif") for row in told for name in row["names"])


def test_every_builder_is_tried():
    own = {module.name for module in pkgutil.iter_modules(datasets.__path__)}
    own = {name for name in own if datasets._builder_class(name) is not None}
    drawn = {"synthetic", "synthetic_clips", "generated"}
    assert {case.name.partition("/")[0] for case in CASES} | drawn == own


FOLDER, TABLE = CASES[0], CASES[1]


@pytest.fixture
def data(tmp_path) -> Path:
    (tmp_path / "data").mkdir()
    mine(tmp_path / "data")
    return tmp_path / "data"


def test_a_builder_that_is_prepared_again_has_other_people(tmp_path, data):
    arguments = {"path": data / "mine", "task": "identity"}
    builder = datasets.builder("image_folder", tmp_path / "prepared", **arguments)
    datasets.prepare(builder, "")
    assert builder.info.features[spec.IDENTITY].names == ["happy", "sad"]
    write(data / "mine/train/bob/1.png")
    datasets.prepare(builder, "")
    assert builder.info.features[spec.IDENTITY].names == ["bob", "happy", "sad"]
    raw = builder.as_dataset(split="train", decoders={spec.IMAGE: tfds.decode.SkipDecoding()})
    assert len(list(raw)) == 3


def test_a_table_that_gains_a_column(tmp_path, data):
    table = data / "mine/labels.csv"
    assert spec.IDENTITY not in TABLE.prepare(data, tmp_path / "prepared").info.features
    table.write_text("filename,expression,identity\ntrain/sad/2.png,sad,Ann\n")
    assert TABLE.prepare(data, tmp_path / "prepared").info.features[spec.IDENTITY].names == ["Ann"]


def test_what_is_not_read_is_no_change(tmp_path, data, generated_times):
    write(data / "mine/notes.md", "x")
    FOLDER.prepare(data, data / "mine/.prepared")
    write(data / "mine/notes.md", "other")
    write(data / "mine/.hidden/train/sad/3.png")
    FOLDER.prepare(data, data / "mine/.prepared")
    assert len(generated_times) == 1


def test_what_is_told_as_left_out_follows_the_folder(tmp_path, data, caplog):
    FOLDER.prepare(data, tmp_path / "prepared")
    write(data / "mine/train/sad/3.avif")
    with caplog.at_level(logging.INFO, "kfer"):
        builder = FOLDER.prepare(data, tmp_path / "prepared")
    assert "1 file that is left out new since it was prepared" in caplog.text
    assert "train/sad/3.avif" in str(builder.info.metadata["left_out"])


def test_prepared_data_within_what_is_read_are_refused(data):
    with pytest.raises(ValueError, match=r"mine/prepared lies in .*mine, whose files are read"):
        FOLDER.prepare(data, data / "mine/prepared")
    assert not (data / "mine/prepared").exists()


def test_afresh_is_prepared_again(tmp_path, data, caplog, generated_times):
    first = FOLDER.prepare(data, tmp_path / "prepared")
    with caplog.at_level(logging.INFO, "kfer"):
        again = FOLDER.prepare(data, tmp_path / "prepared", afresh=True)
    assert len(generated_times) == 2
    assert "as asked" in caplog.text
    assert rows(again) == rows(first)


def test_other_code_is_prepared_again(tmp_path, data, caplog, monkeypatch, generated_times):
    FOLDER.prepare(data, tmp_path / "prepared")
    monkeypatch.setattr(preparation.source_code, "digest", lambda *_: "of another code")
    with caplog.at_level(logging.INFO, "kfer"):
        FOLDER.prepare(data, tmp_path / "prepared")
    assert len(generated_times) == 2
    assert "code" in caplog.text


def test_two_data_folders_share_nothing(tmp_path, generated_times):
    orl, into = next(case for case in CASES if case.name == "orl"), tmp_path / "prepared"
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
        orl.make(folder)
    new_people(folders[1])
    found = [rows(orl.prepare(folder, into)) for folder in (*folders, *folders)]
    assert found == [6, 8, 6, 8]
    assert len(generated_times) == 2


def test_paths_of_one_folder_share(tmp_path, monkeypatch, generated_times):
    orl = next(case for case in CASES if case.name == "orl")
    orl.make(tmp_path)
    monkeypatch.chdir(tmp_path.parent)
    (tmp_path.parent / f"link to {tmp_path.name}").symlink_to(tmp_path)
    for folder in (tmp_path, Path(tmp_path.name), tmp_path.parent / f"link to {tmp_path.name}"):
        orl.prepare(folder, tmp_path / "prepared")
    (tmp_path.parent / f"link to {tmp_path.name}").unlink()
    mine(tmp_path)
    for path in (tmp_path / "mine", Path(tmp_path.name) / "mine"):
        builder = datasets.builder("image_folder", tmp_path / "prepared", path=path, task="expression")
        datasets.prepare(builder, "")
    assert generated_times == ["kfer_orl", "kfer_image_folder"]


def test_a_link_that_leads_elsewhere(tmp_path, data, generated_times):
    other = tmp_path / "other"
    shutil.copytree(data / "mine", other)
    write(other / "train/sad/3.png")
    link = tmp_path / "link"
    found = []
    for target in (data / "mine", other):
        link.unlink(missing_ok=True)
        link.symlink_to(target)
        arguments = {"path": link, "task": "expression"}
        builder = datasets.builder("image_folder", tmp_path / "prepared", **arguments)
        datasets.prepare(builder, "")
        found.append(rows(builder))
    assert found == [2, 3]


def changes_meanwhile(monkeypatch, change: Callable[[int], object]) -> None:
    generate, times = preparation._generate, iter(range(100))

    def changed(dataset, download_dir):
        generate(dataset, download_dir)
        change(next(times))

    monkeypatch.setattr(preparation, "_generate", changed)


def test_a_source_that_changes_while_it_is_prepared(tmp_path, data, caplog, monkeypatch):
    changes_meanwhile(monkeypatch, lambda time: time or write(data / "mine/train/sad/3.png"))
    builder = FOLDER.prepare(data, tmp_path / "prepared")
    assert rows(builder) == 3
    assert "has changed while it was prepared (1 image new): it is prepared again" in caplog.text
    assert str(data / "mine") in caplog.text


def test_a_source_that_changes_all_the_time(tmp_path, data, monkeypatch):
    changes_meanwhile(monkeypatch, lambda time: write(data / f"mine/train/sad/3{time}.png"))
    with pytest.raises(ValueError, match=r"data/mine changes while it is prepared \(1 image new\)"):
        FOLDER.prepare(data, tmp_path / "prepared")
    assert not list((tmp_path / "prepared").rglob("*.tfrecord*"))


def test_a_lost_shard_and_a_lost_record_are_made_again(tmp_path, data, generated_times):
    for pattern in ("*/*.tfrecord*", "source.json", "*/dataset_info.json"):
        builder = FOLDER.prepare(data, tmp_path / "prepared")
        for path in Path(builder.data_dir).parent.glob(pattern):
            path.unlink()
        again = FOLDER.prepare(data, tmp_path / "prepared")
        raw = again.as_dataset(split="train", decoders={spec.IMAGE: tfds.decode.SkipDecoding()})
        assert len(list(raw)) == 2
    assert len(generated_times) == 4


def test_a_damaged_record_only_costs_the_words(tmp_path, data, caplog, generated_times):
    builder = FOLDER.prepare(data, tmp_path / "prepared")
    (Path(builder.data_dir).parent / "source.json").write_text("{")
    write(data / "mine/train/sad/3.png")
    with caplog.at_level(logging.INFO, "kfer"):
        FOLDER.prepare(data, tmp_path / "prepared")
    assert len(generated_times) == 2
    assert str(data) in caplog.text


def test_what_a_killed_preparation_leaves_is_removed(tmp_path, data):
    folder = Path(FOLDER.prepare(data, tmp_path / "prepared").data_dir).parent
    left = folder.with_name(f"{folder.name[:-12]}{'0' * 12}") / "incomplete.ABC123_1.0.0"
    left.mkdir(parents=True)
    FOLDER.prepare(data, tmp_path / "prepared")
    assert not left.parent.exists()


def test_generated_faces_follow_their_generator(tmp_path, toy_generators, generated_times):
    shutil.copytree(toy_generators / "grey", tmp_path / "grey")
    arguments = {"generator": str(tmp_path / "grey/1/generator.tflite"), "counts": 1}
    for _ in range(2):
        datasets.prepare(datasets.builder("generated", tmp_path / "prepared", **arguments), "")
    assert len(generated_times) == 1
    shutil.copytree(toy_generators / "grey", tmp_path / "grey", dirs_exist_ok=True)
    datasets.prepare(datasets.builder("generated", tmp_path / "prepared", **arguments), "")
    assert len(generated_times) == 2


def test_drawn_faces_are_prepared_once(tmp_path, generated_times):
    few = dict.fromkeys(("num_identities", "num_heldout_identities"), 2)
    few |= dict.fromkeys(("examples_per_identity", "heldout_examples_per_identity"), 1)
    for _ in range(2):
        builder = datasets.builder("synthetic", tmp_path, **few, image_size=32)
        datasets.prepare(builder, "")
        assert datasets.reads(builder, "") == []
    assert len(generated_times) == 1


#: A process that prepares, says so, and ends when its input does.
OTHER = """
import sys
from kfer import datasets
from kfer.datasets import preparation
data, into, waits = sys.argv[1:]
generate = preparation._generate
def told(dataset, download_dir):
    print("generates", flush=True)
    if waits == "within":
        sys.stdin.readline()
    generate(dataset, download_dir)
preparation._generate = told
builder = datasets.builder("image_folder", into, path=f"{data}/mine", task="expression")
datasets.prepare(builder, "")
print("prepared", sum(split.num_examples for split in builder.info.splits.values()), flush=True)
sys.stdin.readline()
"""


@contextlib.contextmanager
def another(data: Path, into: Path, waits: str = ""):
    command = [sys.executable, "-c", OTHER, str(data), str(into), waits]
    process = subprocess.Popen(command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_what_another_process_reads_is_not_removed(tmp_path, data):
    into = tmp_path / "prepared"
    with another(data, into) as process:
        assert [process.stdout.readline() for _ in range(2)] == ["generates\n", "prepared 2\n"]
        write(data / "mine/train/sad/3.png")
        FOLDER.prepare(data, into)
        again = FOLDER.prepare(data, into, afresh=True)
        assert len(list(into.rglob("dataset_info.json"))) == 2
    FOLDER.prepare(data, into)
    assert [path.parent for path in into.rglob("dataset_info.json")] == [Path(again.data_dir)]


def test_two_processes_prepare_once(tmp_path, data):
    into = tmp_path / "prepared"
    with another(data, into, "within") as one:
        assert one.stdout.readline() == "generates\n"
        with another(data, into) as other:
            one.stdin.write("\n")
            one.stdin.flush()
            assert one.stdout.readline() == "prepared 2\n"
            # It has waited, or has come when all was done.
            assert other.stdout.readline() == "prepared 2\n"


def test_a_folder_of_tfds_own_is_kept(tmp_path):
    class Others(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            features = tfds.features.FeaturesDict({"number": np.int64})
            return tfds.core.DatasetInfo(builder=self, features=features)

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples()}

        def _generate_examples(self):
            yield 0, {"number": 0}

    builder = Others(data_dir=str(tmp_path))
    folder = builder.data_dir
    datasets.prepare(builder, "")
    before = (Path(folder) / "dataset_info.json").stat().st_mtime_ns
    datasets.prepare(builder, "")
    assert builder.data_dir == folder
    assert (Path(folder) / "dataset_info.json").stat().st_mtime_ns == before
    datasets.prepare(builder, "", afresh=True)
    assert (Path(folder) / "dataset_info.json").stat().st_mtime_ns > before
    assert fingerprints.take(datasets.reads(builder, tmp_path)).num_files == 0

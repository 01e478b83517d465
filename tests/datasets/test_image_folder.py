import json
import logging
import os
import shutil
import tempfile
import unicodedata
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from kfer import datasets, files, knowledge, spec
from kfer.datasets.image_folder import KferImageFolder
from kfer.input_pipeline.ingestion import write_sources
from kfer.media import png
from kfer.settings import DataSettings, SourceSettings

NAMES = ["train/happy/1.jpg", "train/sad/2.png", "test/happy/3.jpeg"]
CSV = (
    "filename,split,expression,identity\n"
    "train/happy/1.jpg,train,happy,Ann\n"
    "train/sad/2.png,train,,Bob\n"
    "test/happy/3.jpeg,test,sad,\n"
)


def write_all(folder: Path, table: str = "") -> Path:
    rng = np.random.default_rng(0)
    for name in NAMES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (8, 8, 3), np.uint8)
        (folder / name).write_bytes(cv2.imencode(Path(name).suffix, pixels)[1].tobytes())
    if table:
        (folder / "labels.csv").write_text(table)
    return folder


def prepared(tmp_path: Path, **arguments: Any) -> tfds.core.DatasetBuilder:
    builder = datasets.builder("image_folder", tmp_path / "prepared", **arguments)
    datasets.prepare(builder, "")
    return tfds.builder_from_directory(builder.data_dir)


def examples(builder: tfds.core.DatasetBuilder, split: str) -> dict[str, dict]:
    raw = builder.as_dataset(split=split, decoders={spec.IMAGE: tfds.decode.SkipDecoding()})
    return {row[spec.FILENAME].decode(): row for row in tfds.as_numpy(raw)}


class TestBuilder(tfds.testing.DatasetBuilderTestCase):
    DATASET_CLASS = KferImageFolder
    SPLITS = {"train": 2, "test": 1}

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.EXAMPLE_DIR = folder.name
        write_all(Path(folder.name))
        super().setUpClass()

    def _make_builder(self, config=None):
        return KferImageFolder(path=self.EXAMPLE_DIR, task="expression", data_dir=self.tmp_dir)


def test_folders_label_expressions(tmp_path):
    folder = write_all(tmp_path / "mine")
    builder = prepared(tmp_path, path=folder, task="expression")
    assert spec.IDENTITY not in builder.info.features
    rows = examples(builder, "train") | examples(builder, "test")
    labels = {name: spec.EXPRESSIONS[row[spec.EXPRESSION]] for name, row in rows.items()}
    assert labels == dict(zip(NAMES, ("happy", "sad", "happy"), strict=True))
    assert all(row[spec.IMAGE] == (folder / name).read_bytes() for name, row in rows.items())


def test_folders_label_identities(tmp_path):
    builder = prepared(tmp_path, path=write_all(tmp_path / "mine"), task="identity")
    assert spec.EXPRESSION not in builder.info.features
    assert builder.info.features[spec.IDENTITY].names == ["happy", "sad"]


def test_csv_labels_both_tasks_and_empty_fields_are_missing(tmp_path):
    folder = write_all(tmp_path / "mine", CSV)
    builder = prepared(tmp_path, path=folder, labels="labels.csv")
    assert builder.info.features[spec.IDENTITY].names == ["Ann", "Bob"]
    rows = examples(builder, "train") | examples(builder, "test")
    labels = {name: (int(row["expression"]), int(row["identity"])) for name, row in rows.items()}
    happy, sad = spec.EXPRESSIONS.index("happy"), spec.EXPRESSIONS.index("sad")
    assert labels == dict(zip(NAMES, ((happy, 0), (-1, 1), (sad, -1)), strict=True))


def test_csv_without_splits_is_all_train(tmp_path):
    folder = write_all(tmp_path / "mine", "filename,identity\ntest/happy/3.jpeg,Ann\n")
    builder = prepared(tmp_path, path=folder, labels="labels.csv")
    assert list(builder.info.splits) == ["train"]
    assert set(examples(builder, "train")) == {"test/happy/3.jpeg"}


def test_other_arguments_are_another_dataset(tmp_path):
    """Else a folder prepared first would be taken for one prepared second."""
    arguments = {"task": "identity", "data_dir": tmp_path / "prepared"}
    folders = [
        datasets.builder("image_folder", path=write_all(tmp_path / name), **arguments).data_dir
        for name in ("one", "two", "one")
    ]
    assert folders[0] != folders[1]
    assert folders[0] == folders[2]


def test_damaged_image_passes_through(tmp_path):
    folder = write_all(tmp_path / "mine")
    (folder / NAMES[0]).write_bytes(b"\xff\xd8\xff")
    builder = prepared(tmp_path, path=folder, task="expression")
    assert examples(builder, "train")[NAMES[0]][spec.IMAGE] == b"\xff\xd8\xff"


def test_every_format_of_pictures_is_read(tmp_path):
    folder = write_all(tmp_path / "mine")
    for name in ("4.webp", "5.TIF", "6.gif", "7.pgm"):
        Image.new("L", (8, 9), 80).save(folder / "train" / "happy" / name)
    builder = prepared(tmp_path, path=folder, task="expression")
    assert {f"train/happy/{name}" for name in ("4.webp", "5.TIF", "6.gif", "7.pgm")} < set(
        examples(builder, "train")
    )


def test_other_files_are_left_out_with_a_warning(tmp_path, caplog):
    folder = write_all(tmp_path / "mine")
    (folder / "train" / "happy" / "4.avif").write_bytes(b"x")
    (folder / "train" / "happy" / "5.jpg").write_bytes(b"")
    with caplog.at_level(logging.WARNING, "kfer"):
        builder = prepared(tmp_path, path=folder, task="expression")
    assert builder.info.splits["train"].num_examples == 2
    assert (
        f"Left out of {folder}: 1 .avif, a format that is not read (train/happy/4.avif), "
        "1 empty file (train/happy/5.jpg)"
    ) in caplog.text


def test_unknown_class_folder_is_told_with_the_nearest(tmp_path):
    folder = write_all(tmp_path / "mine")
    (folder / "train" / "sad").rename(folder / "train" / "sadd")
    with pytest.raises(ValueError, match=r"train/sadd/2\.png .* is 'sadd'.*Did you mean 'sad'"):
        prepared(tmp_path, path=folder, task="expression")


def test_own_expression_names_are_allowed(tmp_path):
    folder = write_all(tmp_path / "mine")
    (folder / "train" / "sad").rename(folder / "train" / "bored")
    builder = prepared(tmp_path, path=folder, task="expression", expressions=("happy", "bored"))
    assert builder.info.features[spec.EXPRESSION].names == ["happy", "bored"]


def test_image_outside_of_split_and_label(tmp_path):
    folder = write_all(tmp_path / "mine")
    (folder / "train" / "x.jpg").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"has train/x\.jpg, outside of split and label.*laid out"):
        prepared(tmp_path, path=folder, task="expression")


@pytest.mark.parametrize("arguments", [{}, {"task": "identity", "labels": "labels.csv"}])
def test_either_task_or_labels(tmp_path, arguments):
    with pytest.raises(ValueError, match="Give either task or labels"):
        prepared(tmp_path, path=tmp_path, **arguments)


def test_unknown_task(tmp_path):
    with pytest.raises(ValueError, match=r"task is 'identiti'.*Did you mean 'identity'"):
        prepared(tmp_path, path=tmp_path, task="identiti")


@pytest.mark.parametrize("arguments", [{"task": "identity"}, {"labels": "labels.csv"}])
def test_missing_folder(tmp_path, arguments):
    with pytest.raises(FileNotFoundError, match=r"mine.* is not there.*laid out as <path>"):
        prepared(tmp_path, path=tmp_path / "mine", **arguments)


def test_folder_without_images(tmp_path):
    (tmp_path / "mine").mkdir()
    with pytest.raises(ValueError, match=r"mine holds no images"):
        prepared(tmp_path, path=tmp_path / "mine", task="identity")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("file,identity\nx,y\n", r"columns \['file', 'identity'\].*column filename"),
        ("filename,person\nx,y\n", r"columns \['filename', 'person'\].*expression or identity"),
        ("filename,identity\n", "has no rows"),
        ("filename,identity\nx.jpg,Ann\n", r"line 2: it names x\.jpg, which is no image in"),
        ("filename,identity\n../x.jpg,Ann\n", r"names \.\./x\.jpg, which is no image in"),
        (f"filename,identity\n{NAMES[0]},a\n{NAMES[0]},b\n", r"names train/happy/1\.jpg twice"),
    ],
)
def test_malformed_csv(tmp_path, table, message):
    folder = write_all(tmp_path / "mine", table)
    with pytest.raises(ValueError, match=message):
        prepared(tmp_path, path=folder, labels="labels.csv")


def rows_of(builder: tfds.core.DatasetBuilder) -> set[tuple[str, str, str]]:
    """Split, filename and person of each example."""
    people = builder.info.features[spec.IDENTITY]
    return {
        (split, name, people.int2str(row[spec.IDENTITY]))
        for split in builder.info.splits
        for name, row in examples(builder, split).items()
    }


def image(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))[1].tobytes())
    return path


def test_hidden_folders_are_nobody_and_linked_ones_are_read(tmp_path):
    folder = tmp_path / "mine"
    image(folder / "train/Ann/1.PNG")
    image(folder / "train/.ipynb_checkpoints/1-checkpoint.png")
    image(folder / "train/@eaDir/1.png")
    image(tmp_path / "disk/2.png")
    (folder / "train/Bob").symlink_to(tmp_path / "disk")
    builder = prepared(tmp_path, path=folder, task="identity")
    assert rows_of(builder) == {("train", "train/Ann/1.PNG", "Ann"), ("train", "train/Bob/2.png", "Bob")}


def test_two_unicode_forms_of_a_name_are_one_person(tmp_path):
    folder = tmp_path / "mine"
    name = "Jos\u00e9"
    image(folder / "train" / name / "1.png")
    image(folder / "train" / unicodedata.normalize("NFD", name) / "2.png")
    builder = prepared(tmp_path, path=folder, task="identity")
    assert builder.info.features[spec.IDENTITY].names == [name]
    assert len(rows_of(builder)) == 2


def test_people_whose_names_look_alike_are_told(tmp_path, caplog):
    for person in ("Ann", "ann ", "Bob"):
        image(tmp_path / "mine/train" / person / "1.png")
    builder = prepared(tmp_path, path=tmp_path / "mine", task="identity")
    assert builder.info.features[spec.IDENTITY].num_classes == 3
    assert "mine has the people 'Ann' and 'ann ': rename one of them if both are the same" in caplog.text


def test_a_name_that_is_not_utf8_is_left_out_and_named(tmp_path, caplog):
    image(tmp_path / "mine/train/Ann/1.png")
    image(Path(os.fsdecode(os.fsencode(tmp_path) + b"/mine/train/Ann/caf\xe9.png")))
    image(Path(os.fsdecode(os.fsencode(tmp_path) + b"/mine/train/\xff/1.png")))
    builder = prepared(tmp_path, path=tmp_path / "mine", task="identity")
    assert rows_of(builder) == {("train", "train/Ann/1.png", "Ann")}
    assert r"2 with a name that is not UTF-8 (train/Ann/caf\xe9.png, train/\xff)" in caplog.text


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ("train/Ann/2019/1.png", "train/Bob/2.png", "test/Dan/1.png"),
            r"has test/Dan/1\.png and train/Ann/2019/1\.png, which do not lie equally deep.*laid out as",
        ),
        (
            ("train/Ann/2019/1.png", "test/Dan/2020/1.png"),
            "1.png, which lies deeper than split and label",
        ),
        (("train/Ann/2019/1.png", "train/Bob/2020/1.png"), "1.png, which lies deeper than split and"),
        (("people/Ann/2019/1.png", "people/Bob/2020/1.png"), "1.png, which lies deeper than split and"),
        (("my split/Ann/1.png",), "has the split 'my split'; expected a folder's name of letters"),
        (("all/Ann/1.png",), "has the split 'all'; expected a folder's name of letters"),
    ],
)
@pytest.mark.parametrize("is_archive", [False, True])
def test_folders_of_another_layout_are_refused(tmp_path, names, message, is_archive):
    for name in names:
        image(tmp_path / "mine" / name)
    path = tmp_path / "mine"
    if is_archive:
        path = Path(shutil.make_archive(str(tmp_path / "zipped"), "zip", path))
    with pytest.raises(ValueError, match=message):
        prepared(tmp_path, path=path, task="identity")


def test_an_archive_may_have_its_folder_around_the_splits(tmp_path):
    for name in ("train/Ann/1.png", "test/Bob/1.png", "__MACOSX/._x.png"):
        image(tmp_path / "around/faces" / name)
    path = Path(shutil.make_archive(str(tmp_path / "zipped"), "zip", tmp_path / "around"))
    builder = prepared(tmp_path, path=path, task="identity")
    assert rows_of(builder) == {
        ("train", "faces/train/Ann/1.png", "Ann"),
        ("test", "faces/test/Bob/1.png", "Bob"),
    }


def test_images_that_no_row_names_and_rows_of_what_is_not_read_are_told(tmp_path, caplog):
    folder = write_all(tmp_path / "mine", f"filename,identity\n{NAMES[0]},Ann\nx.avif,Bob\n")
    (folder / "x.avif").write_bytes(b"x")
    builder = prepared(tmp_path, path=folder, labels="labels.csv")
    assert rows_of(builder) == {("train", NAMES[0], "Ann")}
    assert "1 .avif, a format that is not read (x.avif)" in caplog.text
    assert "2 not in the table (test/happy/3.jpeg, train/sad/2.png)" in caplog.text


def test_what_a_generator_drew_counts_as_generated(tmp_path):
    folder = write_all(tmp_path / "mine")
    pixels = np.zeros((8, 8, 3), np.uint8)
    # Of kfer generate: by its list, though what the file says of itself is gone, and by what it says.
    (folder / "train/fear").mkdir()
    for name, marks in (("7_0.png", {}), ("7_1.png", {"generated": "true"})):
        (folder / "train/fear" / name).write_bytes(png.encoded(pixels, marks))
    (folder / "train/grid.png").write_bytes(png.encoded(pixels, {"generated": "true"}))
    told = {"generated": True, "files": {"fear": ["fear/7_0.png"]}}
    (folder / "train/generated.json").write_text(json.dumps(told))
    arguments = {"path": str(folder), "task": "expression"}
    source = SourceSettings(
        "image_folder", splits={"train": "train", "test": "test"}, arguments=arguments
    )
    facts = [
        write_sources(tmp_path / str(number), DataSettings((source,)), {}, "", tmp_path / "prepared")
        for number in range(2)  # prepared, and as it was prepared
    ]
    (told_version,) = facts[0]["versions"]
    assert facts[1]["versions"] == [told_version] and told_version.endswith(" (2 of 4 generated)")
    assert facts[0]["num_examples"] == {"train": 4, "validation": 0, "test": 1}
    shares = knowledge.trained_on({"image_folder": 4}, {"image_folder": told_version})
    assert shares == {"generated": 0.5, "photographs": 0.5}
    (folder / "train/generated.json").write_text('{"generated": true, "files": 3}')
    with pytest.raises(files.DamagedError, match=r"generated\.json"):
        write_sources(tmp_path / "c", DataSettings((source,)), {}, "", tmp_path / "prepared")

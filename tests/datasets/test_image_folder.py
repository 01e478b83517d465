import logging
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tensorflow_datasets as tfds

from kfer import datasets, spec
from kfer.datasets.image_folder import KferImageFolder

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
    (folder / NAMES[0]).write_bytes(b"")
    builder = prepared(tmp_path, path=folder, task="expression")
    assert examples(builder, "train")[NAMES[0]][spec.IMAGE] == b""


def test_other_files_are_left_out_with_a_warning(tmp_path, caplog):
    folder = write_all(tmp_path / "mine")
    (folder / "train" / "happy" / "4.webp").write_bytes(b"x")
    with caplog.at_level(logging.WARNING, "kfer"):
        builder = prepared(tmp_path, path=folder, task="expression")
    assert builder.info.splits["train"].num_examples == 2
    assert "1 of 4 files" in caplog.text


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
    (folder / "train" / "x.jpg").write_bytes(b"")
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
        ("filename,identity\nx.jpg,Ann\n", r"names x\.jpg, which is not in"),
        ("filename,identity\n../x.jpg,Ann\n", r"names \.\./x\.jpg, which is not in"),
        (f"filename,identity\n{NAMES[0]},a\n{NAMES[0]},b\n", r"names train/happy/1\.jpg twice"),
    ],
)
def test_malformed_csv(tmp_path, table, message):
    folder = write_all(tmp_path / "mine", table)
    with pytest.raises(ValueError, match=message):
        prepared(tmp_path, path=folder, labels="labels.csv")

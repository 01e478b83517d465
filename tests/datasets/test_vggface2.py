import io
import tarfile
import tempfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import tensorflow_datasets as tfds

from kfer import datasets, spec
from kfer.datasets.vggface2 import KferVggface2

PEOPLE = {"train": ("n000002", "n000003"), "test": ("n000001",)}
BOXES = 'NAME_ID,X,Y,W,H\n"n000003/0001_01",10,20,30,40\n"n000002/0002_01",-1,2,3,4\n'


def fake_images(split: str) -> dict[str, bytes]:
    rng = np.random.default_rng(split == "test")
    return {
        f"{split}/{person}/{number:04d}_01.jpg": cv2.imencode(
            ".jpg", rng.integers(0, 256, (8, 8, 3), np.uint8)
        )[1].tobytes()
        for person in PEOPLE[split]
        for number in (1, 2)
    }


def write_all(download_dir: Path, boxes: str = BOXES) -> Path:
    folder = download_dir / "vggface2"
    folder.mkdir()
    for split in PEOPLE:
        with tarfile.open(folder / f"vggface2_{split}.tar.gz", "w:gz") as archive:
            for name, content in fake_images(split).items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    if boxes:
        (folder / "bb_landmark").mkdir()
        (folder / "bb_landmark" / "loose_bb_train.csv").write_text(boxes)
    return folder


def prepared(tmp_path: Path) -> tfds.core.DatasetBuilder:
    builder = datasets.builder("vggface2", tmp_path / "prepared")
    datasets.prepare(builder, tmp_path)
    return tfds.builder_from_directory(builder.data_dir)


def examples(builder: tfds.core.DatasetBuilder, split: str) -> dict[str, dict]:
    raw = builder.as_dataset(split=split, decoders={spec.IMAGE: tfds.decode.SkipDecoding()})
    return {row[spec.FILENAME].decode(): row for row in tfds.as_numpy(raw)}


class TestBuilder(tfds.testing.DatasetBuilderTestCase):
    DATASET_CLASS = KferVggface2
    SPLITS = {"train": 4, "test": 2}

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.EXAMPLE_DIR = folder.name
        write_all(Path(folder.name))
        super().setUpClass()


def test_bytes_and_identity_from_the_folder(tmp_path):
    write_all(tmp_path)
    builder = prepared(tmp_path)
    names = builder.info.features[spec.IDENTITY].names
    assert names == ["n000001", "n000002", "n000003"]
    for split in PEOPLE:
        rows = examples(builder, split)
        assert {name: row[spec.IMAGE] for name, row in rows.items()} == fake_images(split)
        for name, row in rows.items():
            assert names[row[spec.IDENTITY]] == name.split("/")[1]


def test_boxes_are_turned_and_missing_ones_are_minus_one(tmp_path):
    write_all(tmp_path)
    rows = examples(prepared(tmp_path), "train")
    # x 10, y 20, width 30, height 40.
    np.testing.assert_array_equal(rows["train/n000003/0001_01.jpg"]["box"], [20, 10, 60, 40])
    np.testing.assert_array_equal(rows["train/n000002/0002_01.jpg"]["box"], [2, -1, 6, 2])
    np.testing.assert_array_equal(rows["train/n000002/0001_01.jpg"]["box"], [-1] * 4)
    np.testing.assert_array_equal(rows["train/n000003/0002_01.jpg"]["box"], [-1] * 4)


def test_extracted_folders_without_boxes(tmp_path):
    for split in PEOPLE:
        for name, content in fake_images(split).items():
            path = tmp_path / "vggface2" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    rows = examples(prepared(tmp_path), "train")
    assert {name: row[spec.IMAGE] for name, row in rows.items()} == fake_images("train")
    assert {tuple(row["box"]) for row in rows.values()} == {(-1, -1, -1, -1)}


def test_folders_within_people_are_refused(tmp_path):
    for split, files in (("train", ("n1/1.jpg", "n1/2019/2.jpg")), ("test", ("n2/1.jpg",))):
        for name in files:
            path = tmp_path / "vggface2" / split / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x")
    with pytest.raises(ValueError, match=r"has n1/1\.jpg and n1/2019/2\.jpg, which do not lie"):
        prepared(tmp_path)


def test_malformed_boxes(tmp_path):
    write_all(tmp_path, "NAME_ID,X,Y\na,1,2\n")
    with pytest.raises(ValueError, match=r"loose_bb_train\.csv is not VGGFace2's list of boxes"):
        prepared(tmp_path)


def test_missing_archive_says_which_from_where_and_whereto(tmp_path):
    (write_all(tmp_path) / "vggface2_test.tar.gz").unlink()
    with pytest.raises(
        FileNotFoundError, match=r"no vggface2_test\.tar\.gz.*robots\.ox.*<data folder>/vggface2"
    ):
        prepared(tmp_path)


def test_truncated_archive(tmp_path):
    path = write_all(tmp_path) / "vggface2_train.tar.gz"
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(ValueError, match=r"vggface2_train\.tar\.gz is damaged"):
        prepared(tmp_path)

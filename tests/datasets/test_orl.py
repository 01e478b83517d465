import tempfile
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import tensorflow_datasets as tfds

from kfer import datasets, spec
from kfer.datasets.orl import KferOrl

PEOPLE = ("s1", "s2", "s10")


def fake_images() -> dict[str, bytes]:
    names = [f"{person}/{number}.pgm" for person in PEOPLE for number in (1, 2)]
    rng = np.random.default_rng(0)
    return {
        name: cv2.imencode(".pgm", rng.integers(0, 256, (12, 10), np.uint8))[1].tobytes()
        for name in names
    }


def write_all(download_dir: Path) -> Path:
    folder = download_dir / "orl_faces"
    for name, content in fake_images().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    (folder / "README").write_text("Credit")
    return folder


def prepared(tmp_path: Path) -> tfds.core.DatasetBuilder:
    builder = datasets.builder("orl", tmp_path / "prepared")
    datasets.prepare(builder, tmp_path)
    return tfds.builder_from_directory(builder.data_dir)


def images_of(builder: tfds.core.DatasetBuilder) -> dict[str, np.ndarray]:
    rows = tfds.as_numpy(builder.as_dataset(split="train"))
    names = builder.info.features[spec.IDENTITY].names
    images = {}
    for row in rows:
        filename = row[spec.FILENAME].decode()
        assert filename.startswith(f"{names[row[spec.IDENTITY]]}/")
        images[filename] = row[spec.IMAGE][..., 0]
    return images


class TestBuilder(tfds.testing.DatasetBuilderTestCase):
    DATASET_CLASS = KferOrl
    SPLITS = {"train": 6}

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.EXAMPLE_DIR = folder.name
        write_all(Path(folder.name))
        super().setUpClass()


def test_pixels_and_people_in_the_order_of_their_numbers(tmp_path):
    write_all(tmp_path)
    builder = prepared(tmp_path)
    assert builder.info.features[spec.IDENTITY].names == list(PEOPLE)
    images = images_of(builder)
    for name, content in fake_images().items():
        expected = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(images[name], expected)


def test_zip_gives_the_same_files(tmp_path):
    (tmp_path / "orl_faces").mkdir()
    with zipfile.ZipFile(tmp_path / "orl_faces" / "att_faces.zip", "w") as archive:
        for name, content in fake_images().items():
            archive.writestr(f"orl_faces/{name}", content)
    assert set(images_of(prepared(tmp_path))) == set(fake_images())


def test_names_in_capitals_and_hidden_files(tmp_path):
    folder = write_all(tmp_path)
    (folder / "s1/1.pgm").rename(folder / "s1/1.PGM")
    (folder / "s2/._1.pgm").write_bytes(b"x")
    assert set(images_of(prepared(tmp_path))) == {*fake_images(), "s1/1.PGM"} - {"s1/1.pgm"}


def test_unexpected_file(tmp_path):
    folder = write_all(tmp_path)
    (folder / "t1").mkdir()
    (folder / "t1" / "1.pgm").write_bytes(b"")
    with pytest.raises(ValueError, match=r"has t1/1\.pgm; expected s<person>/<number>\.pgm"):
        prepared(tmp_path)


def test_missing_folder_says_which_from_where_and_whereto(tmp_path):
    (tmp_path / "orl_faces").mkdir()
    with pytest.raises(
        FileNotFoundError, match=r"att_faces\.zip or s1.*cam-orl.*<data folder>/orl_faces"
    ):
        prepared(tmp_path)


def test_real_folder_has_forty_people(test_data, tmp_path):
    builder = datasets.builder("orl", tmp_path)
    datasets.prepare(builder, test_data)
    assert builder.info.splits["train"].num_examples == 400
    assert builder.info.features[spec.IDENTITY].num_classes == 40

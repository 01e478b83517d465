import io
import tarfile
import tempfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import tensorflow_datasets as tfds

from kfer import datasets, spec
from kfer.datasets import lfw

TEST_PEOPLE = {"Person_0", "Person_1", "Person_2", "Person_3"}
# sha256sum of "Person_51", "Person_59" and "Person_0" is below 8 modulo 100; of no other here.
VALIDATION_PEOPLE = {"Person_51", "Person_59"}
TRAIN_PEOPLE = {"Person_4", "Person_5", "Person_6", "Person_7", "Person_8", "Person_9"}
PEOPLE = sorted(TEST_PEOPLE | VALIDATION_PEOPLE | TRAIN_PEOPLE)
TEST_PAIRS = "2\nPerson_0\t1\t2\nPerson_1\t1\t2\nPerson_0\t1\tPerson_2\t1\nPerson_1\t2\tPerson_3\t2\n"
TRAIN_PAIRS = "1\nPerson_5\t1\t2\nPerson_5\t1\tPerson_6\t2\n"
VIEW2_PAIRS = "2\t1\nPerson_7\t1\t2\nPerson_7\t1\tPerson_8\t1\nPerson_9\t1\t2\nPerson_9\t1\tPerson_8\t1\n"
LEGEND = (
    "user.id,image,emotion\n1,Person_0_0001.jpg,HAPPINESS\n1,Person_0_0002.jpg,contempt\n"
    "1,Person_1_0001.jpg,anger\n2,Person_1_0001.jpg,sadness\n1,elsewhere.jpg,fear\n"
    "1,Person_2_0001.jpg,Sadness\n"
)


def jpeg(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (16, 16, 3), np.uint8)
    return cv2.imencode(".jpg", pixels)[1].tobytes()


def fake_images() -> dict[str, bytes]:
    names = [f"{person}/{person}_{number:04d}.jpg" for person in PEOPLE for number in (1, 2)]
    return {name: jpeg(seed) for seed, name in enumerate(names)}


def write_tgz(folder: Path, images: dict[str, bytes]) -> None:
    with tarfile.open(folder / "lfw-deepfunneled.tgz", "w:gz") as archive:
        for name, content in images.items():
            info = tarfile.TarInfo(f"lfw-deepfunneled/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def write_all(download_dir: Path) -> Path:
    folder = download_dir / "lfw"
    folder.mkdir()
    write_tgz(folder, fake_images())
    (folder / "pairsDevTest.txt").write_text(TEST_PAIRS)
    (folder / "pairsDevTrain.txt").write_text(TRAIN_PAIRS)
    (folder / "pairs.txt").write_text(VIEW2_PAIRS)
    (folder / "expression_legend.csv").write_text(LEGEND)
    return folder


def prepared(tmp_path: Path, config: str = "people") -> tfds.core.DatasetBuilder:
    builder = datasets.builder(f"lfw/{config}", tmp_path / "prepared")
    datasets.prepare(builder, tmp_path)
    return tfds.builder_from_directory(builder.data_dir)


def examples(builder: tfds.core.DatasetBuilder, split: str) -> list[dict]:
    raw = builder.as_dataset(split=split, decoders=_skip_decoding(builder))
    return list(tfds.as_numpy(raw))


def _skip_decoding(builder: tfds.core.DatasetBuilder) -> dict:
    keys = [key for key in builder.info.features if key.startswith("image")]
    return {key: tfds.decode.SkipDecoding() for key in keys}


class _FromFakeFiles(tfds.testing.DatasetBuilderTestCase):
    DATASET_CLASS = lfw.KferLfw

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.EXAMPLE_DIR = folder.name
        write_all(Path(folder.name))
        super().setUpClass()


class TestPeople(_FromFakeFiles):
    BUILDER_CONFIG_NAMES_TO_TEST = ["people"]
    SPLITS = {"train": 12, "validation": 4, "test": 8}


class TestPairs(_FromFakeFiles):
    BUILDER_CONFIG_NAMES_TO_TEST = ["pairs"]
    SPLITS = {"view1_train": 2, "view1_test": 4, "view2": 4}


del _FromFakeFiles


def test_splits_have_disjoint_people_by_the_stated_rule(tmp_path):
    write_all(tmp_path)
    builder = prepared(tmp_path)
    names = builder.info.features[spec.IDENTITY].names
    assert names == PEOPLE
    people = {
        split: {names[row[spec.IDENTITY]] for row in examples(builder, split)} for split in spec.SPLITS
    }
    expected = {"train": TRAIN_PEOPLE, "validation": VALIDATION_PEOPLE, "test": TEST_PEOPLE}
    assert people == expected


def test_bytes_identity_and_expression_of_each_file(tmp_path):
    write_all(tmp_path)
    builder = prepared(tmp_path)
    images = fake_images()
    names = builder.info.features[spec.IDENTITY].names
    expressions = {}
    for row in examples(builder, "test"):
        filename = row[spec.FILENAME].decode()
        assert row[spec.IMAGE] == images[filename]
        assert filename.startswith(f"{names[row[spec.IDENTITY]]}/")
        expressions[filename.split("/")[1]] = int(row[spec.EXPRESSION])
    labelled = {name: label for name, label in expressions.items() if label >= 0}
    # Contempt has no counterpart, Person_1_0001 has two different labels.
    assert labelled == {
        "Person_0_0001.jpg": spec.EXPRESSIONS.index("happy"),
        "Person_2_0001.jpg": spec.EXPRESSIONS.index("sad"),
    }


def test_pairs_folds_and_labels(tmp_path):
    write_all(tmp_path)
    builder = prepared(tmp_path, "pairs")
    images = fake_images()
    rows = {
        (row["filename_a"].decode(), row["filename_b"].decode()): row
        for row in examples(builder, "view2")
    }
    assert {pair: (row[spec.SAME], row[spec.FOLD]) for pair, row in rows.items()} == {
        ("Person_7/Person_7_0001.jpg", "Person_7/Person_7_0002.jpg"): (1, 0),
        ("Person_7/Person_7_0001.jpg", "Person_8/Person_8_0001.jpg"): (0, 0),
        ("Person_9/Person_9_0001.jpg", "Person_9/Person_9_0002.jpg"): (1, 1),
        ("Person_9/Person_9_0001.jpg", "Person_8/Person_8_0001.jpg"): (0, 1),
    }
    for (filename_a, filename_b), row in rows.items():
        assert row[spec.IMAGE_A] == images[filename_a]
        assert row[spec.IMAGE_B] == images[filename_b]
    assert {row[spec.FOLD] for row in examples(builder, "view1_test")} == {-1}


def test_extracted_folder_without_legend(tmp_path):
    folder = write_all(tmp_path)
    (folder / "lfw-deepfunneled.tgz").unlink()
    (folder / "expression_legend.csv").unlink()
    for name, content in fake_images().items():
        path = folder / "lfw-deepfunneled" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    rows = examples(prepared(tmp_path), "test")
    assert len(rows) == 8
    assert {row[spec.EXPRESSION] for row in rows} == {spec.MISSING_LABEL}


def test_damaged_images_pass_through(tmp_path):
    folder = write_all(tmp_path)
    damaged = {"Person_0/Person_0_0001.jpg": b"", "Person_0/Person_0_0002.jpg": b"no image"}
    write_tgz(folder, fake_images() | damaged)
    read = {row[spec.FILENAME].decode(): row[spec.IMAGE] for row in examples(prepared(tmp_path), "test")}
    assert {name: read[name] for name in damaged} == damaged


@pytest.mark.parametrize("missing", ["lfw-deepfunneled.tgz", "pairsDevTest.txt"])
def test_missing_file_says_which_from_where_and_whereto(tmp_path, missing):
    (write_all(tmp_path) / missing).unlink()
    with pytest.raises(FileNotFoundError, match=rf"has no {missing}.*vis-www.*<data folder>/lfw"):
        prepared(tmp_path)


def test_truncated_archive(tmp_path):
    path = write_all(tmp_path) / "lfw-deepfunneled.tgz"
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(ValueError, match=r"deepfunneled\.tgz is damaged .*vis-www"):
        prepared(tmp_path)


def test_pair_of_an_unknown_image(tmp_path):
    (write_all(tmp_path) / "pairs.txt").write_text("1\t1\nNobody\t1\t2\nNobody\t1\tPerson_1\t1\n")
    with pytest.raises(ValueError, match=r"pairs\.txt names Nobody/Nobody_0001\.jpg"):
        prepared(tmp_path, "pairs")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1\nPerson_1\t1\t2\n", "announces 2 pairs but has 1"),
        ("1\nPerson_1\t1\nPerson_1\t1\tPerson_2\t1\n", "expected 3 or 4 fields"),
        ("1\t0\nPerson_1\t1\t2\n", "a number of pairs above 0"),
        ("-1\n", "a number of pairs above 0"),
        ("many\n", "not a list of pairs in LFW's format"),
        ("", "not a list of pairs in LFW's format"),
    ],
)
def test_malformed_pairs(tmp_path, text, message):
    path = tmp_path / "pairs.txt"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        lfw.read_pairs(path)


def test_names_in_two_unicode_forms_and_with_spaces(tmp_path):
    path = tmp_path / "pairs.txt"
    path.write_text("1\nAnn Jose\u0301\t1\t2\nAnn Jos\u00e9\t1\tBob\t1\n", "utf-16")
    found = lfw.read_pairs(path)
    name = "Ann Jos\u00e9"
    assert found[0].filename_a == f"{name}/{name}_0001.jpg"
    assert (found[1].filename_a, found[1].filename_b) == (found[0].filename_a, "Bob/Bob_0001.jpg")


def test_folders_within_people_are_refused(tmp_path):
    folder = write_all(tmp_path)
    name = "Person_4/2019/Person_4_0003.jpg"
    write_tgz(folder, fake_images() | {name: jpeg(0)})
    with pytest.raises(ValueError, match=r"2019/Person_4_0003\.jpg, which do not lie equally deep"):
        prepared(tmp_path)


def test_unknown_expression_in_the_legend(tmp_path):
    (write_all(tmp_path) / "expression_legend.csv").write_text("image,emotion\na.jpg,hapiness\n")
    with pytest.raises(ValueError, match=r"line 2 of .* is 'hapiness'; .*Did you mean 'happiness'"):
        prepared(tmp_path)


def test_legend_without_its_columns(tmp_path):
    (write_all(tmp_path) / "expression_legend.csv").write_text("file,label\na.jpg,anger\n")
    with pytest.raises(ValueError, match=r"no column image, emotion; it has \['file', 'label'\]"):
        prepared(tmp_path)


def test_real_pairs_have_the_published_counts(test_data):
    view2 = lfw.read_pairs(test_data / "lfw" / "pairs.txt")
    assert [pair.fold for pair in view2] == [fold for fold in range(10) for _ in range(600)]
    assert sum(pair.is_same for pair in view2) == 3000
    view1 = [lfw.read_pairs(test_data / "lfw" / f"pairsDev{name}.txt") for name in ("Train", "Test")]
    assert [len(pairs) for pairs in view1] == [2200, 1000]
    people = [
        {name.split("/")[0] for pair in pairs for name in (pair.filename_a, pair.filename_b)}
        for pairs in view1
    ]
    assert not people[0] & people[1]

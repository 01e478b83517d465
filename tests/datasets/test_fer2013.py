import csv
import io
import tempfile
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import tensorflow_datasets as tfds

from kfer import datasets, spec
from kfer.datasets.fer2013 import KferFer2013, _png

USAGES = (("train", "Training"), ("test", "PublicTest"), ("test", "PrivateTest"))
VOTED = ("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise", "contempt")
VOTE_COLUMNS = (*VOTED, "unknown", "NF")
ANGRY_VOTES = {"anger": 7, "sadness": 2, "fear": 1}
CONTEMPT_VOTES = {"contempt": 8, "neutral": 2}
SPLIT_VOTES = {"happiness": 5, "neutral": 5}


def jpeg(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (48, 48), np.uint8)
    return cv2.imencode(".jpg", pixels)[1].tobytes()


def fake_images() -> dict[str, bytes]:
    """One image a class and split: 7 in each of train, validation and test."""
    names = [
        f"{folder}/{label}/{usage}_{number}.jpg"
        for folder, usage in USAGES
        for number, label in enumerate(spec.EXPRESSIONS)
    ]
    return {name: jpeg(seed) for seed, name in enumerate(names)}


def write_zip(folder: Path, images: dict[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / "archive.zip", "w") as archive:
        for name, content in images.items():
            archive.writestr(name, content)


def write_csv(path: Path, rows: list[dict[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0].keys())
    writer.writeheader()
    writer.writerows(rows)
    path.write_text(text.getvalue())


def write_ferplus(folder: Path, votes: list[dict[str, int]], paths: list[str]) -> None:
    rows = [
        {"Usage": "", "Image name": f"fer{number:07d}.png"} | dict.fromkeys(VOTE_COLUMNS, 0) | row
        for number, row in enumerate(votes)
    ]
    write_csv(folder / "fer2013new.csv", rows)
    maps = [
        {"fer2013_path": path, "ferplus_image": f"fer{number:07d}.png"}
        for number, path in enumerate(paths)
    ]
    write_csv(folder / "fer2013_to_ferplus.csv", maps)


def prepared(tmp_path: Path, config: str = "seven_class") -> tfds.core.DatasetBuilder:
    builder = datasets.builder(f"fer2013/{config}", tmp_path / "prepared")
    datasets.prepare(builder, tmp_path)
    return builder


def examples(builder: tfds.core.DatasetBuilder, split: str) -> dict[str, dict]:
    raw = builder.as_dataset(split=split, decoders={spec.IMAGE: tfds.decode.SkipDecoding()})
    return {row[spec.FILENAME].decode(): row for row in tfds.as_numpy(raw)}


class _FromFakeFiles(tfds.testing.DatasetBuilderTestCase):
    DATASET_CLASS = KferFer2013

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.EXAMPLE_DIR = folder.name
        images = fake_images()
        write_zip(Path(folder.name, "fer2013"), images)
        votes = [ANGRY_VOTES, CONTEMPT_VOTES, SPLIT_VOTES, *[ANGRY_VOTES] * 18]
        write_ferplus(Path(folder.name, "ferplus"), votes, list(images))
        super().setUpClass()


class TestSevenClass(_FromFakeFiles):
    BUILDER_CONFIG_NAMES_TO_TEST = ["seven_class"]
    SPLITS = {"train": 7, "validation": 7, "test": 7}


class TestSixClass(_FromFakeFiles):
    BUILDER_CONFIG_NAMES_TO_TEST = ["six_class"]
    SPLITS = {"train": 6, "validation": 6, "test": 6}


class TestFerplusMajority(_FromFakeFiles):
    BUILDER_CONFIG_NAMES_TO_TEST = ["ferplus_majority"]
    SPLITS = {"train": 5, "validation": 7, "test": 7}


class TestFerplusDistribution(_FromFakeFiles):
    BUILDER_CONFIG_NAMES_TO_TEST = ["ferplus_distribution"]
    SPLITS = {"train": 7, "validation": 7, "test": 7}


class TestFerplusDistributionSeven(_FromFakeFiles):
    BUILDER_CONFIG_NAMES_TO_TEST = ["ferplus_distribution_seven"]
    SPLITS = {"train": 7, "validation": 7, "test": 7}


del _FromFakeFiles


def test_reopens_without_kfer_and_keeps_bytes_and_labels(tmp_path):
    images = fake_images()
    write_zip(tmp_path / "fer2013", images)
    folder = prepared(tmp_path).data_dir
    builder = tfds.builder_from_directory(folder)
    assert tuple(builder.info.features[spec.EXPRESSION].names) == spec.EXPRESSIONS
    read = examples(builder, "validation")
    assert set(read) == {name for name in images if "PublicTest" in name}
    for name, row in read.items():
        assert row[spec.IMAGE] == images[name]
        assert spec.EXPRESSIONS[row[spec.EXPRESSION]] == name.split("/")[1]
        assert builder.info.features["usage"].int2str(row["usage"]) == "PublicTest"


def test_extracted_folders_in_the_data_folder_itself(tmp_path):
    images = fake_images()
    for name, content in images.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    assert {name: row[spec.IMAGE] for name, row in examples(prepared(tmp_path), "train").items()} == {
        name: content for name, content in images.items() if "Training" in name
    }


def test_csv_codes_and_pixels(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (7, 48, 48))
    rows = [
        {"emotion": code, "pixels": " ".join(map(str, image.ravel())), "Usage": "PrivateTest"}
        for code, image in enumerate(pixels)
    ]
    others = [rows[0] | {"Usage": usage} for usage in ("Training", "PublicTest")]
    rows = [*rows, rows[0] | {"pixels": "1 2"}, *others]
    write_csv(tmp_path / "fer2013" / "fer2013.csv", rows)
    # The competition's own order: 0 = Angry, 1 = Disgust, ... 6 = Neutral.
    order = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]
    builder = prepared(tmp_path)
    assert builder.info.splits["train"].num_examples == 1
    read = examples(builder, "test")
    for code, image in enumerate(pixels):
        row = read[f"fer2013.csv/{code:05d}"]
        decoded = cv2.imdecode(np.frombuffer(row[spec.IMAGE], np.uint8), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(decoded, image)
        assert spec.EXPRESSIONS[row[spec.EXPRESSION]] == order[code]
    assert read["fer2013.csv/00007"][spec.IMAGE] == b"1 2"


def test_ferplus_votes_by_hand(tmp_path):
    images = fake_images()
    write_zip(tmp_path / "fer2013", images)
    votes = [ANGRY_VOTES, CONTEMPT_VOTES, SPLIT_VOTES, *[{"NF": 10}] * 4, *[ANGRY_VOTES] * 14]
    write_ferplus(tmp_path / "ferplus", votes, list(images))
    read = examples(prepared(tmp_path, "ferplus_distribution"), "train")
    angry, contempt, split, none = list(images)[:4]
    # Fear's single vote is an outlier: 7 of 9 for angry (0), 2 of 9 for sad (5).
    expected = [7 / 9, 0, 0, 0, 0, 2 / 9, 0, 0]
    np.testing.assert_allclose(read[angry]["expression_distribution"], expected, rtol=1e-6)
    assert read[angry][spec.EXPRESSION] == spec.EXPRESSIONS.index("angry")
    np.testing.assert_allclose(read[contempt]["expression_distribution"][[4, 7]], [0.2, 0.8])
    assert read[contempt][spec.EXPRESSION] == spec.MISSING_LABEL
    assert read[split][spec.EXPRESSION] == spec.MISSING_LABEL
    assert none not in read
    seven = examples(prepared(tmp_path, "ferplus_distribution_seven"), "train")
    np.testing.assert_allclose(seven[angry]["expression_distribution"], expected[:7], rtol=1e-6)
    # Without contempt, two of two votes are for neutral; they are no majority of ten.
    assert seven[contempt]["expression_distribution"].tolist() == [0, 0, 0, 0, 1, 0, 0]
    assert seven[contempt][spec.EXPRESSION] == spec.MISSING_LABEL
    majority = examples(prepared(tmp_path, "ferplus_majority"), "train")
    assert set(majority) == {angry}


def test_damaged_images_pass_through(tmp_path):
    damaged = {"train/happy/Training_1.jpg": b"", "train/sad/Training_2.jpg": b"not an image"}
    write_zip(tmp_path / "fer2013", fake_images() | damaged)
    read = examples(prepared(tmp_path), "train")
    assert {name: read[name][spec.IMAGE] for name in damaged} == damaged


def test_missing_archive_says_which_from_where_and_whereto(tmp_path):
    (tmp_path / "fer2013").mkdir()
    with pytest.raises(
        FileNotFoundError, match=r"archive\.zip.*kaggle\.com/datasets/msambare.*<data folder>/fer2013"
    ):
        prepared(tmp_path)


def test_missing_ferplus_says_which_from_where_and_whereto(tmp_path):
    write_zip(tmp_path / "fer2013", fake_images())
    with pytest.raises(FileNotFoundError, match=r"fer2013new\.csv.*FERPlus.*<data folder>/ferplus"):
        prepared(tmp_path, "ferplus_majority")


def test_truncated_archive(tmp_path):
    write_zip(tmp_path / "fer2013", fake_images())
    path = tmp_path / "fer2013" / "archive.zip"
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ValueError, match=r"archive\.zip is damaged .*kaggle"):
        prepared(tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("train/hapy/Training_1.jpg", r"class folder of train/hapy.* is 'hapy'.*'happy'"),
        ("train/happy/Trainin_1.jpg", r"first word of .* is 'Trainin'.*'Training'"),
        ("loose.jpg", r"class folder of loose\.jpg"),
    ],
)
def test_unknown_name_is_told_with_the_nearest(tmp_path, name, message):
    write_zip(tmp_path / "fer2013", fake_images() | {name: jpeg(0)})
    with pytest.raises(ValueError, match=message):
        prepared(tmp_path)
    assert not Path(prepared_folder(tmp_path)).exists()


def prepared_folder(tmp_path: Path) -> str:
    return datasets.builder("fer2013", tmp_path / "prepared").data_dir


def test_split_without_examples_is_told(tmp_path):
    training = {name: image for name, image in fake_images().items() if "Training" in name}
    write_zip(tmp_path / "fer2013", training)
    with pytest.raises(ValueError, match=r'a split without any example.*"validation"'):
        prepared(tmp_path)


def test_csv_without_a_column(tmp_path):
    write_csv(tmp_path / "fer2013" / "fer2013.csv", [{"emotion": 0, "pixels": "1"}])
    with pytest.raises(ValueError, match=r"no column Usage; it has \['emotion', 'pixels'\]"):
        prepared(tmp_path)


def test_real_archive_has_the_published_names(test_data):
    """Reads the names alone: the published counts a split."""
    from kfer.datasets import archives

    names = archives.list_files(test_data / "fer2013" / "archive.zip", "")
    counts = [sum(usage in name for name in names) for _, usage in USAGES]
    assert counts == [28709, 3589, 3589]


@pytest.mark.parametrize("pixel", ["256", "-1", "9" * 30, "1.5"])
def test_a_pixel_out_of_its_range_makes_no_image(pixel):
    text = " ".join([pixel, *["7"] * (48 * 48 - 1)])
    assert _png(text) == text.encode()

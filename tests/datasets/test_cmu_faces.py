import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds

from kfer import datasets, spec
from kfer.datasets.cmu_faces import KferCmuFaces

EYES = ("open", "sunglasses")
NAMES = [
    f"{person}/{person}_{pose}_{expression}_{eyes}.pgm"
    for person in ("an2i", "bpm")
    for pose, expression, eyes in (
        ("left", "angry", "open"),
        ("up", "happy", "sunglasses"),
        ("straight", "sad", "open"),
    )
]


def write_all(download_dir: Path, names: Sequence[str] = NAMES) -> Path:
    folder = download_dir / "cmu_faces" / "faces"
    for seed, name in enumerate(names):
        pixels = np.random.default_rng(seed).integers(0, 101, (12, 10), np.uint8)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"P5\n10 12\n100\n" + pixels.tobytes())
    (folder / "an2i").mkdir(exist_ok=True)
    (folder / "an2i" / "an2i_left_angry_open_2.pgm").write_bytes(b"reduced")
    (folder / "an2i" / "an2i_left_angry_open_4.pgm").write_bytes(b"reduced")
    (folder / "an2i" / "an2i_left_sad_open.bad").write_bytes(b"glitch")
    return folder


def prepared(tmp_path: Path, name: str = "cmu_faces") -> tfds.core.DatasetBuilder:
    builder = datasets.builder(name, tmp_path / "prepared")
    datasets.prepare(builder, tmp_path)
    return tfds.builder_from_directory(builder.data_dir)


class TestBuilder(tfds.testing.DatasetBuilderTestCase):
    DATASET_CLASS = KferCmuFaces
    BUILDER_CONFIG_NAMES_TO_TEST = ["all"]
    SPLITS = {"train": 6}

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.EXAMPLE_DIR = folder.name
        write_all(Path(folder.name))
        super().setUpClass()


def test_labels_are_those_of_the_file_name_and_grey_is_scaled(tmp_path):
    write_all(tmp_path)
    builder = prepared(tmp_path)
    features = builder.info.features
    seen = set()
    for row in tfds.as_numpy(builder.as_dataset(split="train")):
        filename = row[spec.FILENAME].decode()
        keys = (spec.IDENTITY, "pose", spec.EXPRESSION, "eyes")
        labels = [features[key].int2str(row[key]) for key in keys]
        assert filename == f"{labels[0]}/{'_'.join(labels)}.pgm"
        assert row[spec.IMAGE].shape == (12, 10, 1)
        assert row[spec.IMAGE].max() > 200
        seen.add(filename)
    assert seen == set(NAMES)


def test_nobody_is_in_two_splits(tmp_path):
    people = ["amy", "ben", "cat", "dan", "eva", "fay", "gus"]
    write_all(tmp_path, [f"{person}/{person}_left_sad_{eyes}.pgm" for person in people for eyes in EYES])
    builder = prepared(tmp_path, "cmu_faces/people")
    identity = builder.info.features[spec.IDENTITY]
    found = {
        split: sorted(
            identity.int2str(row[spec.IDENTITY]) for row in tfds.as_numpy(builder.as_dataset(split=split))
        )
        for split in spec.SPLITS
    }
    assert {split: sorted(set(names)) for split, names in found.items()} == {
        "train": ["amy", "ben", "cat", "fay", "gus"],
        "validation": ["dan"],
        "test": ["eva"],
    }
    assert sum(map(len, found.values())) == 2 * len(people)


def test_few_people_cannot_be_split(tmp_path):
    write_all(tmp_path)
    with pytest.raises(ValueError, match="has 2 people; expected at least 5, to split them"):
        prepared(tmp_path, "cmu_faces/people")


def test_damaged_image_passes_through(tmp_path):
    (write_all(tmp_path) / NAMES[0]).write_bytes(b"P5 9")
    skip = {spec.IMAGE: tfds.decode.SkipDecoding()}
    rows = tfds.as_numpy(prepared(tmp_path).as_dataset(split="train", decoders=skip))
    assert {row[spec.FILENAME].decode(): row[spec.IMAGE] for row in rows}[NAMES[0]] == b"P5 9"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("bpm_left_angri_open.pgm", r"Expression of bpm/.* is 'angri'.*Did you mean 'angry'"),
        ("bpm_down_angry_open.pgm", r"Pose of bpm/.* is 'down'.*left, right, straight, up"),
        ("bpm_left_angry_shut.pgm", r"Eyes of bpm/.* is 'shut'.*open, sunglasses"),
        ("bpm.pgm", r"has bpm/bpm\.pgm; expected <user>_<pose>_<expression>_<eyes>\.pgm"),
    ],
)
def test_unknown_name(tmp_path, name, message):
    (write_all(tmp_path) / "bpm" / name).write_bytes(b"")
    with pytest.raises(ValueError, match=message):
        prepared(tmp_path)


def test_missing_folder_says_which_from_where_and_whereto(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"has no faces.*archive\.ics\.uci\.edu.*<data folder>/cmu_faces"
    ):
        (tmp_path / "cmu_faces").mkdir()
        prepared(tmp_path)


def test_real_images_use_the_whole_range(test_data, tmp_path):
    builder = datasets.builder("cmu_faces", tmp_path)
    datasets.prepare(builder, test_data)
    assert builder.info.splits["train"].num_examples == 624
    assert builder.info.features[spec.IDENTITY].num_classes == 20
    image = next(iter(tfds.as_numpy(builder.as_dataset(split="train"))))[spec.IMAGE]
    assert image.max() > 200

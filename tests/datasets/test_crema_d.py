import re
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import tensorflow_datasets as tfds
from recordings import number, pictures, tone, write_video, write_wav

from kfer import datasets, spec
from kfer.datasets.crema_d import KferCremaD

NAMES = ["1001_DFA_ANG_XX", "1001_IEO_HAP_HI", "1004_TAI_NEU_LO", "1040_ITH_SAD_X"]


def write_all(download_dir: Path, names: Sequence[str] = NAMES, clone: str = "") -> Path:
    folder = download_dir / "crema_d" / clone
    for place, name in enumerate(names):
        write_video(folder / "VideoFlash" / f"{name}.flv", pictures(place + 2))
    for name in names[1:]:
        # The sound's name has both letters of the level.
        whole = f"{name}X" if name.endswith("_X") else name
        write_wav(folder / "AudioWAV" / f"{whole}.wav", tone(440, 0.25))
    return folder


def prepared(tmp_path: Path, **arguments: Any) -> tfds.core.DatasetBuilder:
    builder = datasets.builder("crema_d", tmp_path / "prepared", **arguments)
    datasets.prepare(builder, tmp_path)
    return tfds.builder_from_directory(builder.data_dir)


def examples(builder: tfds.core.DatasetBuilder) -> dict[str, dict]:
    return {
        row[spec.FILENAME].decode(): row | {"split": split}
        for split in builder.info.splits
        for row in tfds.as_numpy(builder.as_dataset(split=split))
    }


class TestBuilder(tfds.testing.DatasetBuilderTestCase):
    DATASET_CLASS = KferCremaD
    BUILDER_CONFIG_NAMES_TO_TEST = ["six_class"]
    SPLITS = {"train": 2, "validation": 1, "test": 1}

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.EXAMPLE_DIR = folder.name
        write_all(Path(folder.name))
        super().setUpClass()


@pytest.mark.parametrize("clone", ["", "CREMA-D"])
def test_labels_are_those_of_the_name(tmp_path, clone):
    write_all(tmp_path, clone=clone)
    builder = prepared(tmp_path)
    features = builder.info.features
    rows = examples(builder)
    keys = (spec.IDENTITY, spec.EXPRESSION, "level")
    told = {
        name: (*(features[key].int2str(row[key]) for key in keys), row["split"], len(row[spec.SOUND]))
        for name, row in rows.items()
    }
    assert told == {
        "1001_DFA_ANG_XX.flv": ("1001", "angry", "unspecified", "train", 0),
        "1001_IEO_HAP_HI.flv": ("1001", "happy", "high", "train", 4000),
        "1004_TAI_NEU_LO.flv": ("1004", "neutral", "low", "validation", 4000),
        "1040_ITH_SAD_X.flv": ("1040", "sad", "unspecified", "test", 4000),
    }
    assert features[spec.EXPRESSION].names == ["angry", "disgust", "fear", "happy", "neutral", "sad"]
    row = rows["1004_TAI_NEU_LO.flv"]
    assert [number(picture) for picture in row[spec.CLIP]] == [0, 1, 2, 3]
    assert row[spec.FRAME_RATE] == pytest.approx(25) and row[spec.FRAME_EXPRESSION].tolist() == [-1] * 4


def test_archives_do_as_well(tmp_path):
    folder = write_all(tmp_path)
    for name in ("VideoFlash", "AudioWAV"):
        with zipfile.ZipFile(folder / f"{name}.zip", "w") as archive:
            for path in sorted((folder / name).iterdir()):
                archive.write(path, f"{name}/{path.name}")
                path.unlink()
        (folder / name).rmdir()
    rows = examples(prepared(tmp_path))
    assert set(rows) == {f"{name}.flv" for name in NAMES}
    assert sorted(len(row[spec.SOUND]) for row in rows.values()) == [0, 4000, 4000, 4000]


def test_nobody_is_in_two_splits(tmp_path):
    write_all(tmp_path, [f"10{person:02}_DFA_ANG_XX" for person in range(1, 92, 3)])
    rows = examples(prepared(tmp_path, frame_rate=1, sound="none"))
    people = {
        split: {name[:4] for name, row in rows.items() if row["split"] == split} for split in spec.SPLITS
    }
    assert all(person[-1] in "05" for person in people["test"])
    assert all(person[-1] in "49" for person in people["validation"])
    assert sum(map(len, people.values())) == len(set.union(*people.values())) == 31


def test_required_sound_that_is_missing(tmp_path):
    write_all(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"1 of 4 .* is 1001_DFA_ANG_XX\.flv; expected AudioWAV/"):
        prepared(tmp_path, sound="required")


def test_videos_alone(tmp_path):
    write_all(tmp_path, NAMES[:1])
    assert [len(row[spec.SOUND]) for row in examples(prepared(tmp_path)).values()] == [0]


@pytest.mark.parametrize("place", ["VideoFlash/1004_TAI_NEU_LO.flv", "AudioWAV/1004_TAI_NEU_LO.wav"])
def test_what_git_lfs_has_not_brought(tmp_path, place):
    (write_all(tmp_path) / place).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    with pytest.raises(ValueError, match=r"1 of \d files in .* 1004_TAI_NEU_LO\.\w+: run git lfs pull"):
        prepared(tmp_path)


@pytest.mark.parametrize(
    "name",
    ["1092_DFA_ANG_XX", "1000_DFA_ANG_XX", "1001_DFA_JOY_XX", "1001_DFA_ANG_YY", "1001_DFA_ANG", "a"],
)
def test_other_names(tmp_path, name):
    folder = write_all(tmp_path)
    (folder / "VideoFlash" / f"{name}.flv").write_bytes(b"")
    with pytest.raises(
        ValueError, match=rf"VideoFlash has {re.escape(name)}; expected <actor>_<sentence>_"
    ):
        prepared(tmp_path)


def test_missing_folder_says_which_from_where_and_whereto(tmp_path):
    (tmp_path / "crema_d").mkdir()
    with pytest.raises(
        FileNotFoundError, match=r"has no VideoFlash .*github\.com.*<data folder>/crema_d"
    ):
        prepared(tmp_path)
    (tmp_path / "crema_d" / "VideoFlash").mkdir()
    with pytest.raises(ValueError, match=r"VideoFlash has no file \*\.mp4"):
        prepared(tmp_path)

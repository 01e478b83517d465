import logging
import re
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow_datasets as tfds
from recordings import number, pictures, tone, wav, write_video

from kfer import datasets, spec
from kfer.datasets.ravdess import KferRavdess

#: A calm and an angry performance of one actor of each split, one of the test's without sound in it.
NAMES = [
    "01-01-02-01-01-01-01.mp4",
    "02-01-02-01-01-01-01.mp4",
    "01-02-05-02-02-01-01.mp4",
    "01-01-05-01-01-02-17.mp4",
    "02-01-02-01-01-01-24.mp4",
]
SOUNDS = ["03-01-02-01-01-01-01.wav", "03-01-05-01-01-02-17.wav", "03-01-05-01-01-02-18.wav"]


def write_all(download_dir: Path, names: Sequence[str] = (*NAMES, *SOUNDS)) -> Path:
    """Unpacked, a folder an actor."""
    folder = download_dir / "ravdess"
    for place, name in enumerate(names):
        path = folder / f"Actor_{name[18:20]}" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".mp4":
            write_video(path, pictures(place + 2))
        else:
            path.write_bytes(wav(tone(440, 0.1 * int(name[18:20]), 48_000), 48_000))
    return folder


def pack(folder: Path) -> None:
    """Makes of the unpacked folder the archives that people download."""
    for pattern, form in (("*.mp4", "Video_Speech_{}.zip"), ("*.wav", "Audio_Speech_Actors_01-24.zip")):
        for path in sorted(folder.glob(f"Actor_*/{pattern}")):
            with zipfile.ZipFile(folder / form.format(path.parent.name), "a") as archive:
                archive.write(path, f"{path.parent.name}/{path.name}")
            path.unlink()
    for path in folder.glob("Actor_*"):
        path.rmdir()


def prepared(tmp_path: Path, name: str = "ravdess", **arguments: Any) -> tfds.core.DatasetBuilder:
    builder = datasets.builder(name, tmp_path / "prepared", **arguments)
    datasets.prepare(builder, tmp_path)
    return tfds.builder_from_directory(builder.data_dir)


def examples(builder: tfds.core.DatasetBuilder) -> dict[str, dict]:
    return {
        row[spec.FILENAME].decode(): row | {"split": split}
        for split in builder.info.splits
        for row in tfds.as_numpy(builder.as_dataset(split=split))
    }


class TestBuilder(tfds.testing.DatasetBuilderTestCase):
    DATASET_CLASS = KferRavdess
    BUILDER_CONFIG_NAMES_TO_TEST = ["seven_class", "eight_class"]
    SPLITS = {"train": 2, "validation": 1, "test": 1}

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.EXAMPLE_DIR = folder.name
        write_all(Path(folder.name))
        super().setUpClass()


@pytest.mark.parametrize("is_packed", [False, True])
def test_each_performance_is_there_once_with_its_sound(tmp_path, is_packed):
    folder = write_all(tmp_path)
    if is_packed:
        pack(folder)
        assert {path.name for path in folder.iterdir()} == {
            "Video_Speech_Actor_01.zip",
            "Video_Speech_Actor_17.zip",
            "Video_Speech_Actor_24.zip",
            "Audio_Speech_Actors_01-24.zip",
        }
    builder = prepared(tmp_path)
    rows = examples(builder)
    # 01, with sound, is preferred; 02 is taken where it is alone.
    assert set(rows) == {NAMES[0], NAMES[2], NAMES[3], NAMES[4]}
    keys = (spec.EXPRESSION, spec.IDENTITY, "vocal_channel", "intensity")
    features = builder.info.features

    def told(name: str) -> tuple[str, ...]:
        row = rows[name]
        return tuple(
            "" if row[key] == spec.MISSING_LABEL else features[key].int2str(row[key]) for key in keys
        )

    assert told(NAMES[0]) == ("", "01", "speech", "normal")
    assert told(NAMES[2]) == ("angry", "01", "song", "strong")
    assert told(NAMES[3]) == ("angry", "17", "speech", "normal")
    assert told(NAMES[4]) == ("", "24", "speech", "normal")
    assert [rows[name]["split"] for name in (NAMES[0], NAMES[3], NAMES[4])] == list(spec.SPLITS)
    assert [len(rows[name][spec.SOUND]) for name in (NAMES[0], NAMES[2], NAMES[3])] == [1600, 0, 27200]
    assert rows[NAMES[3]][spec.CLIP].shape == (5, 48, 64, 3)
    assert [number(picture) for picture in rows[NAMES[3]][spec.CLIP]] == list(range(5))
    assert rows[NAMES[3]][spec.FRAME_RATE] == pytest.approx(25)
    assert rows[NAMES[3]][spec.FRAME_EXPRESSION].tolist() == [-1] * 5


def test_calm_is_an_expression_of_eight(tmp_path):
    write_all(tmp_path)
    builder = prepared(tmp_path, "ravdess/eight_class")
    expression = builder.info.features[spec.EXPRESSION]
    assert expression.names == [*spec.EXPRESSIONS, "calm"]
    assert expression.int2str(examples(builder)[NAMES[0]][spec.EXPRESSION]) == "calm"


def test_emotions_have_the_names_of_expressions(tmp_path):
    names = ("neutral", "", "happy", "sad", "angry", "fear", "disgust", "surprise")
    write_all(tmp_path, [f"01-01-{code:02}-01-01-01-01.mp4" for code in range(1, 9)])
    builder = prepared(tmp_path)
    expression = builder.info.features[spec.EXPRESSION]
    rows = sorted(examples(builder).items())
    labels = [int(row[spec.EXPRESSION]) for _, row in rows]
    assert labels == [expression.str2int(name) if name else spec.MISSING_LABEL for name in names]


def test_nobody_is_in_two_splits_and_each_has_as_many_women_as_men(tmp_path):
    write_all(tmp_path, [f"01-01-03-01-01-01-{actor:02}.mp4" for actor in range(1, 25)])
    builder = prepared(tmp_path, frame_rate=1, sound="none")
    people = {split: [] for split in spec.SPLITS}
    for row in examples(builder).values():
        people[row["split"]].append(1 + int(row[spec.IDENTITY]))
    assert {split: sorted(found) for split, found in people.items()} == {
        "train": list(range(1, 17)),
        "validation": [17, 18, 19, 20],
        "test": [21, 22, 23, 24],
    }
    assert all(2 * sum(actor % 2 for actor in found) == len(found) for found in people.values())


def test_arguments_are_in_the_name(tmp_path):
    def name(config: str = "ravdess", **arguments: Any) -> str:
        return datasets.builder(config, tmp_path, **arguments).builder_config.name

    assert name() == "seven_class"
    assert name("ravdess/eight_class", frame_rate=12.5) == "eight_class_12.5fps"
    assert name(largest_side=None, sound="required") == "seven_class_ownpx_sound_required"
    assert name(largest_side=96) == "seven_class_96px"


def test_sound_that_is_not_there(tmp_path, caplog):
    write_all(tmp_path, NAMES)
    with caplog.at_level(logging.WARNING, "kfer"):
        assert {len(row[spec.SOUND]) for row in examples(prepared(tmp_path)).values()} == {0}
    assert not caplog.records
    with pytest.raises(
        FileNotFoundError,
        match=r"4 of 4 recordings have no sound, the first is 01-01-02-01-01-01-01\.mp4; expected Audio_",
    ):
        prepared(tmp_path, sound="required")


@pytest.mark.parametrize(
    "name",
    [
        "01-01-03-01-01-01.mp4",
        "04-01-03-01-01-01-01.mp4",
        "01-01-09-01-01-01-01.mp4",
        "01-01-03-01-01-01-25.mp4",
        "take one.mp4",
    ],
)
def test_other_names(tmp_path, name):
    folder = write_all(tmp_path, NAMES[:1])
    (folder / "Actor_01" / name).write_bytes(b"")
    with pytest.raises(
        ValueError, match=rf"has {re.escape(name)}; expected <modality>-<vocal .*zenodo\.org"
    ):
        prepared(tmp_path)


def test_many_other_names_are_counted(tmp_path):
    folder = write_all(tmp_path, NAMES[:1])
    for place in range(8):
        (folder / "Actor_01" / f"x{place}.mp4").write_bytes(b"")
    with pytest.raises(ValueError, match=r"has x0\.mp4, x1\.mp4, .*x4\.mp4 and 3 more; expected"):
        prepared(tmp_path)


def test_missing_files_say_from_where_and_whereto(tmp_path):
    (tmp_path / "ravdess").mkdir()
    with pytest.raises(FileNotFoundError, match=r"has no Actor_\*.*zenodo\.org.*<data folder>/ravdess"):
        prepared(tmp_path)
    write_all(tmp_path, SOUNDS)
    with pytest.raises(ValueError, match="has no video of RAVDESS"):
        prepared(tmp_path)


def test_a_damaged_archive(tmp_path):
    (tmp_path / "ravdess").mkdir()
    (tmp_path / "ravdess" / "Video_Speech_Actor_01.zip").write_bytes(
        b"PK" + np.random.default_rng(0).bytes(99)
    )
    with pytest.raises(ValueError, match=r"Video_Speech_Actor_01\.zip is damaged"):
        prepared(tmp_path)

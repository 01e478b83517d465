import logging
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow_datasets as tfds
from recordings import number, pictures, tone, wav, write_frames, write_video, write_wav

from kfer import datasets, spec
from kfer.datasets.clip_folder import KferClipFolder
from kfer.media.sound import SoundError

TRAIN = ["train/happy/1.avi", "train/sad/2", "train/sad/3.mp4"]
NAMES = [*TRAIN, "test/happy/4.mkv"]
HAPPY, SAD = spec.EXPRESSIONS.index("happy"), spec.EXPRESSIONS.index("sad")


def write_all(folder: Path, table: str = "") -> Path:
    for name in NAMES:
        if Path(name).suffix:
            write_video(folder / name, pictures(10))
        else:
            write_frames(folder / name, pictures(12))
    write_wav(folder / "train/happy/1.wav", tone(440, 0.4))
    write_wav(folder / "train/sad/2.WAV", np.stack([tone(440, 0.5, 44_100)] * 2, axis=1), 44_100, 24)
    if table:
        (folder / "labels.csv").write_text(table)
    return folder


def prepared(tmp_path: Path, **arguments: Any) -> tfds.core.DatasetBuilder:
    builder = datasets.builder("clip_folder", tmp_path / "prepared", **arguments)
    datasets.prepare(builder, "")
    return tfds.builder_from_directory(builder.data_dir)


def examples(builder: tfds.core.DatasetBuilder) -> dict[str, dict]:
    return {
        row[spec.FILENAME].decode(): row
        for split in builder.info.splits
        for row in tfds.as_numpy(builder.as_dataset(split=split))
    }


class TestBuilder(tfds.testing.DatasetBuilderTestCase):
    DATASET_CLASS = KferClipFolder
    SPLITS = {"train": 3, "test": 1}

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.EXAMPLE_DIR = folder.name
        write_all(Path(folder.name))
        super().setUpClass()

    def _make_builder(self, config=None):
        return KferClipFolder(path=self.EXAMPLE_DIR, task="expression", data_dir=self.tmp_dir)


def test_clips_of_folders(tmp_path):
    builder = prepared(tmp_path, path=write_all(tmp_path / "mine"), task="expression", folder_rate=12)
    assert spec.IDENTITY not in builder.info.features
    rows = examples(builder)
    assert {name: row[spec.EXPRESSION] for name, row in rows.items()} == dict(
        zip(NAMES, (HAPPY, SAD, SAD, HAPPY), strict=True)
    )
    for name, row in rows.items():
        count = 10 if Path(name).suffix else 12
        assert row[spec.CLIP].dtype == np.uint8 and row[spec.CLIP].shape == (count, 48, 64, 3)
        assert [number(picture) for picture in row[spec.CLIP]] == list(range(count))
        assert row[spec.FRAME_RATE].dtype == np.float32
        assert row[spec.FRAME_RATE] == pytest.approx(25 if Path(name).suffix else 12)
        assert row[spec.FRAME_EXPRESSION].dtype == np.int64
        assert row[spec.FRAME_EXPRESSION].tolist() == [-1] * count
    sounds = [rows[name][spec.SOUND] for name in NAMES]
    assert {sound.dtype for sound in sounds} == {np.dtype(np.int16)}
    assert [len(sound) for sound in sounds] == [6400, 8000, 0, 0]
    np.testing.assert_array_equal(sounds[0], np.rint(tone(440, 0.4) * 32768))


def test_frame_rate_and_size(tmp_path):
    arguments = {"task": "identity", "frame_rate": 5, "largest_side": 32}
    builder = prepared(tmp_path, path=write_all(tmp_path / "mine"), **arguments)
    assert builder.info.features[spec.IDENTITY].names == ["happy", "sad"]
    rows = examples(builder)
    assert {row[spec.EXPRESSION] for row in rows.values()} == {-1}
    for name, row in rows.items():
        assert row[spec.FRAME_RATE] == 5
        count = 2 if Path(name).suffix else 3
        assert row[spec.CLIP].shape == (count, 24, 32, 3)
        assert [number(picture) for picture in row[spec.CLIP]] == [0, 5, 10][:count]


def test_csv_labels_tasks_splits_sound_and_frames(tmp_path):
    table = (
        "filename,split,expression,identity,sound,frame_expression\n"
        "train/sad/2,train,,Ann,other.wav,frames.txt\n"
        "test/happy/4.mkv,test,happy,,,\n"
    )
    folder = write_all(tmp_path / "mine", table)
    write_wav(folder / "other.wav", tone(300, 0.25))
    (folder / "frames.txt").write_text("\n".join(["happy", "", "sad"] * 4))
    builder = prepared(tmp_path, path=folder, labels="labels.csv", frame_rate=12.5)
    assert builder.info.features[spec.IDENTITY].names == ["Ann"]
    rows = examples(builder)
    first, second = rows["train/sad/2"], rows["test/happy/4.mkv"]
    assert (first[spec.EXPRESSION], first[spec.IDENTITY], len(first[spec.SOUND])) == (-1, 0, 4000)
    assert (second[spec.EXPRESSION], second[spec.IDENTITY], len(second[spec.SOUND])) == (HAPPY, -1, 0)
    # Of frames 0, 2, 4 ... of 12.
    assert first[spec.FRAME_EXPRESSION].tolist() == [HAPPY, SAD, -1, HAPPY, SAD, -1]
    assert second[spec.FRAME_EXPRESSION].tolist() == [-1] * 5


def test_files_of_a_table_may_be_named_as_spreadsheets_of_windows_do(tmp_path):
    table = f"Filename;Frame Expression\n{NAMES[0]};TEXTS\\Frames.txt\n".replace("/", "\\")
    folder = write_all(tmp_path / "mine", table)
    (folder / "texts").mkdir()
    (folder / "texts/frames.txt").write_text("sad\r" * 10)
    (row,) = examples(prepared(tmp_path, path=folder, labels="labels.csv", frame_rate=5)).values()
    assert row[spec.FRAME_EXPRESSION].tolist() == [SAD, SAD]


def test_years_within_a_label_are_refused(tmp_path):
    for name in ("train/sad/2019/1.avi", "train/happy/2.avi"):
        write_video(tmp_path / "mine" / name, pictures(1))
    with pytest.raises(ValueError, match=r"happy/2\.avi and train/sad/2019/1\.avi, which do not lie"):
        prepared(tmp_path, path=tmp_path / "mine", task="expression")


def test_hidden_files_are_no_recordings_and_linked_folders_are_read(tmp_path):
    folder = tmp_path / "mine"
    write_video(tmp_path / "disk/1.AVI".lower(), pictures(3)).rename(tmp_path / "disk/1.AVI")
    write_video(folder / "train/happy/2.avi", pictures(3))
    write_video(folder / "train/.Trash-1000/3.avi", pictures(3))
    (folder / "train/happy/._2.avi").write_bytes(b"x")
    (folder / "train/sad").symlink_to(tmp_path / "disk")
    rows = examples(prepared(tmp_path, path=folder, task="expression"))
    assert set(rows) == {"train/sad/1.AVI", "train/happy/2.avi"}


def test_more_expressions_than_frames_are_told(tmp_path, caplog):
    folder = write_all(tmp_path / "mine", f"filename,frame_expression\n{NAMES[0]},frames.txt\n")
    (folder / "frames.txt").write_text("sad\n" * 11)
    (row,) = examples(prepared(tmp_path, path=folder, labels="labels.csv", frame_rate=5)).values()
    assert row[spec.FRAME_EXPRESSION].tolist() == [SAD, SAD]
    assert "1.avi has 10 frames, and expressions for 11: the last are left out" in caplog.text


def test_other_arguments_are_another_dataset(tmp_path):
    arguments = {"path": tmp_path, "task": "expression", "data_dir": tmp_path}
    choices = [{}, {"frame_rate": 5}, {"largest_side": 9}, {"sound": "none"}, {"folder_rate": 5}]
    found = {datasets.builder("clip_folder", **arguments, **choice).data_dir for choice in choices}
    assert len(found) == len(choices)


def test_sound_may_be_left_out(tmp_path):
    rows = examples(prepared(tmp_path, path=write_all(tmp_path / "mine"), task="identity", sound="none"))
    assert {len(row[spec.SOUND]) for row in rows.values()} == {0}


def test_sound_that_some_lack_is_told(tmp_path, caplog):
    with caplog.at_level(logging.WARNING, "kfer"):
        prepared(tmp_path, path=write_all(tmp_path / "mine"), task="identity")
    assert "2 of 4 recordings have no sound, the first is test/happy/4.mkv" in caplog.text


def test_required_sound_that_is_missing(tmp_path):
    with pytest.raises(
        FileNotFoundError,
        match=r"2 of 4 .* no sound, the first is test/happy/4\.mkv; expected <recording>",
    ):
        prepared(tmp_path, path=write_all(tmp_path / "mine"), task="identity", sound="required")


def test_damaged_sound_is_left_out_unless_it_is_required(tmp_path, caplog):
    folder = tmp_path / "mine"
    for name in ("a", "b"):
        write_video(folder / f"train/sad/{name}.avi", pictures(3))
        write_wav(folder / f"train/sad/{name}.wav", tone(440))
    (folder / "train/sad/b.wav").write_bytes(wav(tone(440))[:999])
    with caplog.at_level(logging.WARNING, "kfer"):
        rows = examples(prepared(tmp_path, path=folder, task="expression"))
    assert [len(rows[f"train/sad/{name}.avi"][spec.SOUND]) for name in ("a", "b")] == [8000, 0]
    assert "The sound of train/sad/b.avi is left out: train/sad/b.wav is cut off" in caplog.text
    with pytest.raises(SoundError, match=r"train/sad/b\.wav is cut off"):
        prepared(tmp_path, path=folder, task="expression", sound="required")


def test_recordings_that_cannot_be_read_are_left_out_and_told(tmp_path, caplog, capfd):
    folder = write_all(tmp_path / "mine")
    whole = write_video(folder / "train/sad/5.avi", pictures(40)).read_bytes()
    (folder / "train/sad/5.avi").write_bytes(whole[: len(whole) // 2])
    (folder / "train/sad/3.mp4").write_text("no video" * 99)
    (folder / "train/sad/2/frame_0.png").write_bytes(b"")
    with caplog.at_level(logging.WARNING, "kfer"):
        rows = examples(prepared(tmp_path, path=folder, task="expression"))
    assert set(rows) == {*NAMES, "train/sad/5.avi"} - {"train/sad/3.mp4"}
    assert len(rows["train/sad/2"][spec.CLIP]) == len(rows["train/sad/2"][spec.FRAME_EXPRESSION]) == 11
    assert 5 <= len(rows["train/sad/5.avi"][spec.CLIP]) <= 21
    for message in (
        r"train/sad/3.mp4 is left out: ",
        "1 of 4 recordings could not be read: left out",
        "2: 1 frames could not be read, the first is frame_0.png",
    ):
        assert message in caplog.text
    # What OpenCV says in C about the broken tail.
    assert "mjpeg" not in capfd.readouterr().err


def test_a_split_of_nothing_but_damage_stops(tmp_path):
    (tmp_path / "mine/train/sad").mkdir(parents=True)
    (tmp_path / "mine/train/sad/1.mp4").write_bytes(b"")
    with pytest.raises(ValueError, match="has a split without any example"):
        prepared(tmp_path, path=tmp_path / "mine", task="expression")


def test_frames_of_changing_size_are_those_of_the_first(tmp_path, caplog):
    write_frames(tmp_path / "mine/train/sad/1", [*pictures(2), *pictures(3, 20, 30)[2:]])
    rows = examples(prepared(tmp_path, path=tmp_path / "mine", task="expression"))
    assert rows["train/sad/1"][spec.CLIP].shape == (3, 48, 64, 3)
    assert "1: 1 frames have another size than the first, and are scaled to it" in caplog.text


def test_other_files_are_left_out_with_a_warning(tmp_path, caplog):
    folder = write_all(tmp_path / "mine")
    (folder / "train/happy/4.txt").write_bytes(b"x")
    (folder / "train/happy/5.jpg").write_bytes(b"x")
    with caplog.at_level(logging.WARNING, "kfer"):
        builder = prepared(tmp_path, path=folder, task="expression")
    assert builder.info.splits["train"].num_examples == 3
    told = "2 neither recording nor frame or sound (train/happy/4.txt, train/happy/5.jpg)"
    assert f"Left out of {folder}: {told}" in caplog.text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "Give either task or labels"),
        ({"task": "identity", "labels": "a.csv"}, "Give either task or labels"),
        ({"task": "identiti"}, r"task is 'identiti'.*Did you mean 'identity'"),
        ({"task": "identity", "sound": "besides"}, r"sound is 'besides'.*Did you mean 'beside'"),
        ({"task": "identity", "frame_rate": 0}, r"frame_rate must be in \(0, 1000\] a second.*got 0"),
        ({"task": "identity", "largest_side": 0}, "largest_side must be at least 1 pixel.*got 0"),
        ({"task": "identity", "folder_rate": 0}, "folder_rate must be above 0 frames a second; got 0"),
    ],
)
def test_arguments_out_of_their_range(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        datasets.builder("clip_folder", tmp_path, path=tmp_path, **arguments)


def test_missing_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"mine is not there, or no folder.*laid out as <path>"):
        prepared(tmp_path, path=tmp_path / "mine", task="expression")


def test_folder_without_recordings(tmp_path):
    (tmp_path / "mine/train/happy").mkdir(parents=True)
    (tmp_path / "mine/train/happy/1.jpg").write_bytes(b"x")
    with pytest.raises(ValueError, match="mine holds no recordings"):
        prepared(tmp_path, path=tmp_path / "mine", task="expression")


def test_recording_outside_of_split_and_label(tmp_path):
    write_video(tmp_path / "mine/train/1.avi", pictures(1))
    with pytest.raises(ValueError, match=r"has train/1\.avi, outside of split and label.*laid out"):
        prepared(tmp_path, path=tmp_path / "mine", task="expression")


def test_unknown_class_folder_is_told_with_the_nearest(tmp_path):
    folder = write_all(tmp_path / "mine")
    (folder / "test/happy").rename(folder / "test/hapy")
    with pytest.raises(ValueError, match=r"test/hapy/4\.mkv .* is 'hapy'.*Did you mean 'happy'"):
        prepared(tmp_path, path=folder, task="expression")


@pytest.mark.parametrize(
    ("table", "error", "message"),
    [
        ("file,identity\nx,y\n", ValueError, r"columns \['file', 'identity'\].*column filename"),
        ("filename,identity\n", ValueError, "has no rows"),
        ("filename,identity\nx.mp4,A\n", ValueError, r"names x\.mp4, which is no video or folder of"),
        ("filename,identity\nlabels.csv,A\n", ValueError, r"names labels\.csv, which is no video"),
        (f"filename,identity\n{NAMES[0]},a\n{NAMES[0]},b\n", ValueError, r"happy/1\.avi twice"),
        (f"filename,expression\n{NAMES[0]},glad\n", ValueError, "line 2: the expression is 'glad'"),
        (
            f"filename,identity,sound\n{NAMES[0]},A,no.wav\n",
            FileNotFoundError,
            r"labels\.csv: the sound of .* is no\.wav, which is not in",
        ),
        (
            f"filename,frame_expression\n{NAMES[0]},no.txt\n",
            FileNotFoundError,
            r"labels\.csv: the frame_expression of .* is no\.txt, which is not in",
        ),
        (f"filename,frame_expression\n{NAMES[0]},odd.txt\n", ValueError, "in line 2 of .*odd.txt is 'x'"),
        (
            f"filename,frame_expression\n{NAMES[0]},few.txt\n",
            ValueError,
            r"1\.avi has 10 frames, and expressions for 2; expected one line a frame",
        ),
    ],
)
def test_malformed_csv(tmp_path, table, error, message):
    folder = write_all(tmp_path / "mine", table)
    (folder / "odd.txt").write_text("\nx\n")
    (folder / "few.txt").write_text("sad\nsad\n")
    with pytest.raises(error, match=message):
        prepared(tmp_path, path=folder, labels="labels.csv")


def test_a_real_video(test_data, tmp_path):
    (tmp_path / "mine/train/happy").mkdir(parents=True)
    real = test_data / "videos" / "pyfeat_single_face.mp4"
    (tmp_path / "mine/train/happy/1.mp4").symlink_to(real)
    builder = prepared(tmp_path, path=tmp_path / "mine", task="expression", frame_rate=10)
    (row,) = examples(builder).values()
    assert row[spec.CLIP].shape[0] == 24 and max(row[spec.CLIP].shape[1:]) == 256
    assert row[spec.FRAME_RATE] == 10

"""Clips: which frames are kept, and what becomes of them on their way into batches."""

import logging

import numpy as np
import pytest
import tensorflow as tf

from kfer import preprocessing
from kfer.augmentation import augment_batch
from kfer.input_pipeline import Decoded, Frames, decoded, for_evaluation, for_training, has_sound, records
from kfer.input_pipeline.frames import windows
from kfer.settings import AugmentationSettings


def clip(number: int, frames: int, rate: float = 25.0) -> dict:
    rng = np.random.default_rng(number)
    pictures = [
        tf.io.encode_png(rng.integers(1, 256, (10, 10, 3), np.uint8)).numpy() for _ in range(frames)
    ]
    return {
        "image": pictures[frames // 2],
        "clip": pictures,
        "frame_expression": [frame % 3 - 1 for frame in range(frames)],
        "frame_rate": [rate],
        "sound": b"\x01\x00\x02\x00",
        "expression": number % 2,
        "identity": number,
        "source": 0,
        "filename": f"clip_{number}",
    }


def read(folder, clips, frames: Frames) -> Decoded:
    count = records.write_examples(clips, folder / "examples", clips=True)
    examples = records.read_examples(folder / "examples", clips=True)
    left_out = decoded.write_decoded(
        folder / "decoded", examples, 8, 1, ((1.0, 0.0),), count, frames=frames
    )
    assert left_out == count - len(list((folder / "decoded").glob("images.npy"))) * len(
        decoded.load_decoded(folder / "decoded", 1.0)
    )
    return decoded.load_decoded(folder / "decoded", 1.0)


def frame_numbers(total: int, frames: Frames) -> list[int]:
    """Which frames are chosen of a clip whose labels are their numbers."""
    example = {
        "clip": tf.constant([f"frame {number}" for number in range(total)]),
        "frame_expression": tf.range(total, dtype=tf.int64),
        "frame_rate": tf.constant([20.0]),
        "sound": tf.constant(b""),
    }
    chosen = frames.choose(example)
    labels = chosen["frame_expression"].numpy().tolist()
    kept = int(chosen["num_frames"])
    named = [name.decode() for name in chosen["clip"].numpy()]
    assert named == [f"frame {label}" for label in labels[:kept]] + [""] * (len(labels) - kept)
    assert labels[kept:] == [-1] * (len(labels) - kept) and "sound" not in chosen
    return labels[:kept]


def test_which_frames_are_kept():
    assert frame_numbers(9, Frames(5, spread=True)) == [0, 2, 4, 6, 8]
    assert frame_numbers(9, Frames(5, spread=False)) == [2, 3, 4, 5, 6]
    for spread in (True, False):
        assert frame_numbers(3, Frames(5, spread)) == [0, 1, 2]
        assert frame_numbers(5, Frames(5, spread)) == [0, 1, 2, 3, 4]
    assert frame_numbers(7, Frames(1, spread=True)) == [0]


def test_frames_that_are_spread_come_more_slowly(tmp_path):
    clips = [clip(0, 9, 20.0), clip(1, 4, 20.0)]
    assert read(tmp_path, clips, Frames(5, True)).further["frame_rate"].tolist() == [[10.0], [20.0]]
    assert read(tmp_path, clips, Frames(5, False)).further["frame_rate"].tolist() == [[20.0], [20.0]]


def test_clips_are_decoded_padded_and_labelled(tmp_path):
    clips = [clip(0, 6), clip(1, 2), clip(2, 4)]
    found = read(tmp_path, clips, Frames(4, spread=False))
    assert found.images.shape == (3, 4, 8, 8, 1) and found.images.dtype == np.uint8
    np.testing.assert_array_equal(found.images[0, 0], preprocessing.prepare(clips[0]["clip"][1], 8, 1))
    np.testing.assert_array_equal(found.images[1, 1], preprocessing.prepare(clips[1]["clip"][1], 8, 1))
    assert not found.images[1, 2:].any() and found.images[2].any(axis=(1, 2, 3)).all()
    assert found.further["num_frames"].tolist() == [4, 2, 4]
    assert found.further["frame_expression"].tolist() == [[0, 1, -1, 0], [-1, 0, -1, -1], [-1, 0, 1, -1]]
    assert found.expression.tolist() == [0, 1, 0] and found.filename.tolist()[1] == "clip_1"


def test_sound_begins_with_the_first_frame_that_is_kept(tmp_path):
    clips = [clip(0, 10, rate=10.0), clip(1, 3, rate=10.0), clip(2, 4)]
    # A second of sound, whose samples are their tenths of a second; another one is shorter; one is none.
    tenths = np.repeat(np.arange(1, 11), 1600).astype("<i2")
    clips[0]["sound"], clips[1]["sound"], clips[2]["sound"] = (
        tenths.tobytes(),
        tenths[:2400].tobytes(),
        b"",
    )
    found = read(tmp_path, clips, Frames(4, spread=False, samples=4800))
    assert found.sound.dtype == np.int16 and found.sound.shape == (3, 4800)
    # The four frames in the middle of ten begin with the fourth, at 0.3 seconds.
    np.testing.assert_array_equal(found.sound[0], np.repeat([4, 5, 6], 1600))
    np.testing.assert_array_equal(found.sound[1], np.repeat([1, 2, 0], [1600, 800, 2400]))
    assert not found.sound[2].any()
    spread = read(tmp_path, clips, Frames(4, spread=True, samples=4800))
    np.testing.assert_array_equal(spread.sound[0], np.repeat([1, 2, 3], 1600))


def test_whether_some_clip_has_sound(tmp_path):
    clips = [clip(0, 2), clip(1, 2)]
    for each in clips:
        each["sound"] = b""
    read(tmp_path, clips, Frames(2, spread=False, samples=10))
    assert not has_sound(tmp_path / "decoded")
    clips[1]["sound"] = b"\x01\x00"
    read(tmp_path, clips, Frames(2, spread=False, samples=10))
    assert has_sound(tmp_path / "decoded")
    read(tmp_path / "silent", clips, Frames(2, spread=False))
    assert not has_sound(tmp_path / "silent" / "decoded")


def test_batches_of_clips_with_sound_are_both(tmp_path):
    clips = [clip(0, 4), clip(1, 4)]
    clips[0]["sound"] = np.full(100, 16384, "<i2").tobytes()
    found = read(tmp_path, clips, Frames(4, spread=False, samples=50))
    inputs, _ = next(iter(for_training(found, 2, 0, None)))
    assert set(inputs) == {"image", "sound"} and inputs["sound"].dtype == np.float32
    np.testing.assert_array_equal(np.sort(inputs["sound"][:, 0]), [1 / 32768, 0.5])
    whole, _ = next(iter(for_evaluation(found, 2)))
    np.testing.assert_array_equal(whole["sound"], found.inputs(np.arange(2))["sound"])
    assert len(found.at(slice(1)).sound) == 1 and len(Decoded.concatenate([found, found]).sound) == 4


def test_a_clip_with_a_damaged_frame_is_left_out_and_named(tmp_path, caplog):
    clips = [clip(0, 3), clip(1, 3), clip(2, 3)]
    clips[1]["clip"][2] = clips[1]["clip"][2][:30]
    with caplog.at_level(logging.WARNING):
        found = read(tmp_path, clips, Frames(3, spread=False))
    assert found.filename.tolist() == ["clip_0", "clip_2"]
    assert "1 of 3 images do not decode: clip_1" in caplog.text


def toy_clips(number: int = 6, frames: int = 8) -> Decoded:
    """Clips of `frames` frames, but for the first, which has three; a frame's pixels are its number."""
    images = np.zeros((number, frames, 8, 8, 1), np.uint8)
    images += np.arange(1, frames + 1, dtype=np.uint8)[:, np.newaxis, np.newaxis, np.newaxis]
    images[0, 3:] = 0
    nothing = np.zeros(number, np.int32)
    labels = np.tile(np.arange(frames, dtype=np.int32), (number, 1))
    names = np.array([str(index) for index in range(number)])
    return Decoded(images, nothing, nothing, nothing, names, {"frame_expression": labels})


def test_windows_begin_anywhere_and_keep_frames_and_labels_together():
    clips, firsts = toy_clips(), set()
    given = tf.cast(clips.images, tf.float32)
    for seed in range(40):
        shown, labels = windows(given, dict(clips.further), 4, [seed, 0])
        numbers = shown.numpy()[:, :, 0, 0, 0]
        # A clip with fewer frames than are wanted begins at its first.
        assert numbers[0].tolist() == [1, 2, 3, 0]
        np.testing.assert_array_equal(np.diff(numbers[1:]), 1)
        np.testing.assert_array_equal(labels["frame_expression"][1:], numbers[1:] - 1)
        firsts |= set(numbers[1:, 0].astype(int))
    assert firsts == {1, 2, 3, 4, 5}


def test_batches_have_the_frames_that_are_wanted():
    for wanted, expected in ((0, 8), (4, 4), (8, 8)):
        shown, _ = next(iter(for_training(toy_clips(), 3, 0, None, frames=wanted)))
        assert shown.shape == (3, expected, 8, 8, 1)
    first, again = (next(iter(for_training(toy_clips(), 3, 5, None, frames=4)))[0] for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_each_frame_of_a_clip_is_augmented_alike():
    settings = AugmentationSettings(flip=0.5, shift=0.2, rotation=0.3, brightness=0.4, erase=0.5)
    still = np.random.default_rng(0).integers(1, 256, (5, 1, 16, 16, 1)).astype(np.float32)
    clips = np.repeat(still, 4, axis=1)
    clips[2, 3] = 0
    changed, _ = augment_batch(tf.constant(clips), {}, settings, tf.constant([1, 2]))
    assert changed.shape == clips.shape and not np.any(changed[2, 3])
    for frame in range(1, 4):
        rows = [0, 1, 3, 4] if frame == 3 else range(5)
        np.testing.assert_array_equal(changed.numpy()[rows, frame], changed.numpy()[rows, 0])
    assert np.abs(changed - clips).max() > 10


def test_clips_are_not_mixed():
    with pytest.raises(ValueError, match="clips cannot be mixed"):
        augment_batch(tf.zeros([2, 3, 8, 8, 1]), {}, AugmentationSettings(mixup=0.5), tf.constant([1, 2]))

import pickle

import numpy as np
import pytest
import tensorflow_datasets as tfds

from kfer import datasets, spec
from kfer.datasets import drawing
from kfer.datasets.synthetic_clips import KferSyntheticClips

TINY = {
    "num_identities": 2,
    "num_heldout_identities": 1,
    "examples_per_identity": 4,
    "heldout_examples_per_identity": 7,
    "min_frames": 8,
    "max_frames": 10,
    "frame_rate": 20,
    "image_size": 24,
}


def _prepare(data_dir, **arguments) -> KferSyntheticClips:
    builder = KferSyntheticClips(data_dir=str(data_dir), **{**TINY, **arguments})
    datasets.prepare(builder, "")
    return builder


@pytest.fixture(scope="module")
def builder(tmp_path_factory):
    return _prepare(tmp_path_factory.mktemp("data"), voice="insufficient")


def _examples(builder, split):
    return list(tfds.as_numpy(builder.as_dataset(split=split)))


def test_splits_have_people_of_their_own(builder):
    people = {split: {int(e[spec.IDENTITY]) for e in _examples(builder, split)} for split in spec.SPLITS}
    assert people == {spec.TRAIN: {0, 1}, spec.VALIDATION: {2}, spec.TEST: {3}}
    sizes = {split: builder.info.splits[split].num_examples for split in spec.SPLITS}
    assert sizes == {spec.TRAIN: 8, spec.VALIDATION: 7, spec.TEST: 7}


def test_every_person_has_every_class(builder):
    counts = np.bincount([e[spec.EXPRESSION] for e in _examples(builder, spec.TEST)], minlength=4)
    assert sorted(counts) == [1, 2, 2, 2]


def test_examples_are_what_was_drawn(builder):
    names = builder.info.features[spec.EXPRESSION].names
    lengths = set()
    for example in _examples(builder, spec.VALIDATION):
        clip_class, person = names[example[spec.EXPRESSION]], int(example[spec.IDENTITY])
        filename = example[spec.FILENAME].decode()
        number = int(filename.partition("/")[2][:4])
        assert filename == f"person_{person:03d}/{number:04d}_{clip_class}"
        length = len(example[spec.CLIP])
        lengths.add(length)
        clip = drawing.draw_clip(
            person, clip_class, number, length, size=24, frame_rate=20, voice="insufficient"
        )
        np.testing.assert_array_equal(example[spec.CLIP], clip.frames)
        np.testing.assert_array_equal(example[spec.FRAME_EXPRESSION], clip.expressions)
        np.testing.assert_array_equal(example["action_units"], clip.action_units)
        np.testing.assert_array_equal(example[spec.SOUND], clip.sound)
        assert example[spec.SOUND].dtype == np.int16
        assert len(example[spec.SOUND]) == length / 20 * spec.SAMPLE_RATE
        assert example[spec.FRAME_RATE] == np.float32(20)
    assert lengths == {8, 9, 10}


def test_without_a_voice_the_sound_is_empty_and_classes_are_six(tmp_path):
    builder = _prepare(tmp_path)
    assert builder.info.features[spec.EXPRESSION].names == list(drawing.CLIP_CLASSES["none"])
    assert builder.info.features[spec.FRAME_EXPRESSION].feature.names == list(spec.EXPRESSIONS)
    (example, *_) = _examples(builder, spec.TEST)
    assert example[spec.SOUND].shape == (0,)
    assert example[spec.FRAME_EXPRESSION].min() >= -1


def test_reopens_from_its_folder_alone(builder):
    reopened = tfds.builder_from_directory(builder.data_dir)
    assert reopened.info.features[spec.IDENTITY].num_classes == 4
    ours, theirs = _examples(builder, spec.TRAIN), _examples(reopened, spec.TRAIN)
    assert [e[spec.FILENAME] for e in ours] == [e[spec.FILENAME] for e in theirs]
    np.testing.assert_array_equal(ours[0][spec.CLIP], theirs[0][spec.CLIP])
    np.testing.assert_array_equal(ours[0][spec.SOUND], theirs[0][spec.SOUND])


def test_is_the_same_when_built_again(builder, tmp_path):
    again = _prepare(tmp_path, voice="insufficient")
    for ours, theirs in zip(_examples(builder, spec.TRAIN), _examples(again, spec.TRAIN), strict=True):
        assert ours[spec.FILENAME] == theirs[spec.FILENAME]
        np.testing.assert_array_equal(ours[spec.CLIP], theirs[spec.CLIP])
        np.testing.assert_array_equal(ours[spec.SOUND], theirs[spec.SOUND])


@pytest.mark.parametrize("name", [*TINY, "seed", "voice"])
def test_other_arguments_go_to_another_folder(tmp_path, name):
    arguments = {**TINY, "seed": 0}
    first = KferSyntheticClips(data_dir=str(tmp_path), **arguments)
    other = "telling" if name == "voice" else arguments[name] + 1
    second = KferSyntheticClips(data_dir=str(tmp_path), **{**arguments, name: other})
    assert first.data_dir != second.data_dir


def test_pickled_builder_keeps_its_arguments(builder):
    copy = pickle.loads(pickle.dumps(builder))
    assert copy.info.full_name == builder.info.full_name
    assert copy.builder_config.voice == "insufficient"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"min_frames": 7}, "min_frames of synthetic_clips is 7; expected 8 to 1000"),
        (
            {"min_frames": 12, "max_frames": 11},
            "max_frames of synthetic_clips is 11; expected 12 to 1000",
        ),
        ({"frame_rate": 0}, "frame_rate of synthetic_clips is 0; expected 5 to 240"),
        ({"image_size": 8}, "image_size of synthetic_clips is 8; expected 24 to 1024"),
        ({"voice": "loud"}, "voice of synthetic_clips is 'loud'; expected one of none, telling"),
        ({"config": "large"}, "synthetic_clips has no named configs, but 'large' was asked for"),
    ],
)
def test_arguments_out_of_range_are_refused(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        KferSyntheticClips(data_dir=str(tmp_path), **arguments)

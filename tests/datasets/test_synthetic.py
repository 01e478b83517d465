import pickle

import numpy as np
import pytest
import tensorflow_datasets as tfds

from kfer import spec
from kfer.datasets import drawing
from kfer.datasets.synthetic import KferSynthetic

TINY = {
    "num_identities": 3,
    "num_heldout_identities": 2,
    "examples_per_identity": 8,
    "heldout_examples_per_identity": 7,
    "image_size": 32,
}


def _prepare(data_dir) -> KferSynthetic:
    builder = KferSynthetic(data_dir=str(data_dir), **TINY)
    builder.download_and_prepare()
    return builder


@pytest.fixture(scope="module")
def builder(tmp_path_factory):
    return _prepare(tmp_path_factory.mktemp("data"))


def _examples(builder, split):
    return list(tfds.as_numpy(builder.as_dataset(split=split)))


def test_splits_have_people_of_their_own(builder):
    people = {split: {int(e[spec.IDENTITY]) for e in _examples(builder, split)} for split in spec.SPLITS}
    assert people == {spec.TRAIN: {0, 1, 2}, spec.VALIDATION: {3, 4}, spec.TEST: {5, 6}}
    sizes = {split: builder.info.splits[split].num_examples for split in spec.SPLITS}
    assert sizes == {spec.TRAIN: 24, spec.VALIDATION: 14, spec.TEST: 14}


def test_every_person_has_every_expression(builder):
    seen = [(int(e[spec.IDENTITY]), int(e[spec.EXPRESSION])) for e in _examples(builder, spec.TEST)]
    assert sorted(seen) == [(person, expression) for person in (5, 6) for expression in range(7)]
    assert builder.info.features[spec.EXPRESSION].names == list(spec.EXPRESSIONS)


def test_examples_are_what_was_drawn(builder):
    for example in _examples(builder, spec.VALIDATION):
        person, expression = int(example[spec.IDENTITY]), spec.EXPRESSIONS[example[spec.EXPRESSION]]
        filename = example[spec.FILENAME].decode()
        number = int(filename.partition("/")[2][:4])
        assert filename == f"person_{person:03d}/{number:04d}_{expression}.png"
        face = drawing.draw(person, expression, number, 32)
        np.testing.assert_array_equal(example[spec.IMAGE], face.image)
        np.testing.assert_array_equal(example["action_units"], face.action_units)
        np.testing.assert_array_equal(example["landmarks"], face.landmarks)
        np.testing.assert_array_equal(example["box"], face.box)
        np.testing.assert_array_equal(example["head_pose"], face.head_pose)
        shares = example["relative_landmarks"].reshape(5, 2)
        np.testing.assert_array_equal(shares, face.landmarks / 32)
        assert (shares > 0).all() and (shares < 1).all()


def test_reopens_from_its_folder_alone(builder):
    reopened = tfds.builder_from_directory(builder.data_dir)
    assert reopened.info.features[spec.IDENTITY].num_classes == 7
    ours, theirs = _examples(builder, spec.TRAIN), _examples(reopened, spec.TRAIN)
    assert [e[spec.FILENAME] for e in ours] == [e[spec.FILENAME] for e in theirs]
    np.testing.assert_array_equal(ours[0][spec.IMAGE], theirs[0][spec.IMAGE])


def test_is_the_same_when_built_again(builder, tmp_path):
    again = _prepare(tmp_path)
    for split in spec.SPLITS:
        for ours, theirs in zip(_examples(builder, split), _examples(again, split), strict=True):
            assert ours[spec.FILENAME] == theirs[spec.FILENAME]
            np.testing.assert_array_equal(ours[spec.IMAGE], theirs[spec.IMAGE])


@pytest.mark.parametrize("name", [*TINY, "seed"])
def test_other_arguments_go_to_another_folder(tmp_path, name):
    arguments = {**TINY, "seed": 0}
    first = KferSynthetic(data_dir=str(tmp_path), **arguments)
    second = KferSynthetic(data_dir=str(tmp_path), **{**arguments, name: arguments[name] + 1})
    assert first.data_dir != second.data_dir


def test_pickled_builder_keeps_its_arguments(builder):
    copy = pickle.loads(pickle.dumps(builder))
    assert copy.data_dir == builder.data_dir
    assert copy.builder_config.num_identities == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image_size": 8}, "image_size of synthetic is 8; expected 24 to 1024"),
        ({"num_identities": 1}, "num_identities of synthetic is 1; expected 2 to"),
        (
            {"heldout_examples_per_identity": 0},
            "heldout_examples_per_identity of synthetic is 0; expected 1",
        ),
        ({"seed": -1}, "seed of synthetic is -1; expected 0 to"),
        ({"config": "large"}, "synthetic has no named configs, but 'large' was asked for"),
    ],
)
def test_arguments_out_of_range_are_refused(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        KferSynthetic(data_dir=str(tmp_path), **arguments)

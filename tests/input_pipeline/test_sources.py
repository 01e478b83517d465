import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from kfer.input_pipeline import sources
from kfer.settings import LabelSettings, SourceSettings

EXPRESSIONS = ("happy", "angry")
LABELS = {"expression": LabelSettings("classes", EXPRESSIONS), "identity": LabelSettings("embedding")}
MAPPED = {"expression": {"anger": "angry", "contempt": ""}}
NUMBERS = SourceSettings("faces", labels=MAPPED)
TEXTS = SourceSettings(
    "faces",
    features={"image": "photo", "expression": "feeling", "identity": "label"},
    labels=MAPPED,
)


def column(examples, name: str) -> list:
    return [example[name] for example in examples]


def test_labels_by_name_and_images_not_decoded(faces):
    examples = list(sources.read_source(faces("numbers"), "train", NUMBERS, LABELS))
    assert set(examples[0]) == {"image", "expression", "identity", "filename"}
    assert sorted(zip(column(examples, "identity"), column(examples, "expression"), strict=True)) == [
        (-1, -1),
        (5, 0),
        (7, 0),
        (7, 1),
    ]
    assert sorted(column(examples, "filename")) == [f"train/{key}.png" for key in range(4)]
    assert all(isinstance(image, bytes) for image in column(examples, "image"))
    decoded = tf.io.decode_png(examples[0]["image"])
    assert decoded.shape == (10, 12, 3)


def test_the_same_dataset_with_texts_and_other_feature_names(faces):
    examples = list(sources.read_source(faces("texts"), "train", TEXTS, LABELS))
    assert sorted(zip(column(examples, "identity"), column(examples, "expression"), strict=True)) == [
        ("", -1),
        ("Person_5", 0),
        ("Person_7", 0),
        ("Person_7", 1),
    ]
    assert column(examples, "filename") == [f"train:{position}" for position in range(4)]
    assert tf.io.decode_png(examples[0]["image"]).shape == (10, 12, 1)


def test_a_prepared_folder_alone_is_enough(faces, faces_dir):
    builder = tfds.builder_from_directory(faces("numbers").data_path)
    examples = list(sources.read_source(builder, "test", NUMBERS, LABELS))
    assert sorted(column(examples, "identity")) == [2, 9]
    assert column(examples, "expression") == [-1, -1]  # Contempt is left out, the other missing.


def test_integer_labels_are_indices_unless_mapped(faces):
    def labels(source, expressions):
        examples = sources.read_source(
            faces("integers"), "train", source, {"expression": LabelSettings("classes", expressions)}
        )
        return sorted(column(examples, "expression"))

    assert labels(SourceSettings("faces"), EXPRESSIONS) == [-1, 0, 1, 1]
    mapped = SourceSettings("faces", labels={"expression": {"0": "sad", "1": ""}})
    assert labels(mapped, ("happy", "angry", "sad")) == [-1, -1, -1, 2]
    with pytest.raises(ValueError, match="is '1'; expected one of happy"):
        labels(SourceSettings("faces"), ("happy",))


def test_missing_features_are_missing_labels(faces):
    many = {"expression": LabelSettings("classes", ("happy", "angry", "sad"))}
    (example, *_) = sources.read_source(faces("integers"), "test", SourceSettings("f"), many)
    assert example["identity"] == -1


def test_a_slice_of_a_split(faces):
    assert len(list(sources.read_source(faces("numbers"), "train[:50%]", NUMBERS, LABELS))) == 2
    assert sources.num_examples(faces("numbers"), "train[:50%]", NUMBERS) == 2


def test_star_maps_every_other_name(faces):
    source = SourceSettings("faces", labels={"expression": {"happy": "happy", "*": ""}})
    examples = sources.read_source(faces("numbers"), "train", source, LABELS)
    assert sorted(column(examples, "expression")) == [-1, -1, 0, 0]


def test_an_unknown_label_is_named_with_the_nearest_before_any_example(faces):
    source = SourceSettings("faces", labels={"expression": {"contempt": ""}})
    with pytest.raises(ValueError, match=r"is 'anger'; expected one of .*Did you mean 'angry'\?"):
        next(sources.read_source(faces("numbers"), "train", source, LABELS))


def test_an_unknown_split_is_named(faces):
    with pytest.raises(ValueError, match=r"has no split 'training'; it has .*validation"):
        next(sources.read_source(faces("numbers"), "training", NUMBERS, LABELS))


def test_an_unknown_feature_is_named_with_the_nearest(faces):
    source = SourceSettings("faces", features={"identity": "identities"})
    with pytest.raises(ValueError, match=r"feature for 'identity' is 'identities'.*'identity'\?"):
        next(sources.read_source(faces("numbers"), "train", source, LABELS))


def test_a_dataset_without_image_is_refused(faces):
    with pytest.raises(ValueError, match=r"feature for 'image' is 'image'; expected one of .*photo"):
        next(sources.read_source(faces("texts"), "train", SourceSettings("f"), LABELS))


def test_pairs(faces):
    pairs = list(sources.read_pairs(faces("pairs"), "train", SourceSettings("faces")))
    assert sorted(column(pairs, "same")) == [0, 0, 1, 1]
    assert column(pairs, "fold") == [-1] * 4
    for pair in pairs:
        a, b = tf.io.decode_png(pair["image_a"]), tf.io.decode_png(pair["image_b"])
        assert not np.array_equal(a, b)


def test_people_of_all_training_splits_come_first(faces):
    ids, num_identities = sources.assign_identities(
        [faces("numbers"), faces("texts"), faces("integers")],
        [NUMBERS, TEXTS, SourceSettings("without people")],
    )
    # Person 5 is in training and in validation: trained on. 2 is in validation and in test: one id.
    assert ids == {
        (0, 5): 0,
        (0, 7): 1,
        (1, "Person_5"): 2,
        (1, "Person_7"): 3,
        (0, 2): 4,
        (0, 9): 5,
        (1, "Person_2"): 6,
        (1, "Person_9"): 7,
    }
    assert num_identities == 4


def test_a_source_without_training_split_has_held_out_people_only(faces):
    source = SourceSettings("faces", splits={"test": "train"}, labels=MAPPED)
    ids, num_identities = sources.assign_identities([faces("numbers")], [source])
    assert (set(ids), num_identities) == ({(0, 5), (0, 7)}, 0)


def test_to_global_numbers_people_and_sources():
    examples = [{"identity": 7, "filename": "a"}, {"identity": -1, "filename": "b"}]
    assert list(sources.to_global(examples, 3, {(3, 7): 11})) == [
        {"identity": 11, "filename": "a", "source": 3},
        {"identity": -1, "filename": "b", "source": 3},
    ]


LANDMARKS = LabelSettings("regression", ("y", "x"))


def test_further_labels_are_read_and_missing_where_a_source_has_none(faces):
    wanted = {"landmarks": LANDMARKS, "pose": LabelSettings("classes", ("left", "right"))}
    (example, *_) = sources.read_source(faces("numbers"), "train", NUMBERS, LABELS | wanted)
    assert example["landmarks"].dtype == np.float32
    assert example["landmarks"].shape == (2,)
    assert example["pose"] == -1
    (example, *_) = sources.read_source(faces("integers"), "train", SourceSettings("f"), wanted)
    assert np.isnan(example["landmarks"]).all()
    assert example["expression"] == -1  # no task asks for it


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (LabelSettings("regression", ("x",)), r"expected 1 numbers of the landmarks \(x\); got 2"),
        (LabelSettings("multi_label", ("a", "b")), "multi_label are finite and from 0 to 1, nan where"),
        (LabelSettings("soft_classes", ("a", "b")), "soft_classes are finite and from 0 to inf"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(faces, label: LabelSettings, message: str):
    examples = sources.read_source(faces("numbers"), "train", NUMBERS, LABELS | {"landmarks": label})
    with pytest.raises(ValueError, match=message):
        list(examples)


def test_names_are_those_that_the_sources_give(faces):
    wanted = {"expression": LabelSettings("classes"), "feeling": LabelSettings("classes")}
    builders = [faces("numbers"), faces("texts")]
    both = [NUMBERS, SourceSettings("f")]
    found = sources.with_names(builders, both, wanted)
    assert found["expression"].names == ("angry", "happy")  # contempt is left out
    assert found["feeling"].names == ("anger", "contempt", "happy")
    with pytest.raises(ValueError, match="no source has a feature 'pose': faces has image"):
        sources.with_names(builders, both, {"pose": LabelSettings("classes")})
    with pytest.raises(ValueError, match="expected 'landmarks' to be a ClassLabel or a text"):
        sources.with_names(builders, both, {"landmarks": LabelSettings("classes")})

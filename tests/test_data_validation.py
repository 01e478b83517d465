"""Small splits with one fault each: counted, named, and of the right severity."""

import json
import zipfile

import cv2
import numpy as np
import pytest
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2

from kfer import data_validation

CLASSES = ("angry", "happy", "sad")
SOURCES = ("drawn", "other")


def _image(seed, extension=".png", size=(10, 8)):
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    return cv2.imencode(extension, pixels)[1].tobytes()


def _flat(grey, extension=".png"):
    return cv2.imencode(extension, np.full((6, 6, 3), grey, np.uint8))[1].tobytes()


def _example(image, expression=0, identity=0, source=0, filename="some.png"):
    return {
        "image": image,
        "expression": expression,
        "identity": identity,
        "source": source,
        "filename": filename,
    }


def _healthy(first_seed, num=60):
    """Examples with every class and three people, named by split and number."""
    return [
        _example(_image(first_seed + i), i % 3, i // 3 % 3, i % 2, f"{first_seed}_{i}.png")
        for i in range(num)
    ]


def _splits(**changed):
    splits = {"train": _healthy(0), "validation": _healthy(1000, 9), "test": _healthy(2000, 9)}
    return splits | changed


def _statistics(splits):
    return data_validation.compute_statistics(splits, CLASSES, SOURCES)


def _rows(splits, max_bad_image_share=0.02, **arguments):
    statistics = _statistics(splits)
    schema = data_validation.infer_schema(statistics)
    anomalies = data_validation.validate(statistics, schema, max_bad_image_share, **arguments)
    rows = data_validation.anomaly_rows(anomalies)
    assert data_validation.has_errors(anomalies) == any(r["severity"] == "ERROR" for r in rows)
    return rows


def _only_row(splits, **arguments):
    (row,) = _rows(splits, **arguments)
    return row


def test_healthy_examples_have_no_anomaly():
    assert _rows(_splits()) == []


def test_summary_counts_everything():
    train = [
        _example(_image(0, size=(10, 8)), 0, 5, 0, "a"),
        _example(_image(1, size=(20, 4)), 0, 5, 1, b"b"),
        _example(_flat(90), -1, 5, 1, "c"),
        _example(_image(0), 2, 6, 1, "d"),  # is "a" again, with another label
        _example(b"no image", 1, -1, 1, "e"),
    ]
    test = [_example(_image(1, size=(20, 4)), 0, -1, 0, "f"), _example(_image(9), 1, 7, 0, "g")]
    statistics = _statistics({"train": train, "test": iter(test)})
    result = json.loads(json.dumps(data_validation.summary(statistics), allow_nan=False))
    brightness = result["train"].pop("brightness")
    assert brightness["min"] == 90.0 and 110 < brightness["max"] < 150
    assert result["train"] == {
        "num_examples": 5,
        "expressions": {"angry": 2, "happy": 1, "sad": 1},
        "without_expression": 1,
        "without_identity": 1,
        "num_people": 2,
        "sources": {"drawn": 1, "other": 4},
        "undecodable_images": 1,
        "blank_images": 1,
        "repeated_images": 1,
        "images_in_training": 0,
        "contradicted_expressions": 1,
        "contradicted_identities": 1,
        "width": {"min": 4.0, "mean": (8 + 4 + 6 + 8) / 4, "max": 8.0},
        "height": {"min": 6.0, "mean": (10 + 20 + 6 + 10) / 4, "max": 20.0},
        "images_a_person": {"min": 1.0, "mean": 2.0, "max": 3.0},
    }
    assert result["test"]["images_in_training"] == 1
    assert result["test"]["contradicted_expressions"] == 0
    assert result["test"]["num_people"] == 1


def test_summary_of_nothing():
    empty = data_validation.summary(_statistics({"train": []}))["train"]
    assert empty["num_examples"] == 0
    assert empty["width"] is None and empty["images_a_person"] is None
    assert empty["expressions"] == {"angry": 0, "happy": 0, "sad": 0}


def test_statistics_are_those_that_tensorflow_data_validation_reads():
    statistics = _statistics(_splits())
    assert [dataset.name for dataset in statistics.datasets] == ["train", "validation", "test"]
    train = statistics.datasets[0]
    features = {feature.path.step[0]: feature for feature in train.features}
    assert list(features) == ["image", "expression", "identity", "source"]
    image = features["image"].bytes_stats
    sizes = [len(example["image"]) for example in _healthy(0)]
    assert image.common_stats.num_non_missing == 60
    assert (image.min_num_bytes, image.max_num_bytes_int) == (min(sizes), max(sizes))
    expression = features["expression"]
    assert expression.type == statistics_pb2.FeatureNameStatistics.INT
    assert [(top.value, top.frequency) for top in expression.string_stats.top_values] == [
        ("0", 20),
        ("1", 20),
        ("2", 20),
    ]


def test_statistics_take_every_example_once_and_in_order():
    # More examples than a thread takes at once; one in 50 does not decode.
    examples = (_example(b"" if i % 50 == 0 else _image(i), filename=f"{i}.png") for i in range(400))
    statistics = _statistics({"train": examples})
    assert data_validation.summary(statistics)["train"]["undecodable_images"] == 8
    (row,) = [
        row
        for row in data_validation.anomaly_rows(
            data_validation.validate(statistics, data_validation.infer_schema(statistics), 1.0)
        )
        if row["feature"] == "image"
    ]
    assert row["description"].endswith("such as 0.png, 50.png, 100.png, 150.png, 200.png.")


def test_a_failing_source_is_not_taken_for_a_short_one():
    def examples():
        yield from _healthy(0)
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        _statistics({"train": examples()})


@pytest.mark.parametrize("content", [b"", b"no image", _image(0, ".jpg")[:-40], _image(0)[:60]])
def test_undecodable_images_are_counted_up_to_the_allowed_share(content):
    splits = _splits(train=[*_healthy(0, 99), _example(content, 0, 0, 0, "broken.jpg")])
    row = _only_row(splits, max_bad_image_share=0.01)
    assert row["severity"] == "WARNING" and row["feature"] == "image"
    assert row["short"] == "Undecodable images in train"
    assert "1 of 100 images of train (1.0%)" in row["description"]
    assert "at most 1.0% may be" in row["description"]
    assert "such as broken.jpg." in row["description"]
    assert _only_row(splits, max_bad_image_share=0.009)["severity"] == "ERROR"


def test_undecodable_images_are_not_duplicates_of_each_other():
    bad = [_example(b"no image", i % 2, 0, 0, f"{i}") for i in range(3)]
    splits = _splits(train=_healthy(0) + bad, test=_healthy(2000, 9) + bad)
    assert {row["short"] for row in _rows(splits, max_bad_image_share=1.0)} == {
        "Undecodable images in train",
        "Undecodable images in test",
    }


@pytest.mark.parametrize("extension", [".png", ".jpg"])
def test_blank_images(extension):
    blank = _example(_flat((10, 200, 30), extension), filename="blank.png")
    row = _only_row(_splits(train=[*_healthy(0), blank]))
    assert row["severity"] == "WARNING" and row["short"] == "Blank images in train"
    assert "1 of 61 images of train" in row["description"] and "blank.png" in row["description"]


def test_an_image_with_one_flat_row_is_not_blank():
    pixels = np.random.default_rng(0).integers(0, 256, (9, 9, 3), np.uint8)
    pixels[4] = 7
    example = _example(cv2.imencode(".png", pixels)[1].tobytes())
    assert _rows(_splits(train=[*_healthy(0), example])) == []


def test_test_images_identical_to_a_training_image_in_any_format():
    pixels = cv2.imdecode(np.frombuffer(_image(3), np.uint8), cv2.IMREAD_COLOR)
    again = cv2.imencode(".bmp", pixels)[1].tobytes()  # the same pixels, other bytes
    row = _only_row(_splits(test=[*_healthy(2000, 9), _example(again, 0, 1, 0, "again.bmp")]))
    assert row["severity"] == "WARNING" and row["short"] == "Training images in test"
    assert "1 of 10 images of test are identical to a training image" in row["description"]
    assert "again.bmp" in row["description"]


def test_images_of_the_same_pixels_in_another_shape_are_different():
    flat = [np.arange(48, dtype=np.uint8).reshape(shape) for shape in ((2, 8, 3), (8, 2, 3))]
    images = [_example(cv2.imencode(".png", one)[1].tobytes(), i) for i, one in enumerate(flat)]
    assert _rows(_splits(train=_healthy(0) + images)) == []


@pytest.mark.parametrize(
    ("label", "values"),
    [("expression", {"expression": 2, "identity": 0}), ("identity", {"identity": 2})],
)
def test_identical_images_with_several_labels(label, values):
    again = _example(_image(0)) | values | {"filename": "again.png"}
    row = _only_row(_splits(train=[*_healthy(0), again]))
    assert row["feature"] == label and row["severity"] == "WARNING"
    assert row["short"] == "Contradictory labels in train"
    assert "1 groups of identical images, the first of them in train" in row["description"]
    assert "0_0.png" in row["description"]


def test_a_missing_label_contradicts_nothing():
    again = _example(_image(0), -1, -1)
    assert _rows(_splits(train=[*_healthy(0), again])) == []


@pytest.mark.parametrize(
    ("label", "value", "allowed"),
    [
        ("expression", 3, "0 to 2"),
        ("expression", -2, "0 to 2"),
        ("identity", -7, "0 up"),
        ("source", 2, "0 to 1"),
    ],
)
def test_labels_outside_the_domain(label, value, allowed):
    strange = _example(_image(77)) | {label: value}
    row = _only_row(_splits(validation=[*_healthy(1000, 9), strange]))
    assert row["severity"] == "ERROR" and row["feature"] == label
    assert row["short"] == "Labels outside the domain in validation"
    assert f"Expected labels from {allowed}, or -1" in row["description"]
    assert str(value) in row["description"]


def test_classes_that_training_lacks():
    train = [example for example in _healthy(0) if example["expression"] != 2]
    rows = _rows(_splits(train=train))
    assert [row["short"] for row in rows] == [
        "Rare classes in train",
        "Untrained classes in test",
        "Untrained classes in validation",
    ]
    assert all(row["severity"] == "WARNING" for row in rows)
    assert "fewer than 10 training examples: sad (0)." in rows[0]["description"]
    assert "test has classes without a training example: sad (3)." in rows[1]["description"]


def test_unbalanced_classes():
    extra = [_example(_image(5000 + i), 1, 0) for i in range(181)]
    row = _only_row(_splits(train=_healthy(0) + extra))
    assert row["short"] == "Unbalanced classes in train" and row["severity"] == "WARNING"
    assert "10.1 times as many examples of happy (201) as of angry (20)" in row["description"]
    assert _rows(_splits(train=_healthy(0) + extra[:180])) == []


@pytest.mark.parametrize(("split", "severity"), [("train", "ERROR"), ("test", "WARNING")])
def test_an_empty_split(split, severity):
    (row,) = [row for row in _rows(_splits(**{split: []})) if row["feature"] == "dataset"]
    assert row["severity"] == severity
    assert row["short"] == f"No example in {split}"
    assert "Expected examples in every split" in row["description"]


@pytest.mark.parametrize("task", ["expression", "identity"])
@pytest.mark.parametrize(("split", "severity"), [("train", "ERROR"), ("test", "WARNING")])
def test_a_task_without_a_label(task, split, severity):
    splits = _splits()
    splits[split] = [example | {task: -1} for example in splits[split]]
    row = next(row for row in _rows(splits) if row["short"].startswith("No "))
    assert row["severity"] == severity and row["feature"] == task
    assert row["short"] == f"No {task} label in {split}"
    assert f"training.{task}_weight 0" in row["description"]
    other = "identity" if task == "expression" else "expression"
    assert _rows(splits, tasks=(other,)) == []


@pytest.mark.parametrize(("split", "severity"), [("train", "ERROR"), ("test", "WARNING")])
def test_fewer_than_two_people(split, severity):
    splits = _splits()
    splits[split] = [example | {"identity": 4} for example in splits[split]]
    row = _only_row(splits)
    assert row["severity"] == severity and row["feature"] == "identity"
    assert f"Expected at least two people in {split}" in row["description"]


def test_schema_has_types_domains_and_names():
    schema = data_validation.infer_schema(_statistics(_splits()))
    features = {feature.name: feature for feature in schema.feature}
    assert features["image"].type == schema_pb2.BYTES
    assert features["image"].HasField("image_domain")
    expression = features["expression"]
    assert expression.type == schema_pb2.INT
    assert expression.int_domain.is_categorical
    assert (expression.int_domain.min, expression.int_domain.max) == (0, 2)
    assert not features["identity"].int_domain.HasField("max")
    assert {domain.name: tuple(domain.value) for domain in schema.string_domain} == {
        "expression": CLASSES,
        "source": SOURCES,
    }


def test_schema_needs_a_training_split():
    with pytest.raises(ValueError, match="expected statistics of split 'train'; got test"):
        data_validation.infer_schema(_statistics({"test": _healthy(0, 9)}))


def test_an_edited_schema_is_what_counts(tmp_path):
    statistics = _statistics(_splits())
    path = data_validation.save_schema(data_validation.infer_schema(statistics), tmp_path)
    assert path.name == "schema.pbtxt"
    path.write_text(path.read_text().replace("max: 2", "max: 1"))
    edited = data_validation.load_schema(tmp_path)
    rows = data_validation.anomaly_rows(data_validation.validate(statistics, edited, 0.02))
    assert {row["short"] for row in rows} == {
        f"Labels outside the domain in {split}" for split in ("train", "validation", "test")
    }


def test_files_give_back_what_was_saved(tmp_path):
    statistics = _statistics(_splits(test=[]))
    schema = data_validation.infer_schema(statistics)
    anomalies = data_validation.validate(statistics, schema, 0.02)
    assert data_validation.save_statistics(statistics, tmp_path).name == "FeatureStats.pb"
    data_validation.save_schema(schema, tmp_path)
    assert data_validation.save_anomalies(anomalies, tmp_path).name == "SchemaDiff.pb"
    assert data_validation.load_statistics(tmp_path) == statistics
    assert data_validation.load_schema(tmp_path) == schema
    assert data_validation.load_anomalies(tmp_path) == anomalies
    assert anomalies.baseline == schema
    assert anomalies.dataset_anomaly_info.severity == anomalies_pb2.AnomalyInfo.WARNING


def test_damaged_files_are_named(tmp_path):
    (tmp_path / "FeatureStats.pb").write_bytes(b"\xff" * 9)
    with pytest.raises(ValueError, match=r"serialized DatasetFeatureStatisticsList in .*FeatureStats"):
        data_validation.load_statistics(tmp_path)
    (tmp_path / "schema.pbtxt").write_text("feature { nose: 1 }")
    with pytest.raises(ValueError, match=r"schema in text form in .*schema.pbtxt.*nose"):
        data_validation.load_schema(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"SchemaDiff\.pb"):
        data_validation.load_anomalies(tmp_path)


def test_duplicates_in_fer2013_are_those_that_opencv_sees(test_data):
    splits, pixels = {"train": [], "test": []}, {"train": [], "test": []}
    with zipfile.ZipFile(test_data / "fer2013" / "archive.zip") as archive:
        for name in archive.namelist():
            if "/disgust/" in name and name.endswith(".jpg"):
                split, content = name.split("/")[0], archive.read(name)
                splits[split].append(_example(content, 1, -1, 0, name))
                decoded = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE)
                pixels[split].append(decoded.tobytes())
    expected = sum(image in set(pixels["train"]) for image in pixels["test"])
    assert expected > 0
    summary = data_validation.summary(_statistics(splits))
    assert summary["test"]["images_in_training"] == expected
    assert summary["train"]["repeated_images"] == len(pixels["train"]) - len(set(pixels["train"]))
    assert summary["train"]["undecodable_images"] == 0

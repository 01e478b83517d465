import zipfile

import cv2
import numpy as np
import pytest
import toy_examples as toy
from tensorflow_metadata.proto.v0 import statistics_pb2

from kfer import data_validation
from kfer.data_validation import names
from kfer.settings import LabelSettings


def test_statistics_are_those_that_tensorflow_data_validation_reads():
    statistics = toy.statistics(toy.splits())
    assert [dataset.name for dataset in statistics.datasets] == ["train", "validation", "test"]
    train = statistics.datasets[0]
    features = {feature.path.step[0]: feature for feature in train.features}
    assert list(features) == ["image", "expression", "identity", "source"]
    image = features["image"].bytes_stats
    sizes = [len(example["image"]) for example in toy.healthy(0)]
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
    examples = (
        toy.example(b"" if i % 50 == 0 else toy.image(i), filename=f"{i}.png") for i in range(400)
    )
    statistics = toy.statistics({"train": examples})
    assert data_validation.summary(statistics)["train"]["undecodable_images"] == 8
    image = names.feature(statistics.datasets[0], "image")
    assert names.filenames(image, names.UNDECODABLE) == [f"{50 * i}.png" for i in range(5)]


def test_a_failing_source_is_not_taken_for_a_short_one():
    def examples():
        yield from toy.healthy(0)
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        toy.statistics({"train": examples()})


def test_duplicates_in_fer2013_are_those_that_opencv_sees(test_data):
    splits, pixels = {"train": [], "test": []}, {"train": [], "test": []}
    with zipfile.ZipFile(test_data / "fer2013" / "archive.zip") as archive:
        for name in archive.namelist():
            if "/disgust/" in name and name.endswith(".jpg"):
                split, content = name.split("/")[0], archive.read(name)
                splits[split].append(toy.example(content, 1, -1, 0, name))
                decoded = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE)
                pixels[split].append(decoded.tobytes())
    expected = sum(image in set(pixels["train"]) for image in pixels["test"])
    assert expected > 0
    summary = data_validation.summary(toy.statistics(splits))
    assert summary["test"]["images_in_training"] == expected
    assert summary["train"]["repeated_images"] == len(pixels["train"]) - len(set(pixels["train"]))
    assert summary["train"]["undecodable_images"] == 0


def test_further_labels_are_counted_and_measured():
    nan = float("nan")
    train = [
        toy.example(toy.image(0), pose=1, units=[1.0, 0.0], votes=[0.25, 0.75], landmarks=[4.0, nan]),
        toy.example(toy.image(1), pose=-1, units=[nan, 1.0], votes=[0.5, 0.5], landmarks=[-2.0, 1.0]),
        toy.example(toy.image(2), pose=1, units=[nan, nan], votes=[nan, nan], landmarks=[nan, nan]),
    ]
    statistics = toy.statistics(
        {"train": train},
        pose=LabelSettings("classes", ("left", "right")),
        units=LabelSettings("multi_label", ("AU1", "AU2")),
        votes=LabelSettings("soft_classes", ("happy", "sad")),
        landmarks=LabelSettings("regression", ("y", "x")),
    )
    (dataset,) = statistics.datasets
    assert names.further(dataset) == ["pose", "units", "votes", "landmarks"]
    found = {name: names.feature(dataset, name) for name in names.further(dataset)}
    missing = {name: names.num_missing(feature) for name, feature in found.items()}
    assert missing == {"pose": 1, "units": 1, "votes": 1, "landmarks": 1}
    assert {name: names.num_labelled(feature) for name, feature in found.items()} == dict.fromkeys(
        found, 2
    )
    assert {name: names.by_name(feature) for name, feature in found.items()} == {
        "pose": {"left": 0, "right": 2},
        "units": {"AU1": 1, "AU2": 1},
        "votes": {"happy": 0.75, "sad": 1.25},
        "landmarks": {"y": 2, "x": 1},
    }
    assert found["pose"].type == statistics_pb2.FeatureNameStatistics.INT
    landmarks = found["landmarks"]
    assert landmarks.type == statistics_pb2.FeatureNameStatistics.FLOAT
    measured = landmarks.num_stats
    assert (measured.min, measured.max, measured.mean, measured.median) == (-2.0, 4.0, 1.0, 1.0)
    assert measured.std_dev == pytest.approx(6**0.5)  # 3, -3 and 0 from the mean
    assert found["units"].num_stats.num_zeros == 1
    assert measured.common_stats.num_non_missing == measured.common_stats.max_num_values == 2
    assert names.value_range(landmarks, names.VALUE) == {"min": -2.0, "mean": 1.0, "max": 4.0}


def test_a_label_may_be_called_as_a_measure_of_images():
    train = [toy.example(toy.image(0), height=1), toy.example(toy.image(1), height=-1)]
    statistics = toy.statistics({"train": train}, height=LabelSettings("classes", ("small", "tall")))
    assert names.by_name(names.feature(statistics.datasets[0], "height")) == {"small": 0, "tall": 1}
    image = names.feature(statistics.datasets[0], "image")
    assert names.value_range(image, names.HEIGHT) == {"min": 10.0, "mean": 10.0, "max": 10.0}

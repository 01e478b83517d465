import json

import toy_examples as toy

from kfer import data_validation
from kfer.settings import LabelSettings


def test_summary_counts_everything():
    train = [
        toy.example(toy.image(0, size=(10, 8)), 0, 5, 0, "a"),
        toy.example(toy.image(1, size=(20, 4)), 0, 5, 1, b"b"),
        toy.example(toy.flat(90), -1, 5, 1, "c"),
        toy.example(toy.image(0), 2, 6, 1, "d"),  # is "a" again, with another label
        toy.example(b"no image", 1, -1, 1, "e"),
    ]
    test = [
        toy.example(toy.image(1, size=(20, 4)), 0, -1, 0, "f"),
        toy.example(toy.image(9), 1, 7, 0, "g"),
    ]
    statistics = toy.statistics({"train": train, "test": iter(test)})
    result = json.loads(json.dumps(data_validation.summary(statistics), allow_nan=False))
    brightness = result["train"].pop("brightness")
    assert brightness["min"] == 90.0 and 110 < brightness["max"] < 150
    assert result["train"] == {
        "num_examples": 5,
        "expressions": {"angry": 2, "happy": 1, "sad": 1},
        "labels": {},
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


def test_summary_of_further_labels():
    train = [
        toy.example(toy.image(0), pose=1, votes=[0.25, 0.75]),
        toy.example(toy.image(1), pose=-1, votes=[float("nan")] * 2),
    ]
    statistics = toy.statistics(
        {"train": train, "test": []},
        pose=LabelSettings("classes", ("left", "right")),
        votes=LabelSettings("soft_classes", ("happy", "sad")),
    )
    result = json.loads(json.dumps(data_validation.summary(statistics), allow_nan=False))
    assert result["train"]["labels"] == {
        "pose": {"missing": 1, "by_name": {"left": 0, "right": 1}, "values": None},
        "votes": {
            "missing": 1,
            "by_name": {"happy": 0.25, "sad": 0.75},
            "values": {"min": 0.25, "mean": 0.5, "max": 0.75},
        },
    }
    assert result["test"]["labels"]["votes"]["values"] is None
    assert result["test"]["labels"]["pose"]["by_name"] == {"left": 0, "right": 0}


def test_summary_of_nothing():
    empty = data_validation.summary(toy.statistics({"train": []}))["train"]
    assert empty["num_examples"] == 0
    assert empty["width"] is None and empty["images_a_person"] is None
    assert empty["expressions"] == {"angry": 0, "happy": 0, "sad": 0}

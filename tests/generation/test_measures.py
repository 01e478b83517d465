import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import toy_fit

from kfer import metrics
from kfer.datasets import drawing
from kfer.generation import measures
from kfer.generation.features import Reader
from kfer.input_pipeline import Decoded
from kfer.settings import (
    AugmentationSettings,
    ModelSettings,
    PipelineSettings,
    TaskSettings,
    TrainingSettings,
)

CLASSES = ("dark", "grey", "light")


def decoded(images: np.ndarray, expression: np.ndarray) -> Decoded:
    nothing = np.zeros(len(images), np.int32)
    names = np.full(len(images), "")
    return Decoded(images, expression.astype(np.int32), nothing - 1, nothing, names)


def real(seed: int, num: int = 300) -> Decoded:
    """Images whose brightness is the expression, each with light of its own from some side."""
    rng = np.random.default_rng(seed)
    expression = rng.integers(0, 3, num)
    images = 50 + 70 * expression[:, None, None, None] + rng.normal(0, 4, (num, 8, 8, 1))
    slope = np.linspace(-1, 1, 8)
    images += rng.normal(0, 15, (num, 1, 1, 1)) * slope[:, None, None]
    images += rng.normal(0, 15, (num, 1, 1, 1)) * slope[:, None]
    return decoded(np.clip(images, 0, 255).astype(np.uint8), expression)


TRAIN, HELDOUT = real(0), real(1)


@pytest.fixture(scope="module")
def reader(pushed: Path) -> Reader:
    return Reader(pushed, CLASSES)


def of_class(report: dict, name: str) -> list:
    return [each[name] for each in report["classes"]]


def test_images_of_the_same_distribution_are_as_good_as_real_ones(reader: Reader) -> None:
    generated = real(2, 200)
    report = measures.measure(generated, TRAIN, HELDOUT, reader)
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    sizes = {"num_generated": 200, "num_train": 300, "num_heldout": 300, "num_compared": 200}
    assert {name: report[name] for name in sizes} == sizes and report["reader"] == "toy/1"
    assert 0 < report["fid"] < 2 * report["fid_real"]
    assert abs(report["kid"] - report["kid_real"]) < 0.05
    assert report["conditional_accuracy"]["value"] > 0.95 < report["real_accuracy"]["value"]
    confusion = np.array(report["confusion"])
    assert confusion.sum(axis=1).tolist() == of_class(report, "num_generated")
    assert of_class(report, "num_generated") == np.bincount(generated.expression).tolist()
    for row, accuracy in zip(confusion, of_class(report, "accuracy"), strict=True):
        assert accuracy["low"] <= accuracy["value"] == row.max() / row.sum() <= accuracy["high"]
    np.testing.assert_allclose(of_class(report, "variety"), 1, atol=0.2)
    for found in report["copies"].values():
        assert found["is_usual"] and len(found["closest"]) == 24
        assert found["heldout_copies"] == 0.01 and found["threshold"] > 0
    assert report == measures.measure(generated, TRAIN, HELDOUT, reader)


def test_wrong_expressions_lower_the_conditional_accuracy_alone(reader: Reader) -> None:
    generated = real(2)
    wrong = decoded(generated.images, (generated.expression + 1) % 3)
    right, found = (measures.measure(each, TRAIN, HELDOUT, reader) for each in (generated, wrong))
    assert found["conditional_accuracy"]["value"] < 0.05
    for name in ("fid", "kid", "real_accuracy", "copies"):
        assert found[name] == right[name]


def test_people_are_identified_where_the_generator_is_told_them(reader: Reader) -> None:
    """By the light of each, which is what the toy's embedding tells."""
    rng = np.random.default_rng(0)
    directions = np.array([(1, 0), (-1, 0), (0, 1), (0, -1)])

    def lit(num: int) -> Decoded:
        whom = np.arange(num) % len(directions)
        down, right = directions[whom].T[:, :, None, None, None]
        slope = np.linspace(-1, 1, 8)
        images = 120 + 40 * (down * slope[:, None, None] + right * slope[:, None])
        images = images + rng.normal(0, 4, (num, 8, 8, 1))
        faces = decoded(images.astype(np.uint8), np.ones(num))
        return dataclasses.replace(faces, identity=whom.astype(np.int32))

    train, generated = lit(100), lit(40)
    report = measures.measure(generated, train, HELDOUT, reader)
    assert report["rank1"]["value"] == report["rank1_real"]["value"] == 1
    assert report["rank1"]["low"] < 1
    other = dataclasses.replace(generated, identity=(generated.identity + 1) % 4)
    found = measures.measure(other, train, HELDOUT, reader)
    assert found["rank1"]["value"] == 0 and found["rank1_real"]["value"] == 1
    # Of whom nobody was told counts for nothing.
    half = dataclasses.replace(
        other, identity=np.where(np.arange(40) < 20, -1, generated.identity).astype(np.int32)
    )
    found = measures.measure(half, train, HELDOUT, reader)
    assert found["rank1"]["value"] == 1
    assert "rank1" not in measures.measure(real(2), TRAIN, HELDOUT, reader)


def test_noise_is_far_from_real_images(reader: Reader) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (300, 8, 8, 1), np.uint8)
    report = measures.measure(decoded(noise, HELDOUT.expression), TRAIN, HELDOUT, reader)
    assert report["fid"] > 10 * report["fid_real"]
    assert report["kid"] > 0.2 > 10 * abs(report["kid_real"])


def test_copies_are_found_mirrored_or_with_a_little_noise(reader: Reader) -> None:
    mirrored = decoded(TRAIN.images[:200, :, ::-1], TRAIN.expression[:200])
    found = measures.measure(mirrored, TRAIN, HELDOUT, reader)["copies"]["pixels"]
    assert found["duplicates"]["value"] == 1 and not found["is_usual"]
    assert found["copies"] == {"value": None, "low": None, "high": None}

    rng = np.random.default_rng(0)
    rows = rng.permutation(300)[:40]
    generated = real(2)
    generated.images[:40] = np.clip(TRAIN.images[rows] + rng.normal(0, 1.5, (40, 8, 8, 1)), 0, 255)
    found = measures.measure(generated, TRAIN, HELDOUT, reader)["copies"]["pixels"]
    assert not found["is_usual"] and found["copies"]["value"] > 40 / 300 - 0.01
    for pair in found["closest"]:
        assert pair["train"] == rows[pair["generated"]]
        apart = generated.images[pair["generated"]].astype(float) - TRAIN.images[pair["train"]]
        assert pair["distance"] == pytest.approx(np.sqrt(np.mean(apart**2)))
    distances = [pair["distance"] for pair in found["closest"]]
    assert distances == sorted(distances) and distances[-1] <= found["threshold"]


def test_a_class_of_one_image_has_no_variety_and_one_without_images_has_no_figures(
    reader: Reader,
) -> None:
    generated = real(2)
    generated.images[generated.expression == 1] = generated.images[generated.expression == 1][0]
    kept = generated.expression != 2
    report = measures.measure(
        decoded(generated.images[kept], generated.expression[kept]), TRAIN, HELDOUT, reader
    )
    first, *others = of_class(report, "variety")
    assert first == pytest.approx(1, abs=0.2) and others == [0.0, None]
    assert of_class(report, "accuracy")[2] is None


def test_distances_are_of_the_features_that_are_asked_for(reader: Reader) -> None:
    def features(images: np.ndarray) -> np.ndarray:
        return images[:, 0, :3, 0] / 255.0

    report = measures.measure(HELDOUT, TRAIN, HELDOUT, reader, features)
    expected = metrics.frechet_distance(features(TRAIN.images), features(HELDOUT.images))
    assert report["fid"] == report["fid_real"] == pytest.approx(expected)


def test_images_that_cannot_be_measured_are_refused(reader: Reader) -> None:
    other = decoded(np.zeros((4, 9, 9, 1), np.uint8), np.zeros(4))
    with pytest.raises(ValueError, match=r"as the generated ones, \[8, 8, 1\]; train are \[4, 9, 9, 1\]"):
        measures.measure(HELDOUT, other, HELDOUT, reader)
    with pytest.raises(ValueError, match=r"at least 2 images .*; generated are \[1, 8, 8, 1\]"):
        measures.measure(HELDOUT.at(slice(1)), TRAIN, HELDOUT, reader)
    for wrong in (-1, 3):
        asked = np.where(np.arange(300) < 2, wrong, TRAIN.expression)
        with pytest.raises(ValueError, match=r"in \[0, 3\) of each generated image; 2 of 300 have none"):
            measures.measure(decoded(TRAIN.images, asked), TRAIN, HELDOUT, reader)
    unlabelled = dataclasses.replace(HELDOUT, expression=np.full(300, -1, np.int32))
    with pytest.raises(ValueError, match="held-out images with expressions; none of 300 has one"):
        measures.measure(TRAIN, TRAIN, unlabelled, reader)


SETTINGS = PipelineSettings(
    tasks={"expression": TaskSettings(names=CLASSES)},
    augmentation=AugmentationSettings(),
    model=toy_fit.TOY,
    training=TrainingSettings(
        epochs=6,
        batch_size=20,
        learning_rate=0.02,
        stop_metric="val_expression_accuracy",
        keep_best=True,
    ),
)


def test_a_network_learns_from_real_images_and_nothing_from_wrong_labels(tmp_path: Path) -> None:
    right = measures.learned_from(TRAIN, HELDOUT, SETTINGS, tmp_path)
    assert right["num_examples"] == 300 and right["accuracy"] > 0.9 < right["macro_f1"]
    interval = right["intervals"]["accuracy"]
    assert interval["low"] <= interval["value"] == right["accuracy"] <= interval["high"]
    # The same images go on where they ended; others start anew.
    assert measures.learned_from(TRAIN, HELDOUT, SETTINGS, tmp_path) == right
    shuffled = decoded(TRAIN.images, np.random.default_rng(0).permutation(TRAIN.expression))
    wrong = measures.learned_from(shuffled, HELDOUT, SETTINGS, tmp_path)
    assert wrong["accuracy"] < 0.6
    assert len(list(tmp_path.iterdir())) == 2


def drawn(first: int, num: int, size: int = 32) -> Decoded:
    expressions = ("happy", "neutral", "surprise")
    faces = [
        drawing.draw(first + number, expressions[number % 3], number, size).image for number in range(num)
    ]
    grey = np.mean(faces, axis=-1, keepdims=True).astype(np.uint8)
    return decoded(grey, np.arange(num) % 3)


@pytest.mark.slow
def test_drawn_faces_teach_their_expressions(tmp_path: Path) -> None:
    train, heldout = drawn(0, 900), drawn(10_000, 300)
    settings = PipelineSettings(
        tasks={"expression": TaskSettings(names=("happy", "neutral", "surprise"))},
        model=ModelSettings(backbone_arguments={"widths": [16, 32, 64], "blocks": 1}),
        training=TrainingSettings(epochs=8, batch_size=30),
    )
    right = measures.learned_from(train, heldout, settings, tmp_path)
    shuffled = dataclasses.replace(
        train, expression=np.random.default_rng(0).permutation(train.expression)
    )
    wrong = measures.learned_from(shuffled, heldout, settings, tmp_path)
    assert right["accuracy"] > 0.85 and wrong["accuracy"] == pytest.approx(1 / 3, abs=0.15)


def test_a_picture_of_neighbours_shows_both_images_of_each_pair() -> None:
    generated, train = real(0, 5).images, np.repeat(real(1, 9).images, 3, axis=-1)
    closest = [
        {"generated": number % 5, "train": number, "distance": 0.123456 * number} for number in range(6)
    ]
    picture = measures.neighbours_picture(generated, train, closest, "levels", scale=4, columns=4)
    assert picture.dtype == np.uint8 and picture.ndim == 3
    # Two rows of pairs; the first of the second row is at the left edge.
    large = [
        np.broadcast_to(image, (8, 8, 3)).repeat(4, axis=0).repeat(4, axis=1)
        for image in (generated[4], train[4])
    ]
    left = 16
    top = [
        y for y in range(len(picture) - 32) if (picture[y : y + 32, left : left + 32] == large[0]).all()
    ]
    assert len(top) == 1
    np.testing.assert_array_equal(picture[top[0] : top[0] + 32, left + 34 : left + 66], large[1])
    assert (
        picture.shape[1] < measures.neighbours_picture(generated, train, closest, "levels", 4, 6).shape[1]
    )
    with pytest.raises(ValueError, match="at least one pair of images to draw; got none"):
        measures.neighbours_picture(generated, train, [], "levels")

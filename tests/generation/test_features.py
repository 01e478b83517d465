from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from kfer import backbones, preprocessing
from kfer.generation import features
from kfer.generation.features import Reader

CLASSES = ("dark", "grey", "light")


def images(num: int, size: int = 8, channels: int = 1) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (num, size, size, channels), np.uint8)


@pytest.mark.parametrize("model", ["", "1", "1/float32.tflite"])
def test_a_reader_takes_versions_a_version_or_a_file(pushed: Path, model: str) -> None:
    reader = Reader(pushed / model, CLASSES)
    assert reader.name == "toy/1" and reader.classes == CLASSES
    light = np.full((1, 8, 8, 1), 190, np.uint8)
    light[:, :, :4] += 10
    reading = reader(np.concatenate([images(520), light]))  # more than one chunk
    assert reading.embeddings.shape == (521, 16) and reading.embeddings.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(reading.embeddings, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(reading.embeddings[-1], [0.25, 0.25, -0.25, -0.25] * 4, atol=1e-5)
    np.testing.assert_allclose(reading.probabilities.sum(axis=1), 1, rtol=1e-5)
    assert reading.probabilities[-1].argmax() == 2


def test_the_newest_pushed_model_is_found_by_name(pushed: Path) -> None:
    assert Reader("toy", CLASSES, folder=pushed.parent).name == "toy/1"


def test_probabilities_come_in_the_order_of_the_generators_classes(pushed: Path) -> None:
    given, own = (Reader(pushed, names)(images(5)) for names in (("light", "dark", "grey"), CLASSES))
    np.testing.assert_array_equal(given.probabilities, own.probabilities[:, [2, 0, 1]])


def test_grey_is_as_rgb_and_another_size_is_scaled_to_the_models(pushed: Path) -> None:
    reader, large = Reader(pushed, CLASSES), images(3, size=16)
    small = np.asarray(preprocessing.resize(large, 8))
    for one, other in ((small, small.repeat(3, axis=-1)), (small, large)):
        np.testing.assert_array_equal(reader(one).embeddings, reader(other).embeddings)
        np.testing.assert_array_equal(reader(one).probabilities, reader(other).probabilities)


def test_a_version_without_a_file_for_phones_is_read_as_well(
    pushed: Path, push: Callable[..., Path], tmp_path: Path
) -> None:
    version = push(tmp_path / "1")
    (version / "float32.tflite").unlink()
    found, expected = (Reader(model, CLASSES)(images(3)) for model in (version, pushed))
    np.testing.assert_allclose(found.embeddings, expected.embeddings, atol=1e-5)
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-5)


def test_a_model_that_cannot_judge_is_refused(
    pushed: Path, push: Callable[..., Path], tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError, match=r"no model .*run `python -m kfer\.pipeline .* first"):
        Reader("nobody", CLASSES, folder=tmp_path)
    with pytest.raises(FileNotFoundError, match=r"holds no model.* run `python -m kfer\.pipeline"):
        Reader(tmp_path, CLASSES)
    with pytest.raises(ValueError, match="expressions, happy, sad; toy/1 has dark, grey, light"):
        Reader(pushed, ("happy", "sad"))
    silent = push(tmp_path / "1", embedding=False)
    with pytest.raises(ValueError, match=r"gives no embedding, only expression: .* task identity"):
        Reader(silent, CLASSES)
    with pytest.raises(ValueError, match="expected a model of images; toy/1 takes clips"):
        Reader(push(tmp_path / "clips" / "1", clip={"frames": 4}), CLASSES)


def test_scaled_embeddings_have_squares_of_1_on_average() -> None:
    rows = np.random.default_rng(0).normal(size=(6, 128)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    found = features.scaled(rows)
    assert found.dtype == np.float32
    np.testing.assert_allclose((found**2).mean(axis=1), 1, rtol=1e-5)


@pytest.mark.slow
def test_inception_sees_what_keras_networks_see(tmp_path: Path) -> None:
    network = keras.applications.InceptionV3(include_top=False, weights=None, pooling="avg")
    network.save_weights(tmp_path / "inception.weights.h5")
    pixels = images(2, 75, 3)
    resized = tf.image.resize(pixels, (299, 299))
    expected = network(keras.applications.inception_v3.preprocess_input(resized))
    found = features.inception(str(tmp_path / "inception.weights.h5"))(pixels)
    assert found.shape == (2, 2048) and found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)


def test_inception_without_its_weights_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object, **named: object) -> None:
        raise Exception("URL fetch failure on https://... : no route")

    monkeypatch.setattr(backbones, "application", fail)
    with pytest.raises(
        FileNotFoundError, match=r"downloaded \(URL fetch.*measures\.features to embedding"
    ):
        features.inception()


def test_inceptions_weights_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no file of weights .*other\.weights\.h5"):
        features.inception(str(tmp_path / "other.weights.h5"))

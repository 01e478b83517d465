"""The exports of a generator, and what describes them."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
import toy_generator
from toy_generator import CLASSES, NOISE, SIZE

from kfer.export import generator as exporting
from kfer.export import write_generator
from kfer.export.network import in_float32, weights_digest


def inputs(name: str, count: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(3)
    given = {"noise": random.standard_normal((count, NOISE), np.float32)}
    for condition, names in CLASSES[name].items():
        given[condition] = random.random((count, len(names)), np.float32)
    return given


def grey_levels(images: np.ndarray) -> np.ndarray:
    return np.clip(np.round((images + 1) * 127.5), 0, 255)


@pytest.mark.parametrize(("name", "channels"), [("grey", 1), ("colour", 3)])
def test_the_saved_model_draws_in_float32_what_keras_draws(toy_generators, name, channels):
    draw = tf.saved_model.load(str(toy_generators / name / "1")).signatures["serving_default"]
    given = inputs(name, 5)
    images = draw(**{key: tf.constant(value) for key, value in given.items()})["images"].numpy()
    assert images.dtype == np.uint8 and images.shape == (5, SIZE, SIZE, channels)
    policy = "mixed_bfloat16" if name == "colour" else "float32"
    model = in_float32(toy_generator.build(name, policy))
    expected = grey_levels(model.predict(given, verbose=0))
    assert np.ptp(expected) > 100
    assert np.abs(images - expected).max() <= 1


@pytest.mark.parametrize("name", ["grey", "colour"])
def test_generator_json_says_what_was_exported(toy_generators, name):
    folder = toy_generators / name / "1"
    described = json.loads((folder / "generator.json").read_text())
    assert described["generated"] is True and described["name"] == name
    assert (described["image_size"], described["noise_size"]) == (SIZE, NOISE)
    assert described["channels"] == (1 if name == "grey" else 3)
    assert described["classes"] == {key: list(names) for key, names in CLASSES[name].items()}
    assert described["weights"] == weights_digest(toy_generator.build(name))
    assert described["trained_on"] == {"fer2013 (kfer_fer2013/1.0.0)": 28_709}
    assert described["measures"] == {"frechet_distance": {"validation": 31.25}}
    for figures in described["parity"].values():
        assert figures["num_images"] == 128
        assert figures["max_difference"] <= 2 and figures["mean_difference"] <= 0.1
    assert set(described["parity"]) == {"saved_model", "generator"}
    there = {str(f.relative_to(folder)) for f in folder.rglob("*") if f.is_file()}
    assert there == {*described["files"], "generator.json"}
    file = described["files"]["generator.tflite"]
    assert file["bytes"] == (folder / "generator.tflite").stat().st_size
    assert not {"CUSTOM", "DELEGATE"} & set(file["operations"])
    taken = file["signatures"]["serving_default"]["inputs"]
    assert [each["name"] for each in taken] == sorted(["noise", *CLASSES[name]])
    assert (folder / "labels.txt").read_text().split() == list(CLASSES[name]["expression"])


def test_the_card_says_what_it_is_and_what_not_to_do_with_it(toy_generators):
    card = (toy_generators / "colour" / "1" / "MODEL_CARD.md").read_text()
    assert card.startswith("# Model card: colour\n\nA generator that draws faces after people it was tr")
    for line in (
        "- `identity`: Ann, Bob, Cem.",
        "- fer2013 (kfer_fer2013/1.0.0): 28,709 training images.",
        "| frechet distance: validation | 31.25 |",
        "| generator.tflite | 128 |",
        "like the people of that name whom it was trained on",
    ):
        assert line in card
    card = (toy_generators / "grey" / "1" / "MODEL_CARD.md").read_text()
    assert card.startswith("# Model card: grey\n\nA generator that draws faces of nobody, 32 pixels")
    assert "No likeness of a person is intended" in card


def test_an_export_that_draws_otherwise_is_refused(tmp_path, monkeypatch):
    model = toy_generator.build("grey")

    def darker(place, given):
        return np.clip(grey_levels(model.predict(given, verbose=0)) - 3, 0, 255).astype(np.uint8)

    monkeypatch.setattr(exporting, "_drawn_in_fresh_process", darker)
    message = "by 2 grey levels at most and 0.1 on the mean; these differ: saved_model by up to 3, on the"
    with pytest.raises(ValueError, match=message):
        write_generator(tmp_path, model, "grey", CLASSES["grey"], {}, {})
    assert not (tmp_path / "generator.json").exists()


def test_an_export_that_does_not_run_is_told(tmp_path):
    (tmp_path / "generator.tflite").write_bytes(b"no file of TFLite")
    with pytest.raises(
        RuntimeError, match=r"generator.tflite does not run in a fresh process(.|\n)*TFLite"
    ):
        exporting._drawn_in_fresh_process(tmp_path / "generator.tflite", inputs("grey", 1))


def test_other_classes_than_the_generator_takes_are_refused(tmp_path):
    message = r"the generator takes classes \{'expression': 7\}; names came for \{'expression': 2\}"
    with pytest.raises(ValueError, match=message):
        write_generator(tmp_path, toy_generator.build("grey"), "grey", {"expression": ("a", "b")}, {}, {})


def test_a_network_that_is_no_generator_is_refused(tmp_path):
    reader = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten()], name="reader")
    with pytest.raises(ValueError, match=r"expected a generator .* got 'reader', which takes no inputs"):
        write_generator(tmp_path, reader, "reader", {}, {}, {})

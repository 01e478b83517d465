"""Faces drawn by an exported generator, with TensorFlow and with LiteRT."""

import hashlib
import json
import shutil
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from toy_generator import NOISE, PEOPLE, SIZE

from kfer import generator, spec
from kfer.files import DamagedError

EXPORTS = ["grey/1", "grey/1/generator.tflite", "colour/1", "colour/1/generator.tflite"]


@pytest.fixture(scope="module", params=EXPORTS)
def loaded(request, toy_generators):
    return generator.load(toy_generators / request.param)


@pytest.fixture
def grey(toy_generators):
    return generator.load(toy_generators / "grey" / "1" / "generator.tflite")


@pytest.fixture
def colour(toy_generators):
    return generator.load(toy_generators / "colour" / "1" / "generator.tflite")


def test_a_generator_says_what_it_draws(loaded):
    assert (loaded.image_size, loaded.noise_size) == (SIZE, NOISE)
    assert loaded.channels == (1 if loaded.name == "grey" else 3)
    assert "happy" in loaded.classes["expression"] and len(loaded.digest) == 64


def test_noise_is_standard_normal_and_that_of_an_image_the_same_in_any_count(loaded):
    many = loaded.noise(2000, 7)
    assert many.dtype == np.float32 and many.shape == (2000, NOISE)
    assert abs(many.mean()) < 0.03 and abs(many.std() - 1) < 0.03
    for count in (1, 2, 7):
        np.testing.assert_array_equal(loaded.noise(count, 7), many[:count])
    assert not np.array_equal(loaded.noise(7, 8), many[:7])


def test_an_image_of_a_seed_is_the_same_in_any_count(loaded):
    many = loaded.draw("happy", 70, 7)
    assert many.dtype == np.uint8 and many.shape == (70, SIZE, SIZE, loaded.channels)
    for count in (1, 17):
        np.testing.assert_array_equal(loaded.draw("happy", count, 7), many[:count])
    assert len(np.unique(many.reshape(70, -1), axis=0)) == 70
    parts = list(loaded.iterate("happy", 70, 7))
    assert len(parts) > 1
    np.testing.assert_array_equal(np.concatenate(parts), many)


def test_both_exports_draw_the_same(toy_generators):
    for name in ("grey", "colour"):
        places = (toy_generators / name, toy_generators / name / "1" / "generator.tflite")
        tensorflow, litert = (generator.load(place).draw("sad", 9, 3).astype(int) for place in places)
        assert np.abs(tensorflow - litert).max() <= 2


def test_images_may_have_a_class_each(colour):
    mixed = colour.draw(["sad", "happy"] * 35, 70, 1, identity=["Bob"] * 69 + ["Ann"])
    sad, happy = (colour.draw(name, 70, 1, identity="Bob") for name in ("sad", "happy"))
    np.testing.assert_array_equal(mixed[:69:2], sad[:69:2])
    np.testing.assert_array_equal(mixed[1:69:2], happy[1:69:2])
    np.testing.assert_array_equal(mixed[69], colour.draw("happy", 70, 1, identity="Ann")[69])
    assert (mixed[69] != happy[69]).any() and (sad != happy).any()


def test_a_class_that_nobody_names_is_one_at_random(loaded):
    many = loaded.any_of("expression", 700, 7)
    names, counts = np.unique(many, return_counts=True)
    assert set(names) == set(loaded.classes["expression"]) and counts.min() > 0.7 * counts.mean()
    assert loaded.any_of("expression", 3, 7) == many[:3]
    assert loaded.any_of("expression", 700, 8) != many
    np.testing.assert_array_equal(loaded.draw(None, 70, 7), loaded.draw(many[:70], 70, 7))


def test_people_that_nobody_names_are_others_than_what_they_show(colour):
    people = colour.any_of("identity", 70, 1)
    assert set(people) == set(PEOPLE)
    expected = colour.draw("sad", 70, 1, identity=people)
    np.testing.assert_array_equal(colour.draw("sad", 70, 1), expected)
    between = colour.interpolate(["happy", "sad"], 2, 1, 5)
    np.testing.assert_array_equal(between[:, 2], expected[:5])


def test_interpolation_goes_from_class_to_class_at_the_same_noise(grey):
    names = ("happy", "sad", "fear")
    between = grey.interpolate(names, steps=4, seed=5, rows=2)
    assert between.dtype == np.uint8 and between.shape == (2, 9, SIZE, SIZE, 1)
    for number, name in enumerate(names):
        np.testing.assert_array_equal(between[:, 4 * number], grey.draw(name, 2, 5))
    jumps = np.abs(np.diff(between.astype(float), axis=1)).mean(axis=(0, 2, 3, 4))
    whole = np.abs(between[:, 0].astype(float) - between[:, 4]).mean()
    assert (jumps > 0).all() and (jumps < whole).all()


def test_an_interpolation_is_drawn_after_somebody(colour):
    between = colour.interpolate(["happy", "sad"], 1, 5, 3, identity="Cem")
    np.testing.assert_array_equal(between[:, 0], colour.draw("happy", 3, 5, identity="Cem"))


def test_iterating_holds_one_batch_at_a_time(grey):
    tracemalloc.start()
    batches = grey.iterate("happy", 10**9, 0)
    next(batches)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5e6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("hapy", 1, 0), "expression is 'hapy'; the generator grey draws angry, .*mean 'happy'"),
        (("happy", 0, 0), "count must be at least 1; got 0"),
        (("happy", 1, -1), "seed must be at least 0; got -1"),
        (("happy", 1, 0, "Ann"), "told expression alone, no identity"),
        ((["happy", "sad"], 3, 0), "expression: expected one name, or 3, one an image; got 2"),
    ],
)
def test_what_cannot_be_drawn_is_refused_at_once(grey, arguments, message):
    with pytest.raises(ValueError, match=message):
        grey.iterate(*arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((["happy"], 1, 0, 1), "at least 2 expressions to go between; got"),
        (("happy", 1, 0, 1), "at least 2 expressions to go between; got 'happy'"),
        ((["happy", "sda"], 1, 0, 1), "expression is 'sda'.*mean 'sad'"),
        ((["happy", "sad"], 0, 0, 1), "steps must be at least 1; got 0"),
        ((["happy", "sad"], 1, 0, 0), "rows must be at least 1; got 0"),
    ],
)
def test_an_interpolation_without_ends_or_rows_is_refused(grey, arguments, message):
    with pytest.raises(ValueError, match=message):
        grey.interpolate(*arguments)


def test_noise_of_no_image_is_refused(grey):
    with pytest.raises(ValueError, match="count must be at least 1; got 0"):
        grey.noise(0, 0)


def test_litert_draws_in_a_process_without_tensorflow(toy_generators, grey):
    code = (
        "import sys; from kfer import generator; "
        f"drawn = generator.load({str(toy_generators / 'grey/1/generator.tflite')!r}).draw('sad', 3, 1); "
        "print(int(drawn.sum()), 'tensorflow' in sys.modules, 'keras' in sys.modules)"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert process.stdout.split() == [str(grey.draw("sad", 3, 1).sum()), "False", "False"]


@pytest.mark.parametrize("export", ["", "generator.tflite"])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_size": 48}, "that says image_size 48, what is there has 32. Copy"),
        ({"classes": {"expression": ["happy", "sad"]}}, r"says classes \{'expression': 2\}, .*: 7"),
        ({"noise_size": 9, "channels": 3}, "says channels 3, .* has 1; and noise_size 9, .* has 8"),
    ],
)
def test_files_of_another_size_or_class_set_are_refused(
    toy_generators, tmp_path, export, changes, message
):
    folder = tmp_path / "1"
    shutil.copytree(toy_generators / "grey" / "1", folder)
    file = folder / "generator.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))
    with pytest.raises(ValueError, match=message):
        generator.load(folder / export)


@pytest.mark.parametrize("export", ["", "generator.tflite"])
def test_files_of_another_generator_of_the_same_size_are_refused(toy_generators, tmp_path, export):
    folder = tmp_path / "1"
    shutil.copytree(toy_generators / "grey" / "1", folder)
    file = folder / "generator.json"
    described = json.loads(file.read_text())
    for each in described["files"].values():
        each["sha256"] = "0" * 64
    file.write_text(json.dumps(described))
    with pytest.raises(ValueError, match=r"its SHA-256 is not that in generator\.json"):
        generator.load(folder / export)


def list_files(folder):
    """Takes the files that are there for the generator's."""
    file = folder / "generator.json"
    described = json.loads(file.read_text())
    described["files"] = {
        each.relative_to(folder).as_posix(): {
            "sha256": hashlib.sha256(each.read_bytes()).hexdigest(),
            "bytes": each.stat().st_size,
        }
        for each in folder.rglob("*")
        if each.is_file() and each != file
    }
    file.write_text(json.dumps(described))


def test_files_that_were_cut_short_are_named_before_they_are_loaded(toy_generators, tmp_path):
    folder = tmp_path / "1"
    shutil.copytree(toy_generators / "grey" / "1", folder)
    for name in ("generator.tflite", "saved_model.pb"):
        (folder / name).write_bytes((folder / name).read_bytes()[:100])
        place = folder / name if name.endswith("tflite") else folder
        with pytest.raises(DamagedError, match=f"{folder / name} is damaged.* its size of 100 bytes"):
            generator.load(place)


def test_a_file_of_a_network_that_is_no_generator_is_refused(toy_generators, tmp_path):
    import tensorflow as tf

    folder = tmp_path / "1"
    shutil.copytree(toy_generators / "grey" / "1", folder)
    module = tf.Module()
    module.read = tf.function(
        lambda image: {"expression": image}, input_signature=[tf.TensorSpec([1, 2], name="image")]
    )
    shutil.rmtree(folder / "variables")
    tf.saved_model.save(module, str(folder), {"serving_default": module.read})
    list_files(folder)
    with pytest.raises(ValueError, match=r"is no generator that kfer exported: .* has no 'images'"):
        generator.load(folder)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder))
    (folder / "generator.tflite").write_bytes(converter.convert())
    list_files(folder)
    with pytest.raises(ValueError, match=r"is no generator that kfer exported"):
        generator.load(folder / "generator.tflite")


def test_all_expressions_are_those_of_kfer(grey):
    assert grey.description.expressions == spec.EXPRESSIONS

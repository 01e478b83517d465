"""`kfer generate`, as scripts and people use it."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from toy_generator import CLASSES

from kfer import commands, generator

TFLITE = "generator.tflite"


@pytest.fixture
def user(toy_generators, tmp_path, monkeypatch) -> Path:
    """A folder of a user, who works there."""
    (tmp_path / "saved_models").symlink_to(toy_generators)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    code = commands.run("generate", arguments)
    said = capsys.readouterr()
    return code, said.out, said.err


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_faces_of_an_expression_are_written_with_what_says_how_they_were_drawn(user, capsys):
    arguments = ("grey", "--expression", "disgust", "--count", "20", "--seed", "7", "--out", "out/faces")
    code, said, _ = run(capsys, *arguments)
    assert code == 0
    assert said.startswith("20 faces of 1 expression by grey in out/faces: ") and "a second" in said
    out = user / "out" / "faces"
    assert {path.name for path in out.iterdir()} == {"disgust", "grid.png", "generated.json"}
    assert [path.name for path in out.parent.iterdir()] == ["faces"]
    names = [f"disgust/7_{number:05d}.png" for number in range(20)]
    assert sorted(str(path.relative_to(out)) for path in out.glob("*/*")) == names
    loaded = generator.load("saved_models/grey/1/generator.tflite")
    for name, image in zip(names, loaded.draw("disgust", 20, 7), strict=True):
        np.testing.assert_array_equal(pixels(out / name), image[..., 0])
    assert Image.open(out / names[3]).text == {
        "generated": "true",
        "Software": "kfer",
        "generator": "grey",
        "digest": loaded.digest,
        "seed": "7",
        "expression": "disgust",
        "number": "3",
    }
    assert Image.open(out / "grid.png").text["digest"] == loaded.digest
    # 16 of them, each twice as large, and the words.
    height, width, _ = pixels(out / "grid.png").shape
    assert height < 2 * 66 and width > 16 * 64
    told = json.loads((out / "generated.json").read_text())
    assert told["generated"] is True and told["files"] == {"disgust": names}
    assert (told["generator"], told["digest"]) == ("grey", loaded.digest)
    assert (told["seed"], told["count"], told["identity"]) == (7, 20, None)


def test_all_expressions_are_drawn_by_the_generator_that_was_pushed_last(user, capsys):
    code, said, _ = run(capsys, "--count", "2", "--identity", "Bob", "--out", "out")
    assert code == 0 and said.startswith("4 faces of 2 expressions by colour in out")
    out = user / "out"
    assert {path.name for path in out.iterdir() if path.is_dir()} == set(CLASSES["colour"]["expression"])
    loaded = generator.load("saved_models/colour/1/generator.tflite")
    drawn = loaded.draw("sad", 2, 0, identity="Bob")
    np.testing.assert_array_equal(pixels(out / "sad" / "0_00001.png"), drawn[1])
    assert Image.open(out / "sad" / "0_00001.png").text["identity"] == "Bob"
    code, _, _ = run(capsys, "--count", "9", "--out", "people")
    whom = [Image.open(user / "people" / "sad" / f"0_0000{n}.png").text["identity"] for n in range(9)]
    assert code == 0 and whom == loaded.any_of("identity", 9, 0)


def test_a_saved_model_draws_where_it_is_asked_for(user, capsys):
    arguments = (
        "grey",
        "--variant",
        "saved_model",
        "--expression",
        "sad",
        "--count",
        "2",
        "--out",
        "out",
    )
    assert run(capsys, *arguments)[0] == 0
    drawn = generator.load("saved_models/grey").draw("sad", 2, 0)
    np.testing.assert_array_equal(pixels(user / "out" / "sad" / "0_00001.png"), drawn[1, ..., 0])
    code, _, errors = run(capsys, f"saved_models/grey/1/{TFLITE}", *arguments[1:-1], "other")
    assert code == 2 and "is one export already; it has no variant 'saved_model'" in errors


def test_a_tflite_file_draws_an_interpolation_too(user, capsys):
    place = f"saved_models/grey/1/{TFLITE}"
    more = ("--expression", "sad", "--expression", "fear", "--interpolate", "happy,sad,fear")
    code, _, _ = run(capsys, place, *more, "--count", "1", "--out", "out")
    assert code == 0
    height, width, _ = pixels(user / "out" / "interpolation.png").shape
    assert height > 8 * 64 and width > 17 * 64
    assert Image.open(user / "out" / "interpolation.png").text["generated"] == "true"
    assert (user / "out" / "fear" / "0_00000.png").is_file()


def test_an_empty_folder_is_filled_and_another_one_stays_as_it_is(user, capsys):
    (user / "out").mkdir()
    arguments = (f"saved_models/grey/1/{TFLITE}", "--expression", "sad", "--count", "1", "--out", "out")
    assert run(capsys, *arguments)[0] == 0
    before = {path: path.read_bytes() for path in (user / "out").rglob("*.*")}
    code, _, errors = run(capsys, *arguments)
    assert code == 2 and "out exists and is no empty folder; name another one, or delete it" in errors
    assert {path: path.read_bytes() for path in (user / "out").rglob("*.*")} == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("grey", "--expression", "hapy"),
            "expression is 'hapy'; the generator grey draws angry, disgust",
        ),
        (("grey", "--count", "0"), "--count must be at least 1; got 0"),
        (("grey", "--seed", "-1"), "--seed must be at least 0; got -1"),
        (("grey", "--count", "2000000000"), "MB are free at"),
        (("grey", "--identity", "Ann"), "told expression alone, no identity"),
        (("colour", "--identity", "An"), "the generator colour draws Ann, Bob, Cem. Did you mean 'Ann'?"),
        (("grey", "--interpolate", "sad"), "goes between expressions, A,B; got 'sad' alone"),
        (("grey", "--interpolate", "sad,happier"), "expression is 'happier'"),
        (("gray",), "there is no generator 'gray'"),
    ],
)
def test_what_cannot_be_drawn_leaves_nothing(user, capsys, arguments, message):
    code, said, errors = run(capsys, *arguments, "--out", "new/out")
    assert (code, said) == (2, "") and message in errors
    assert [path.name for path in user.iterdir()] == ["saved_models"]


def test_a_run_that_fails_leaves_nothing(user, capsys):
    place = user / "damaged"
    shutil.copytree(user / "saved_models" / "grey" / "1", place)
    (place / TFLITE).write_bytes(b"no file of TFLite")
    code, _, errors = run(capsys, f"damaged/{TFLITE}", "--out", "out")
    assert code == 2 and "is damaged, or of another model: its size of 17 bytes" in errors
    assert sorted(path.name for path in user.iterdir()) == ["damaged", "saved_models"]


def test_an_expression_that_is_no_name_of_a_folder_is_refused(user, capsys):
    place = user / "damaged"
    shutil.copytree(user / "saved_models" / "grey" / "1", place)
    described = json.loads((place / "generator.json").read_text())
    described["classes"]["expression"][0] = "../angry"
    (place / "generator.json").write_text(json.dumps(described))
    code, _, errors = run(capsys, "damaged", "--count", "1", "--out", "out")
    assert code == 2 and "the expression '../angry' cannot be the name of a folder" in errors

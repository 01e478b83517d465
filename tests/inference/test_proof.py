import hashlib
import json

import numpy as np
import pytest

from kfer import inference
from kfer.files import DamagedError
from kfer.inference import proof


@pytest.fixture
def pushed(tmp_path, tflite, saved_model):
    """A version's folder with both exports, and their digests."""
    (tmp_path / "variables").mkdir()
    for file in saved_model.rglob("*"):
        if file.is_file():
            (tmp_path / file.relative_to(saved_model)).parent.mkdir(exist_ok=True)
            (tmp_path / file.relative_to(saved_model)).write_bytes(file.read_bytes())
    (tmp_path / "float32.tflite").write_bytes(tflite.read_bytes())
    describe(tmp_path)
    return tmp_path


def describe(folder, **changes):
    files = {
        file.relative_to(folder).as_posix(): {
            "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
            "bytes": file.stat().st_size,
        }
        for file in folder.rglob("*")
        if file.is_file() and file.name != "model.json"
    }
    content = {
        "name": "colours",
        "weights": "c0",
        "image_size": 4,
        "tasks": {"expression": {"kind": "classes", "names": ["red", "green", "blue"]}},
        "files": files,
    }
    (folder / "model.json").write_text(json.dumps(content | changes))


@pytest.fixture
def no_trial(monkeypatch):
    monkeypatch.setattr(proof.subprocess, "run", lambda *_, **__: pytest.fail("a trial was made"))


def test_what_was_pushed_needs_no_trial(pushed, images, expected, no_trial):
    for path in (pushed, pushed / "float32.tflite"):
        np.testing.assert_allclose(inference.load(path)(images)["expression"], expected, atol=1e-6)


def test_a_changed_byte_is_found_before_anything_is_loaded(pushed, no_trial):
    for name, export in (
        ("float32.tflite", pushed / "float32.tflite"),
        ("saved_model.pb", pushed),
        ("variables/variables.index", pushed),
    ):
        whole = (pushed / name).read_bytes()
        changed = bytearray(whole)
        changed[len(changed) // 2] ^= 1
        (pushed / name).write_bytes(changed)
        if name.endswith("tflite"):
            words = r"its SHA-256 is not that in model\.json: push the model again, or restore its folder"
        else:
            words = "its SHA-256 is not that"
        with pytest.raises(DamagedError, match=rf"{name} is damaged, or of another model: {words}"):
            inference.load(export)
        (pushed / name).write_bytes(whole)
    inference.load(pushed)


def test_a_missing_and_a_further_file_of_a_saved_model_are_named(pushed, no_trial):
    (pushed / "saved_model.cpb").write_bytes(b"")
    with pytest.raises(
        DamagedError, match=r"saved_model\.cpb is not among the files that model\.json lists"
    ):
        inference.load(pushed)
    (pushed / "saved_model.cpb").unlink()
    (pushed / "variables" / "variables.index").unlink()
    with pytest.raises(DamagedError, match=r"variables\.index is missing, which model\.json lists"):
        inference.load(pushed)


def test_an_export_of_a_stranger_is_tried_in_another_process_once(tflite, tmp_path, monkeypatch):
    whole = tflite.read_bytes()
    (tmp_path / "a.tflite").write_bytes(whole)
    inference.load(tmp_path / "a.tflite")
    with monkeypatch.context() as patched:
        patched.setattr(proof.subprocess, "run", lambda *_, **__: pytest.fail("tried again"))
        inference.load(tmp_path / "a.tflite")
    (tmp_path / "a.tflite").write_bytes(whole[: len(whole) - 64])
    with pytest.raises(DamagedError, match=r"a\.tflite cannot be loaded as a TFLite file"):
        inference.load(tmp_path / "a.tflite")


def test_a_trial_that_dies_is_an_error(tflite, tmp_path, monkeypatch):
    (tmp_path / "b.tflite").write_bytes(tflite.read_bytes())
    died = proof.subprocess.CompletedProcess([], -6, b"", b"")
    monkeypatch.setattr(proof.subprocess, "run", lambda *_, **__: died)
    with pytest.raises(DamagedError, match=r"loading it ended a process with the code -6"):
        inference.load(tmp_path / "b.tflite")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"tasks": {"expression": {"kind": "classes", "names": ["red", "green"]}}},
            r"expression of 2 numbers, float32\.tflite gives 3",
        ),
        ({"image_size": 48}, r"image_size 48, float32\.tflite takes 4"),
    ],
)
def test_a_description_that_does_not_fit_the_export_is_refused(pushed, changes, words):
    describe(pushed, **changes)
    with pytest.raises(DamagedError, match=rf"model\.json describes another network: {words}"):
        inference.load(pushed / "float32.tflite")

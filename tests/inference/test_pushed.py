import json
import os
from pathlib import Path

import pytest

from kfer.files import DamagedError
from kfer.inference import pushed, shipped
from kfer.inference.alignment import Crop
from kfer.inference.thresholds import Threshold

DESCRIPTION = {
    "name": "faces",
    "weights": "5e1f",
    "tasks": {
        "expression": {"kind": "classes", "names": ["calm", "glad"]},
        "identity": {"kind": "embedding", "names": []},
    },
    "alignment": {"margin": -0.06, "shift": 0.07},
    "verification": {"threshold": 0.31, "false_accept_rate": 0.01, "measured_false_accept_rate": 0.009},
}


def push(folder: Path, name: str, version: int, files=("float32", "int8"), at=1000, **changes) -> Path:
    place = folder / name / str(version)
    place.mkdir(parents=True)
    (place / "saved_model.pb").touch()
    for file in files:
        (place / f"{file}.tflite").write_bytes(file.encode())
    path = place / "model.json"
    path.write_text(json.dumps(DESCRIPTION | {"name": name} | changes))
    os.utime(path, (at, at))
    return place


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    push(tmp_path, "faces", 9, at=3000)
    push(tmp_path, "faces", 10, at=2000)
    push(tmp_path, "others", 1, at=4000)
    # What a push that was killed leaves, and what is no version.
    (tmp_path / "others" / ".kfer-abcdefgh.partial").mkdir()
    (tmp_path / "others" / "notes").mkdir()
    return tmp_path


def test_the_last_that_was_pushed_is_the_default(folder):
    assert pushed.find(folder=folder).path == folder / "others" / "1" / "float32.tflite"
    assert [version.parent.name for version, _ in pushed.all_models(folder)[0]] == [
        "others",
        "faces",
        "faces",
    ]


def test_a_shipped_model_answers_where_nothing_was_pushed(shipped_models, tmp_path):
    push(shipped_models, "faces", 1)
    push(shipped_models, "faces_small", 1)
    model = pushed.find(folder=tmp_path / "saved_models")
    # The export that every installation has.
    assert model.path == shipped_models / "faces" / "1" / "int8.tflite"
    assert model.told == "faces/1 (int8), shipped with kfer"
    small = pushed.find("faces_small", "float32", tmp_path)
    assert small.told == "faces_small/1 (float32), shipped with kfer"


def test_what_was_pushed_comes_before_what_ships(folder, shipped_models):
    push(shipped_models, "faces", 1, at=9000)
    assert pushed.find(folder=folder).told == f"others/1 (float32), the last pushed to {folder}"
    assert pushed.find("faces", folder=folder).told == f"faces/10 (float32), from {folder}"
    assert pushed.find("faces/1", folder=folder).told == "faces/1 (int8), shipped with kfer"


def test_shipped_models_among_pushed_ones_are_not_the_last_pushed(folder, monkeypatch):
    push(folder, "faces", 1, at=9000)
    monkeypatch.setattr(shipped, "folder", lambda: folder)  # a checkout, and the user works in it
    assert pushed.find(folder=folder).name == "others/1"


def test_the_default_is_no_model_that_saw_no_photographs(folder, shipped_models):
    others = folder / "others" / "1" / "model.json"
    others.write_text(json.dumps(DESCRIPTION | {"name": "others", "trained_on": {"drawn": 1.0}}))
    os.utime(others, (4000, 4000))
    assert pushed.find(folder=folder).name == "others/1"  # there is no better one
    push(shipped_models, "faces", 1)
    assert pushed.find(folder=folder).told == (
        f"faces/1 (int8), shipped with kfer (others/1, the last pushed to {folder}, saw no photographs)"
    )
    assert pushed.find("others", folder=folder).name == "others/1"


def test_a_checkouts_copy_of_what_the_package_has_is_no_pushed_model(shipped_models, tmp_path):
    push(shipped_models, "faces", 1)
    checkout, other = tmp_path / "checkout", tmp_path / "other"
    push(checkout, "faces", 1, at=9000)
    assert pushed.find(folder=checkout).told == "faces/1 (int8), shipped with kfer"
    assert pushed.find("faces", folder=checkout).told == "faces/1 (int8), shipped with kfer"
    push(other, "faces", 1, weights="others")
    assert pushed.find(folder=other).told == f"faces/1 (float32), the last pushed to {other}"


def test_a_variable_names_the_default(folder, shipped_models, monkeypatch):
    push(shipped_models, "faces_small", 1)
    monkeypatch.setenv(pushed.VARIABLE, "faces_small")
    assert pushed.find(folder=folder).told == "faces_small/1 (int8), shipped with kfer (KFER_MODEL)"
    assert pushed.find("others", folder=folder).name == "others/1"
    monkeypatch.setenv(pushed.VARIABLE, "gone")
    with pytest.raises(FileNotFoundError, match=r"no model 'gone' \(KFER_MODEL\), neither as a path"):
        pushed.find(folder=folder)
    monkeypatch.setenv(pushed.VARIABLE, "")
    assert pushed.find(folder=folder).name == "others/1"


def test_a_folder_of_photographs_does_not_hide_a_model_of_its_name(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here" / "faces").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    assert pushed.find("faces", folder=folder).name == "faces/10"


def test_an_output_that_a_model_lacks_is_named(folder):
    model = pushed.find("faces", folder=folder)
    model.check_output("embedding")
    with pytest.raises(ValueError, match=r"faces/10 gives no pose: its tasks are expression, identity"):
        model.check_output("pose")


def test_the_saved_model_lies_beside_its_tflite_files(folder):
    version = folder / "faces" / "10"
    for variant in ("float32", "int8", "saved_model"):
        assert pushed.find("faces", variant, folder).saved_model == version
    (version / "saved_model.pb").unlink()
    assert pushed.find("faces", folder=folder).saved_model is None


def test_a_model_by_its_name_or_place(folder):
    newest = folder / "faces" / "10" / "float32.tflite"
    for given in ("faces", folder / "faces", "faces/10", newest.parent, newest):
        assert pushed.find(given, folder=folder).path == newest
    assert pushed.find("faces/9", folder=folder).path == folder / "faces" / "9" / "float32.tflite"
    assert pushed.find("faces", "int8", folder).path.name == "int8.tflite"
    assert pushed.find("faces", "saved_model", folder).path == newest.parent


def test_what_is_known_of_it(folder):
    model = pushed.find("faces", folder=folder)
    assert (model.name, model.fingerprint, model.expressions) == ("faces/10", "5e1f", ("calm", "glad"))
    assert model.threshold == Threshold(0.31, 0.009, 0.01)
    assert model.crop == Crop(-0.06, 0.07)
    # All exports of one network can be compared.
    assert pushed.find("faces", "int8", folder).fingerprint == model.fingerprint


def test_a_file_alone_is_known_by_its_bytes(tmp_path):
    first, second = tmp_path / "a.tflite", tmp_path / "b.tflite"
    first.write_bytes(b"abc")
    second.write_bytes(b"abd")
    model = pushed.find(first)
    assert (model.name, model.expressions, model.threshold, model.crop) == ("a.tflite", (), None, Crop())
    assert len({model.fingerprint, pushed.find(second).fingerprint}) == 2


def test_where_there_is_no_model_the_way_to_one_is_said(tmp_path):
    for given in (None, "faces"):
        with pytest.raises(FileNotFoundError, match=r"python -m kfer\.pipeline SETTINGS --data-dir DIR"):
            pushed.find(given, folder=tmp_path / "saved_models")
    assert pushed.all_models(tmp_path / "saved_models") == ([], {})


def test_what_is_not_there_is_named(folder):
    with pytest.raises(FileNotFoundError, match=r"no model 'face', .*; there are faces, others"):
        pushed.find("face", folder=folder)
    with pytest.raises(
        FileNotFoundError, match=r"has no export 'int4'; it has float32, int8, saved_model"
    ):
        pushed.find("faces", "int4", folder)
    with pytest.raises(ValueError, match=r"is one export already; it has no variant 'int8'"):
        pushed.find(folder / "faces" / "9" / "int8.tflite", "int8")
    (folder / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"empty holds no model"):
        pushed.find("empty", folder=folder)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tasks": None}, r"tasks: expected a valid dictionary; got None"),
        ({"tasks": {}}, r"tasks: expected at least one task"),
        (
            {"tasks": {"expression": {"kind": "classes", "names": ["a", "a"]}}},
            r"names that differ; got 'a'",
        ),
        ({"tasks": {"expression": {"kind": "classes", "names": []}}}, r"expected names of the classes"),
        ({"tasks": {"expression": {"kind": "kind", "names": ["a"]}}}, r"kind: expected 'classes', "),
        (
            {"tasks": {"expression": {"kind": "classes", "names": ["a\nb"]}}},
            r"without control characters",
        ),
        (
            {"tasks": {"expression": {"kind": "classes", "names": ["a"], "temperature": 0}}},
            r"temperature: expected greater than 0; got 0",
        ),
        ({"expressions": ["calm"]}, r"expected the names of tasks\.expression"),
        ({"verification": {"threshold": None}}, r"verification\.threshold: expected a valid number"),
        ({"verification": {"threshold": 1.5}}, r"expected a cosine, in \[-1, 1\]; got 1\.5"),
        ({"verification": {"threshold": float("nan")}}, r"expected finite numbers; got NaN"),
        ({"verification": {"threshold": 10**400}}, r"at most 24 digits; got one of 401"),
        ({"verification": {"rate": 1}}, r"verification\.threshold is missing"),
        ({"alignment": {"margin": 9}}, r"alignment\.margin: expected less than or equal to 2; got 9"),
        ({"alignment": {"border": 1}}, r"alignment\.border"),
        ({"name": "../faces"}, r"name: expected a name without slashes"),
        ({"weights": 7}, r"weights: expected a valid string; got 7"),
        ({"image_size": "48"}, r"image_size: expected a valid integer; got '48'"),
        ({"image_size": -1}, r"image_size: expected greater than or equal to 1; got -1"),
        ({"clip": {"frames": True}}, r"clip\.frames: expected a valid integer; got True"),
        ({"files": {"../x": {"sha256": "0" * 64, "bytes": 1}}}, r"expected a path within the folder"),
        ({"files": {"x": {"sha256": "0", "bytes": 1}}}, r"files\.x\.sha256"),
        ({"trained_on": {"dreams": 1.0}}, r"trained_on"),
    ],
)
def test_a_wrong_field_of_a_description_is_named(folder, changes, words):
    (folder / "others" / "1" / "model.json").write_text(json.dumps(DESCRIPTION | changes))
    with pytest.raises(
        DamagedError, match=rf"model\.json is damaged \(.*{words}.*\): push the model again"
    ):
        pushed.find("others", folder=folder)


def test_fields_of_a_later_version_are_let_through(folder):
    later = {"mood": [1], "tasks": {"expression": {**DESCRIPTION["tasks"]["expression"], "colour": 3}}}
    (folder / "others" / "1" / "model.json").write_text(json.dumps(DESCRIPTION | later))
    assert pushed.find("others", folder=folder).expressions == ("calm", "glad")
    assert pushed.description(folder / "others" / "1").content() == DESCRIPTION | later


def test_a_damaged_version_does_not_hide_the_others(folder):
    (folder / "others" / "1" / "model.json").write_text("[]")
    found, damaged = pushed.all_models(folder)
    assert [version.name for version, _ in found] == ["9", "10"]
    assert list(damaged) == [folder / "others" / "1"]
    assert "model.json is damaged (expected an object" in damaged[folder / "others" / "1"]


def test_a_generator_is_no_model_to_ask(tmp_path):
    push(tmp_path, "faces", 1)
    generator = tmp_path / "drawing" / "1"
    generator.mkdir(parents=True)
    for name in ("generator.json", "generator.tflite", "saved_model.pb"):
        (generator / name).touch()
    assert pushed.find(folder=tmp_path).name == "faces/1"
    assert [version.parent.name for version, _ in pushed.all_models(tmp_path)[0]] == ["faces"]
    for place in ("drawing", generator, generator / "generator.tflite"):
        with pytest.raises(
            ValueError, match=r"is a generator, which draws faces .* `kfer generate` takes it"
        ):
            pushed.find(place, folder=tmp_path)

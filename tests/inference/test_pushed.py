import json
import os
from pathlib import Path

import pytest

from kfer.inference import pushed
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
    (tmp_path / "others" / ".pushing-7").mkdir()
    (tmp_path / "others" / "notes").mkdir()
    return tmp_path


def test_the_last_that_was_pushed_is_the_default(folder):
    assert pushed.find(folder=folder).path == folder / "others" / "1" / "float32.tflite"
    assert [version.parent.name for version, _ in pushed.all_models(folder)] == [
        "others",
        "faces",
        "faces",
    ]


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
    assert pushed.all_models(tmp_path / "saved_models") == []


def test_what_is_not_there_is_named(folder):
    with pytest.raises(FileNotFoundError, match=r"no model 'face', .*, which has faces, others"):
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
    "content",
    [
        "{",
        "[]",
        json.dumps(DESCRIPTION | {"verification": {"threshold": None}}),
        json.dumps(DESCRIPTION | {"verification": {"rate": 1}}),
        json.dumps(DESCRIPTION | {"alignment": {"margin": 9}}),
        json.dumps(DESCRIPTION | {"alignment": {"border": 1}}),
    ],
)
def test_a_damaged_description_is_named(folder, content):
    (folder / "others" / "1" / "model.json").write_text(content)
    with pytest.raises(ValueError, match=r"model\.json is damaged"):
        pushed.find("others", folder=folder)


def test_a_generator_is_no_model_to_ask(tmp_path):
    push(tmp_path, "faces", 1)
    generator = tmp_path / "drawing" / "1"
    generator.mkdir(parents=True)
    for name in ("generator.json", "generator.tflite", "saved_model.pb"):
        (generator / name).touch()
    assert pushed.find(folder=tmp_path).name == "faces/1"
    assert [version.parent.name for version, _ in pushed.all_models(tmp_path)] == ["faces"]
    for place in ("drawing", generator, generator / "generator.tflite"):
        with pytest.raises(
            ValueError, match=r"is a generator, which draws faces .* `kfer generate` takes it"
        ):
            pushed.find(place, folder=tmp_path)

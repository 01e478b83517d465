import hashlib
import json

import pytest

import kfer
from kfer.export import write_labels, write_model_json
from kfer.machine import commit
from kfer.settings import TaskSettings

TASKS = {
    "expression": TaskSettings(names=("calm", "glad")),
    "angles": TaskSettings("regression", ("yaw",)),
    "identity": TaskSettings("embedding"),
    "eyes": TaskSettings(names=("open", "sunglasses")),
}


def describe(path, **changes):
    arguments = {
        "name": "faces",
        "image_size": 48,
        "channels": 1,
        "tasks": TASKS,
        "temperatures": {"expression": 1.25},
        "embedding_size": 128,
        "weights": "5e1f",
        "alignment": {"margin": -0.06, "shift": 0.07},
        "verification": {"threshold": 0.31, "false_accept_rate": 0.01},
        "metrics": {"expression": {"accuracy": 0.9}},
        "figures": [{"task": "expression", "figure": "accuracy", "value": 0.9, "low": 0.8, "high": 1.0}],
        "parity": {"float32": {"max_probability_difference": 1e-6}},
        "sources": {"drawn": 20},
        "datasets": {"drawn": "kfer_synthetic/1.0.0"},
        "about": {"license": "Apache-2.0", "limits": ""},
        "contents": {"int8.tflite": {"operations": {"CONV_2D": 3}}},
    }
    write_model_json(path, **(arguments | changes))
    return json.loads(path.read_text())


def test_labels_are_one_a_line_in_order(tmp_path):
    write_labels(tmp_path / "labels.txt", ["sad", "überrascht"])
    assert (tmp_path / "labels.txt").read_text("utf-8") == "sad\nüberrascht\n"


@pytest.mark.parametrize("labels", [[], ["a", ""], ["a\nb"], ["a\n"]])
def test_labels_that_are_no_lines_are_refused(tmp_path, labels):
    with pytest.raises(ValueError, match="one line of text each"):
        write_labels(tmp_path / "labels.txt", labels)


def test_model_json_says_all_and_lists_the_files(tmp_path):
    (tmp_path / "variables").mkdir()
    (tmp_path / "variables" / "index").write_bytes(b"abc")
    (tmp_path / "int8.tflite").write_bytes(b"")
    path = tmp_path / "model.json"
    described = describe(path)
    assert described == {
        "name": "faces",
        "kfer_version": kfer.__version__,
        "commit": commit() or None,
        "image_size": 48,
        "channels": 1,
        "expressions": ["calm", "glad"],
        "outputs": ["expression", "angles", "embedding", "eyes"],
        "tasks": {
            "expression": {"kind": "classes", "names": ["calm", "glad"], "temperature": 1.25},
            "angles": {"kind": "regression", "names": ["yaw"]},
            "identity": {"kind": "embedding", "names": []},
            "eyes": {"kind": "classes", "names": ["open", "sunglasses"]},
        },
        "embedding_size": 128,
        "preprocessing": {
            "outside": "RGB, 0 to 255, the face alone, upright, of image_size; int8 input: less 128",
            "inside": "grey by ITU-R BT.601 where channels is 1; then / 127.5 - 1",
        },
        "alignment": {"margin": -0.06, "shift": 0.07},
        "weights": "5e1f",
        "training_images": {"drawn": 20},
        "trained_on": {"drawn": 1.0},
        "datasets": {"drawn": "kfer_synthetic/1.0.0"},
        "license": "Apache-2.0",
        "verification": {"threshold": 0.31, "false_accept_rate": 0.01},
        "metrics": {"expression": {"accuracy": 0.9}},
        "figures": [{"task": "expression", "figure": "accuracy", "value": 0.9, "low": 0.8, "high": 1.0}],
        "parity": {"float32": {"max_probability_difference": 1e-6}},
        "files": {
            "int8.tflite": {
                "sha256": hashlib.sha256(b"").hexdigest(),
                "bytes": 0,
                "operations": {"CONV_2D": 3},
            },
            # The digest of "abc" in FIPS 180-2.
            "variables/index": {
                "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
                "bytes": 3,
            },
        },
    }
    assert describe(path) == described  # it does not list itself
    assert list(described["tasks"]) == list(TASKS)
    assert describe(path, tasks={"identity": TASKS["identity"]})["expressions"] == []


def test_model_json_refuses_what_json_cannot_hold(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        describe(tmp_path / "model.json", metrics={"accuracy": float("nan")})

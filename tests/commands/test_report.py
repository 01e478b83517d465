"""`kfer report`: what is known of a model."""

import json
from pathlib import Path

import pytest
from disc_faces import push_model

from kfer import commands


@pytest.fixture
def model(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return push_model(tmp_path / "saved_models").folder


def report(capsys, *arguments: str) -> str:
    assert commands.run("report", arguments) == 0
    return capsys.readouterr().out


def describe(model: Path, **changes) -> None:
    path = model / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_what_a_model_is_and_its_own_threshold(model, capsys):
    describe(model, metrics={"expression_accuracy": 0.75}, training_images={"drawn": 1200})
    said = report(capsys).splitlines()
    assert said[1].startswith("in saved_models") and "expression: red, green, blue" in said
    assert "trained on 1,200 images of drawn" in said and "expression accuracy 0.750" in said
    assert said[-1] == "threshold by the Evaluator: 0.800, which 2.00% of pairs of different people reach"


def test_figures_and_exports(model, capsys):
    describe(
        model,
        figures=[
            {
                "task": "expression",
                "figure": "macro_f1",
                "value": 0.9,
                "low": 0.8,
                "high": 1.0,
                "on": "5 images",
            },
            {
                "task": "identity",
                "figure": "tar_at_far_0.1",
                "value": 0.5,
                "low": None,
                "high": None,
                "on": "3 pairs",
            },
        ],
        parity={"int8": {"top_class_agreement": 0.98, "accuracy_change": -0.0012}},
        files={"int8.tflite": {"sha256": "0" * 64, "bytes": 1_040_000}},
    )
    said = report(capsys, "discs/1")
    assert "expression  macro F1        0.900  0.800 to 1.000  5 images" in said
    assert "identity    TAR at FAR 0.1  0.500                  3 pairs" in said
    assert "int8    1.04           0.980     -0.12" in said


def test_calibrated_thresholds(model, capsys):
    interval = {"value": 0.5, "low": 0.4, "high": 0.6}
    each = {
        "false_accept_rate": 0.1,
        "threshold": interval,
        "true_accept_rate": interval,
        "measured_false_accept_rate": interval,
        "reliable": True,
    }
    content = {
        "weights": "d15c",
        "num_genuine": 40,
        "num_impostor": 50,
        "pairs": "people",
        "thresholds": [each],
    }
    (model / "thresholds.json").write_text(json.dumps(content))
    said = report(capsys)
    assert "on 40 pairs of one person and 50 of two, people" in said and "the default" in said
    assert json.loads(report(capsys, "--json"))["calibration"] == content


def test_a_folder_without_a_description(model, capsys):
    (model / "model.json").unlink()
    assert "it has no model.json" in report(capsys, str(model))

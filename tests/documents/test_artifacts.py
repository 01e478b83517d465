import json
from pathlib import Path

import pytest

from kfer.files import DamagedError
from kfer.pipeline.artifacts import Examples, HyperParameters, ModelEvaluation, PushedModel
from kfer.pipeline.studied import best_values


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "it is empty"),
        ("[]", "expected an object"),
        ('{"num_pairs": 0}', "sources is missing"),
        ('{"sources": ["drawn"], "num_pairs": -1}', "num_pairs: expected.*; got -1"),
        ('{"sources": ["drawn"], "num_pairs": NaN}', "NaN"),
    ],
)
def test_damaged_labels_are_named(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "labels.json").write_text(content)
    with pytest.raises(DamagedError, match=rf"labels\.json is damaged .*{message}.*--no-cache"):
        Examples(tmp_path).labels()


def test_what_was_written_is_read(tmp_path: Path) -> None:
    values = {"training.learning_rate": 0.1, "model.widths": [8, 16], "training.optimizer": "sgd"}
    HyperParameters(tmp_path).write_best_values(values)
    assert HyperParameters(tmp_path).best_values() == values
    report = {"metrics": {"expression_accuracy": 0.5, "rank_1": None}, "judged_on": "a", "more": [1]}
    (tmp_path / "evaluation.json").write_text(json.dumps(report))
    assert ModelEvaluation(tmp_path).report() == report


@pytest.mark.parametrize("content", ["{}", '{"path": 3}', '{"path": null, "reasons": "none"}'])
def test_a_damaged_record_of_a_push_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "pushed.json").write_text(content)
    with pytest.raises(DamagedError, match=r"pushed\.json is damaged .*(path|reasons)"):
        PushedModel(tmp_path).record()


def test_a_damaged_study_is_named(tmp_path: Path) -> None:
    path = tmp_path / "study.json"
    path.write_text('{"best": {"values": 3}}')
    with pytest.raises(DamagedError, match=r"study\.json is damaged .*best\.values.*tuning\.study"):
        best_values(path)

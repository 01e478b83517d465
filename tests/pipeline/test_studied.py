import dataclasses
import json
from pathlib import Path

import pytest

from kfer.pipeline.dag import build
from kfer.pipeline.studied import best_values
from kfer.settings import PipelineSettings, TuningSettings

VALUES = {"training.learning_rate": 0.01, "tasks.identity.weight": 0.3}


def write(path: Path, values: dict[str, float]) -> str:
    path.write_text(json.dumps({"name": "mine", "best": {"trial": "3", "values": values}}))
    return str(path)


def studied(path: str) -> PipelineSettings:
    return dataclasses.replace(PipelineSettings(), tuning=TuningSettings(trials=0, study=path))


def test_the_best_values_of_a_committed_study_reach_the_tuner(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.json", VALUES)
    assert best_values(path) == VALUES
    (tuner,) = (node for node in build(studied(path), tmp_path) if node.name == "Tuner")
    # What the file says is the Tuner's own argument, and so of its cache key.
    assert tuner.arguments["studied"] == VALUES
    write(tmp_path / "mine.json", {**VALUES, "training.learning_rate": 0.02})
    (other,) = (node for node in build(studied(path), tmp_path) if node.name == "Tuner")
    assert other.arguments["studied"] != tuner.arguments["studied"]


def test_a_study_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"tuning\.study: there is no file .*missing\.json"):
        build(studied(str(tmp_path / "missing.json")), tmp_path)
    (tmp_path / "other.json").write_text('{"best": 3}')
    with pytest.raises(
        ValueError, match=r"other\.json is damaged .*must name a study's file.*best, values"
    ):
        best_values(tmp_path / "other.json")

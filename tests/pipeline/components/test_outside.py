import os
from pathlib import Path

from kfer.pipeline.components.outside import saved_networks
from kfer.settings import ModelSettings, TaskSettings


def described(teacher: Path, weights: str | None = None) -> str:
    tasks = {"expression": TaskSettings(names=("calm", "glad"), teachers=(str(teacher),))}
    return saved_networks({"model_settings": ModelSettings(weights=weights), "tasks": tasks})


def test_a_file_that_was_written_again_makes_another_training(tmp_path: Path) -> None:
    file = tmp_path / "teacher.keras"
    assert described(tmp_path / "*.keras", "imagenet") == ""
    file.write_text("first")
    first = described(tmp_path / "*.keras")
    assert first == described(tmp_path / "*.keras", "imagenet") != ""
    os.utime(file, (1, 1))
    assert described(tmp_path / "*.keras") != first
    assert len(described(tmp_path / "*.keras", str(file)).splitlines()) == 2

import os
from pathlib import Path

from kfer.pipeline.components.outside import saved_networks
from kfer.settings import ModelSettings, TaskSettings


def described(teacher: Path, weights: str | None = None) -> str:
    tasks = {"expression": TaskSettings(names=("calm", "glad"), teachers=(str(teacher),))}
    return saved_networks({"model_settings": ModelSettings(weights=weights), "tasks": tasks})


def test_other_content_makes_another_training_whatever_its_size_and_time(tmp_path: Path) -> None:
    file = tmp_path / "teacher.keras"
    assert described(tmp_path / "*.keras", "imagenet") == ""
    file.write_text("first")
    os.utime(file, (1, 1))
    first = described(tmp_path / "*.keras")
    assert first == described(tmp_path / "*.keras", "imagenet") != ""
    file.unlink()
    file.write_text("other")
    os.utime(file, (1, 1))
    assert described(tmp_path / "*.keras") != first
    assert len(described(tmp_path / "*.keras", str(file)).splitlines()) == 2


def test_the_same_content_written_again_makes_no_other_training(tmp_path: Path) -> None:
    file = tmp_path / "teacher.keras"
    file.write_text("first")
    first = described(file)
    os.utime(file, (1, 1))
    assert described(file) == first

from pathlib import Path

import pytest

from kfer.pipeline import config


def test_a_settings_file_is_python(tmp_path: Path):
    file = tmp_path / "mine.py"
    file.write_text(
        "from kfer.settings import PipelineSettings\nsettings = PipelineSettings(name='mine')\n"
    )
    assert config.load_settings(file).name == "mine"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("settings = 3", "must define `settings = PipelineSettings"),
        ("raise KeyError('x')", "cannot be run: KeyError"),
        ("from kfer.settings import TrainingSettings\nTrainingSettings(epochs=0)", "epochs must be"),
    ],
)
def test_a_bad_settings_file_is_explained(tmp_path: Path, text: str, message: str):
    file = tmp_path / "bad.py"
    file.write_text(text)
    with pytest.raises(ValueError, match=message):
        config.load_settings(file)


def test_a_missing_settings_file_is_named(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"no settings file .*none\.py"):
        config.load_settings(tmp_path / "none.py")

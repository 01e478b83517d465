from pathlib import Path

import keras
import numpy as np
import pytest

from kfer.settings import FineTuningStage, TrainingSettings
from kfer.training import checkpoint

SETTINGS = TrainingSettings()
HISTORY = [{"epoch": 1.0, "loss": 0.5}]


def compiled(units: int = 2) -> keras.Model:
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(units)])
    model.compile(keras.optimizers.AdamW(0.1), "mse")
    model.optimizer.build(model.trainable_variables)
    return model


def trained() -> keras.Model:
    model = compiled()
    model.train_on_batch(np.ones((4, 3)), np.zeros((4, 2)))
    return model


def save(work_dir: Path, model: keras.Model, history: list = HISTORY) -> None:
    checkpoint.save(work_dir, model, model.optimizer, SETTINGS, 7, history)


def test_weights_optimizer_and_history_come_back(tmp_path: Path) -> None:
    model, other = trained(), compiled()
    save(tmp_path, model)
    (tmp_path / "history.csv").unlink()
    saved = checkpoint.load(tmp_path, SETTINGS, 7)
    assert saved.history == HISTORY
    assert (tmp_path / "history.csv").read_text().split() == ["epoch,loss", "1.0,0.5"]
    saved.restore_network(other)
    saved.restore_optimizer(other.optimizer)
    variables = [*model.variables, *model.optimizer.variables]
    restored = [*other.variables, *other.optimizer.variables]
    assert int(other.optimizer.iterations) == 1
    for old, new in zip(variables, restored, strict=True):
        np.testing.assert_array_equal(old, new)


def test_another_network_is_refused(tmp_path: Path) -> None:
    save(tmp_path, trained())
    saved, other = checkpoint.load(tmp_path, SETTINGS, 7), compiled(units=3)
    with pytest.raises(ValueError, match=r"is of another network: expected 2 variables, it has 2, or"):
        saved.restore_network(other)
    with pytest.raises(ValueError, match="is of another network"):
        saved.restore_optimizer(other.optimizer)


def test_settings_with_stages_are_the_same_after_they_were_written(tmp_path: Path) -> None:
    staged = TrainingSettings(stages=(FineTuningStage(1), FineTuningStage(2, ("layer4",), 0.5)))
    model = trained()
    checkpoint.save(tmp_path, model, model.optimizer, staged, 7, HISTORY)
    assert checkpoint.load(tmp_path, staged, 7).history == HISTORY
    with pytest.raises(ValueError, match=r"other settings: stages was \[\{.*'layer4'.* and is \[\]"):
        checkpoint.load(tmp_path, TrainingSettings(), 7)


def test_without_a_checkpoint_the_run_starts(tmp_path: Path) -> None:
    (tmp_path / ".checkpoint.npz.partial").write_bytes(b"PK\x03\x04 cut off")
    assert checkpoint.load(tmp_path, SETTINGS, 7).history == []


def test_a_write_that_breaks_off_leaves_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path, trained())

    def full_disk(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
        patch.setattr("os.fsync", full_disk)
        save(tmp_path, trained(), HISTORY * 2)
    assert checkpoint.load(tmp_path, SETTINGS, 7).history == HISTORY

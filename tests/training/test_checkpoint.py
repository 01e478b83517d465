from pathlib import Path

import keras
import numpy as np
import pytest

from kfer.settings import TrainingSettings
from kfer.training import checkpoint

SETTINGS = TrainingSettings()
HISTORY = [{"epoch": 1.0, "loss": 0.5}]


def compiled(units: int = 2) -> keras.Model:
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(units)])
    model.compile(keras.optimizers.AdamW(0.1), "mse")
    return model


def trained() -> keras.Model:
    model = compiled()
    model.train_on_batch(np.ones((4, 3)), np.zeros((4, 2)))
    return model


def test_weights_optimizer_and_history_come_back(tmp_path: Path) -> None:
    model, other = trained(), compiled()
    checkpoint.save(tmp_path, model, SETTINGS, 7, HISTORY)
    (tmp_path / "history.csv").unlink()
    assert checkpoint.restore(tmp_path, other, SETTINGS, 7) == HISTORY
    assert (tmp_path / "history.csv").read_text().split() == ["epoch,loss", "1.0,0.5"]
    variables = [*model.variables, *model.optimizer.variables]
    restored = [*other.variables, *other.optimizer.variables]
    assert int(other.optimizer.iterations) == 1
    for old, new in zip(variables, restored, strict=True):
        np.testing.assert_array_equal(old, new)


def test_without_a_checkpoint_the_run_starts(tmp_path: Path) -> None:
    (tmp_path / ".checkpoint.npz.partial").write_bytes(b"PK\x03\x04 cut off")
    assert checkpoint.restore(tmp_path, compiled(), SETTINGS, 7) == []


def test_a_write_that_breaks_off_leaves_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint.save(tmp_path, trained(), SETTINGS, 7, HISTORY)

    def full_disk(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
        patch.setattr("os.fsync", full_disk)
        checkpoint.save(tmp_path, trained(), SETTINGS, 7, HISTORY * 2)
    assert checkpoint.restore(tmp_path, compiled(), SETTINGS, 7) == HISTORY

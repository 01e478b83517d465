import dataclasses
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from toy_tasks import tasks

from kfer.files import DamagedError
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


def parts(model: keras.Model) -> checkpoint.Parts:
    return {"network": model.variables, "optimizer": model.optimizer.variables, "weighting": []}


def run_of(settings: TrainingSettings) -> dict[str, object]:
    return checkpoint.run_of(settings, tasks(), 7)


def save(work_dir: Path, model: keras.Model, history: list = HISTORY) -> None:
    checkpoint.save(work_dir, parts(model), run_of(SETTINGS), history)


def test_weights_optimizer_and_history_come_back(tmp_path: Path) -> None:
    model, other = trained(), compiled()
    save(tmp_path, model)
    (tmp_path / "history.csv").unlink()
    saved = checkpoint.load(tmp_path, run_of(SETTINGS))
    assert saved.history == HISTORY
    assert (tmp_path / "history.csv").read_text().split() == ["epoch,loss", "1.0,0.5"]
    for part, found in parts(other).items():
        saved.restore(part, found)
    variables = [*model.variables, *model.optimizer.variables]
    restored = [*other.variables, *other.optimizer.variables]
    assert int(other.optimizer.iterations) == 1
    for old, new in zip(variables, restored, strict=True):
        np.testing.assert_array_equal(old, new)


def test_another_network_is_refused(tmp_path: Path) -> None:
    save(tmp_path, trained())
    saved, other = checkpoint.load(tmp_path, run_of(SETTINGS)), compiled(units=3)
    with pytest.raises(ValueError, match=r"is of another network: expected 2 variables, it has 2, or"):
        saved.restore("network", other.variables)
    with pytest.raises(ValueError, match="is of another network"):
        saved.restore("optimizer", other.optimizer.variables)


def test_settings_with_stages_are_the_same_after_they_were_written(tmp_path: Path) -> None:
    staged = TrainingSettings(stages=(FineTuningStage(1), FineTuningStage(2, ("layer4",), 0.5)))
    model = trained()
    checkpoint.save(tmp_path, parts(model), run_of(staged), HISTORY)
    assert checkpoint.load(tmp_path, run_of(staged)).history == HISTORY
    with pytest.raises(ValueError, match=r"other settings: stages was \[\{.*'layer4'.* and is \[\]"):
        checkpoint.load(tmp_path, run_of(TrainingSettings()))


def test_a_run_may_go_on_with_other_devices(tmp_path: Path) -> None:
    save(tmp_path, trained())
    other = dataclasses.replace(SETTINGS, strategy="multi_worker", worker_timeout_s=1.0)
    assert checkpoint.load(tmp_path, run_of(other)).history == HISTORY


def test_the_weights_of_the_best_epoch_are_kept(tmp_path: Path) -> None:
    model, other = trained(), compiled()
    for epoch in (1, 12, 2):
        checkpoint.save_best(tmp_path, epoch, model)
    checkpoint.remove_worse(tmp_path, 12)
    assert [file.name for file in tmp_path.iterdir()] == ["best_12.npz"]
    checkpoint.restore_best(tmp_path, 12, other)
    np.testing.assert_array_equal(other(np.ones((1, 3))), model(np.ones((1, 3))))
    with pytest.raises(FileNotFoundError):
        checkpoint.restore_best(tmp_path, 2, other)


@pytest.mark.parametrize("damage", ["cut", "changed"])
def test_a_damaged_checkpoint_is_named(tmp_path: Path, damage: str) -> None:
    model = trained()
    save(tmp_path, model)
    file = tmp_path / "checkpoint.npz"
    content = bytearray(file.read_bytes())
    if damage == "cut":
        file.write_bytes(content[: len(content) // 2])
    else:
        kernel = np.asarray(model.variables[0]).tobytes()
        content[content.index(kernel)] ^= 255
        file.write_bytes(content)
    with pytest.raises(DamagedError, match=r"checkpoint\.npz is damaged \(.*\): delete it"):
        checkpoint.load(tmp_path, run_of(SETTINGS)).restore("network", model.variables)


@pytest.mark.parametrize(
    "text", ['{"run": {}, "history": [], "history": []}', '{"run": {}, "history": [NaN]}', "[" * 200]
)
def test_a_description_that_is_no_plain_json_is_named(tmp_path: Path, text: str) -> None:
    np.savez(tmp_path / "checkpoint.npz", json=np.array(text))
    with pytest.raises(DamagedError, match=r"checkpoint\.npz is damaged"):
        checkpoint.load(tmp_path, {})


def test_a_figure_that_is_no_number_is_no_figure(tmp_path: Path) -> None:
    save(tmp_path, trained(), [{"epoch": 1.0, "loss": 0.5, "val_loss": float("nan")}])
    assert checkpoint.load(tmp_path, run_of(SETTINGS)).history == [{"epoch": 1.0, "loss": 0.5}]


def test_a_member_that_is_no_array_is_named(tmp_path: Path) -> None:
    model = trained()
    save(tmp_path, model)
    file = tmp_path / "checkpoint.npz"
    with zipfile.ZipFile(file) as whole:
        members = {name: whole.read(name) for name in whole.namelist()}
    with zipfile.ZipFile(file, "w") as damaged:
        for name, content in members.items():
            damaged.writestr(name, b"no array" if name == "network_0.npy" else content)
    with pytest.raises(
        DamagedError, match=r"checkpoint\.npz is damaged \(it has something other than arrays"
    ):
        checkpoint.load(tmp_path, run_of(SETTINGS)).restore("network", model.variables)


def test_without_a_checkpoint_the_run_starts(tmp_path: Path) -> None:
    left = tmp_path / ".kfer-abcdefgh.partial" / "new"
    left.mkdir(parents=True)
    (left / "checkpoint.npz").write_bytes(b"PK\x03\x04 cut off")
    assert checkpoint.load(tmp_path, run_of(SETTINGS)).history == []


def test_a_write_that_breaks_off_leaves_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path, trained())

    def full_disk(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="the disk is full"):
        patch.setattr("os.fsync", full_disk)
        save(tmp_path, trained(), HISTORY * 2)
    assert checkpoint.load(tmp_path, run_of(SETTINGS)).history == HISTORY

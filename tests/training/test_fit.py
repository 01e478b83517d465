import csv
import logging
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from kfer import models, training
from kfer.settings import ModelSettings, TrainingSettings

STEPS, BATCH, SIZE = 4, 6, 8
TOY = ModelSettings(backbone_arguments={"widths": [4, 8], "blocks": 1}, embedding_size=4)
SETTINGS = TrainingSettings(epochs=4, batch_size=BATCH, learning_rate=0.02, validation_pairs=20)


def examples(seed: int, count: int, first_identity: int = 0) -> SimpleNamespace:
    """Images whose brightness is the expression and whose slope is the person."""
    generator = np.random.default_rng(seed)
    expression = generator.integers(0, 3, count).astype(np.int32)
    identity = generator.integers(0, 4, count).astype(np.int32)
    slope = np.linspace(-1, 1, SIZE) * (identity[:, None] - 1.5) * 20
    images = np.zeros((count, SIZE, SIZE, 1)) + slope[:, None, :, None]
    images += (60 + 60 * expression)[:, None, None, None] + generator.normal(0, 5, images.shape)
    return SimpleNamespace(
        images=np.clip(images, 0, 255).astype(np.uint8),
        expression=np.where(np.arange(count) % 3 == 0, -1, expression).astype(np.int32),
        identity=np.where(np.arange(count) % 3 == 1, -1, identity + first_identity).astype(np.int32),
        source=np.zeros(count, np.int32),
    )


TRAIN, VALIDATION = examples(0, 60), examples(1, 40, first_identity=4)


def make_batches(start_step: int) -> tf.data.Dataset:
    def batch(step: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        chosen = tf.random.stateless_uniform([BATCH], [7, step], 0, len(TRAIN.images), tf.int64)
        labels = {"expression": TRAIN.expression, "identity": TRAIN.identity}
        return tf.gather(TRAIN.images, chosen), {k: tf.gather(v, chosen) for k, v in labels.items()}

    return tf.data.Dataset.counter(start_step).map(batch)


def build(num_expressions: int = 3, num_identities: int = 4) -> keras.Model:
    return models.build(TOY, SIZE, 1, num_expressions, num_identities, seed=0)


def train(work_dir: Path, model: keras.Model | None = None, **arguments: object) -> list:
    settings = arguments.pop("settings", SETTINGS)
    return training.train(
        model or build(), make_batches, STEPS, VALIDATION, settings, work_dir, **arguments
    )


class Abort(keras.callbacks.Callback):
    """Stops in the middle of the third epoch, as a killed process does."""

    def on_train_batch_end(self, batch: int, logs: object = None) -> None:
        if self.model.optimizer.iterations == 2 * STEPS + 2:
            raise KeyboardInterrupt


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_run_that_is_killed_ends_as_one_that_is_not(tmp_path: Path, optimizer: str) -> None:
    settings = training.with_values(SETTINGS, {"optimizer": optimizer})
    whole, resumed = build(), build()
    expected = train(tmp_path / "whole", whole, settings=settings)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "killed", settings=settings, callbacks=[Abort()])
    history = train(tmp_path / "killed", resumed, settings=settings)
    assert [figures["epoch"] for figures in history] == [1, 2, 3, 4]
    for name in expected[0].keys() - {"images_per_second"}:
        np.testing.assert_allclose(
            [figures[name] for figures in history],
            [figures[name] for figures in expected],
            atol=1e-4,
            err_msg=name,
        )
    for old, new in zip(whole.variables, resumed.variables, strict=True):
        np.testing.assert_allclose(new, old, atol=1e-4, err_msg=old.path)
    assert train(tmp_path / "killed", settings=settings) == history


def test_the_network_learns_both_tasks_from_partly_labelled_examples(tmp_path: Path) -> None:
    settings = training.with_values(SETTINGS, {"epochs": 20, "label_smoothing": 0.0})
    history = train(tmp_path, settings=settings)
    assert history[-1]["val_expression_accuracy"] > 0.6
    assert history[-1]["val_verification_accuracy"] > 0.6
    for name in ("loss", "expression_loss", "identity_loss"):
        assert history[-1][name] < 0.7 * history[0][name]


def test_history_logs_and_log_lines(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = training.with_values(SETTINGS, {"epochs": 2, "identity_weight": 0.5})
    with caplog.at_level(logging.INFO, "kfer"):
        history = train(tmp_path, settings=settings)
    for figures in history:
        assert figures["loss"] == pytest.approx(
            figures["expression_loss"] + 0.5 * figures["identity_loss"], rel=1e-4
        )
    with (tmp_path / "history.csv").open() as file:
        rows = [{name: float(text) for name, text in row.items()} for row in csv.DictReader(file)]
    assert rows == history
    assert list((tmp_path / "logs").rglob("events*"))
    lines = [line for line in caplog.messages if line.startswith("epoch ")]
    assert len(lines) == 2
    for part in ("epoch 2 of 2: ", "val expression accuracy", "images a second", "0 s left"):
        assert part in lines[1]


@pytest.mark.parametrize("task", ["expression", "identity"])
def test_one_task_alone_has_the_same_names(tmp_path: Path, task: str) -> None:
    model = build(3, 0) if task == "expression" else build(0, 4)
    settings = training.with_values(SETTINGS, {"epochs": 1, f"{task}_weight": 2.0})
    figures = train(tmp_path, model, settings=settings)[0]
    assert figures[f"{task}_loss"] == pytest.approx(figures["loss"] / 2)
    assert ("expression_accuracy" in figures) == (task == "expression")
    assert ("val_verification_accuracy" in figures) == (task == "identity")
    assert "accuracy" not in figures


def test_other_settings_do_not_go_on_from_a_checkpoint(tmp_path: Path) -> None:
    short = training.with_values(SETTINGS, {"epochs": 1})
    train(tmp_path, settings=short)
    with pytest.raises(ValueError, match=r"epochs was 1 and is 4. Set them as they were, or delete"):
        train(tmp_path)
    with pytest.raises(ValueError, match="is of another network"):
        train(tmp_path, build(3, 5), settings=short)


def test_a_loss_that_is_not_a_number_stops_the_run(tmp_path: Path) -> None:
    model = build()
    kernel = model.get_layer("expression").kernel
    kernel.assign(np.full(kernel.shape, np.nan))
    with pytest.raises(FloatingPointError, match=r"loss is nan in epoch 1, step 1: lower training"):
        train(tmp_path, model)

import csv
import dataclasses
import logging
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from kfer import models, training
from kfer.backbones.stages import stages
from kfer.input_pipeline import Decoded, for_training
from kfer.settings import FineTuningStage, ModelSettings, TrainingSettings

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
    """Stops in the middle of an epoch, counted from 0, as a killed process does."""

    def __init__(self, epoch: int) -> None:
        super().__init__()
        self.last_epoch = epoch

    def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: object = None) -> None:
        if self.epoch == self.last_epoch and batch == 1:
            raise KeyboardInterrupt


def assert_same(history: list, model: keras.Model, expected: list, other: keras.Model) -> None:
    """Both runs say the same of each epoch, but for the speed, and end in the same state."""
    for name in expected[0].keys() - {"images_per_second"}:
        np.testing.assert_allclose(
            [figures[name] for figures in history],
            [figures[name] for figures in expected],
            atol=1e-4,
            err_msg=name,
        )
    for old, new in zip(other.variables, model.variables, strict=True):
        np.testing.assert_allclose(new, old, atol=1e-4, err_msg=old.path)


STAGES = (FineTuningStage(1), FineTuningStage(2, ("stage2",), learning_rate_factor=0.5))


@pytest.mark.parametrize(
    ("settings", "killed_in"),
    [
        ({}, 2),
        ({"stages": STAGES, "layer_decay": 0.7}, 1),  # in the first epoch of the second stage
        pytest.param(  # in its second
            {"stages": STAGES, "layer_decay": 0.7, "optimizer": "sgd"}, 2, marks=pytest.mark.slow
        ),
    ],
)
def test_a_run_that_is_killed_ends_as_one_that_is_not(
    tmp_path: Path, settings: dict, killed_in: int
) -> None:
    settings = training.with_values(SETTINGS, settings)
    whole, resumed = build(), build()
    expected = train(tmp_path / "whole", whole, settings=settings)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "killed", settings=settings, callbacks=[Abort(killed_in)])
    history = train(tmp_path / "killed", resumed, settings=settings)
    assert [figures["epoch"] for figures in history] == list(range(1, settings.total_epochs() + 1))
    assert_same(history, resumed, expected, whole)
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


class Watch(keras.callbacks.Callback):
    """Notes, for each stage, which layers of the backbone's stages train and what they were like."""

    def __init__(self, network: keras.Model) -> None:
        super().__init__()
        self.stages = stages(models.backbone(network))
        self.network, self.training, self.states = network, [], []

    def on_train_begin(self, logs: object = None) -> None:
        self.training.append(
            {name for name, layers in self.stages.items() if any(layer.trainable for layer in layers)}
        )
        self.note()

    def on_train_end(self, logs: object = None) -> None:
        self.note()

    def note(self) -> None:
        self.states.append(
            {
                name: [np.array(variable) for layer in layers for variable in layer.variables]
                for name, layers in self.stages.items()
            }
        )


@pytest.mark.parametrize("fused", [True, False])
def test_what_a_stage_freezes_stays_bit_identical(
    tmp_path: Path, fused: bool, caplog: pytest.LogCaptureFixture
) -> None:
    toy = dataclasses.replace(TOY, backbone_arguments={"widths": [4, 8], "blocks": 1, "fused": fused})
    network = models.build(toy, SIZE, 1, 3, 4, seed=0)
    head = np.array(network.get_layer("expression").kernel)
    watch = Watch(network)
    settings = training.with_values(SETTINGS, {"stages": STAGES})
    with caplog.at_level(logging.INFO, "kfer"):
        history = train(tmp_path, network, settings=settings, callbacks=[watch])
    assert watch.training == [set(), {"stage2"}]
    for number, trained in enumerate(watch.training):
        before, after = watch.states[2 * number : 2 * number + 2]
        for name in before:
            # Moving statistics among them.
            same = [np.array_equal(a, b) for a, b in zip(before[name], after[name], strict=True)]
            assert not any(same) if name in trained else all(same), (number, name)
    assert not np.allclose(network.get_layer("expression").kernel, head)
    assert all(layer.trainable for layers in watch.stages.values() for layer in layers)
    assert [figures["stage"] for figures in history] == [1, 2, 2]
    counts = [figures["trainable_parameters"] for figures in history]
    assert counts[0] < counts[1] == counts[2] < network.count_params()
    assert f"stage 1 of 2, epochs: 1, training the heads: {counts[0]:,.0f} parameters" in caplog.text
    assert "stage 2 of 2, epochs: 2, training the heads and stage2: " in caplog.text


def test_an_unknown_stage_is_answered_with_those_that_there_are(tmp_path: Path) -> None:
    settings = training.with_values(SETTINGS, {"stages": (FineTuningStage(1, ("layer4",)),)})
    with pytest.raises(
        ValueError,
        match=r"'compact' has no stage 'layer4'; expected 'all' or some.*: stem \(44\), stage1",
    ):
        train(tmp_path, settings=settings)


def decoded(examples: SimpleNamespace) -> Decoded:
    return Decoded(**vars(examples), filename=np.array([""] * len(examples.source)))


def cache(memory_budget_gb: float) -> training.FeatureCache:
    def batches(examples: Decoded, start_step: int) -> tf.data.Dataset:
        return for_training(examples, BATCH, 0, None, start_step)

    return training.FeatureCache(decoded(TRAIN), batches, memory_budget_gb)


def test_cached_features_change_nothing(tmp_path: Path) -> None:
    settings = training.with_values(SETTINGS, {"stages": STAGES})
    given = cache(memory_budget_gb=0.0)
    results = []
    for cached in (False, True):
        network = build()
        history = training.train(
            network,
            lambda step: given.make_batches(given.examples, step),
            STEPS,
            decoded(VALIDATION),
            dataclasses.replace(settings, cache_features=cached),
            tmp_path / str(cached),
            cache=given if cached else None,
        )
        results.append((history, network))
    (plain, network), (cached, other) = results
    assert_same(cached, other, plain, network)
    assert (tmp_path / "True" / "features_train.npy").exists()
    assert not (tmp_path / "False" / "features_train.npy").exists()


def test_caching_without_what_it_needs_is_refused(tmp_path: Path) -> None:
    settings = training.with_values(SETTINGS, {"cache_features": True})
    with pytest.raises(ValueError, match="expected a FeatureCache as argument `cache`; got None"):
        train(tmp_path, settings=settings)


def test_a_loss_that_is_not_a_number_stops_the_run(tmp_path: Path) -> None:
    model = build()
    kernel = model.get_layer("expression").kernel
    kernel.assign(np.full(kernel.shape, np.nan))
    with pytest.raises(FloatingPointError, match=r"loss is nan in epoch 1, step 1: lower training"):
        train(tmp_path, model)

import csv
import dataclasses
import logging
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from toy_tasks import tasks

from kfer import models, training
from kfer.backbones.stages import stages
from kfer.input_pipeline import Decoded, for_training
from kfer.settings import (
    AugmentationSettings,
    FineTuningStage,
    ModelSettings,
    TaskSettings,
    TrainingSettings,
)
from kfer.training.validation import Validation

STEPS, BATCH, SIZE = 4, 6, 8
TOY = ModelSettings(backbone_arguments={"widths": [4, 8], "blocks": 1}, embedding_size=4)
SETTINGS = TrainingSettings(epochs=4, batch_size=BATCH, learning_rate=0.02, validation_pairs=20)


def examples(seed: int, count: int, first_identity: int = 0) -> Decoded:
    """Images whose brightness is the expression and whose slope is the person."""
    generator = np.random.default_rng(seed)
    expression = generator.integers(0, 3, count).astype(np.int32)
    identity = generator.integers(0, 4, count).astype(np.int32)
    slope = np.linspace(-1, 1, SIZE) * (identity[:, None] - 1.5) * 20
    images = np.zeros((count, SIZE, SIZE, 1)) + slope[:, None, :, None]
    images += (60 + 60 * expression)[:, None, None, None] + generator.normal(0, 5, images.shape)
    return Decoded(
        images=np.clip(images, 0, 255).astype(np.uint8),
        expression=np.where(np.arange(count) % 3 == 0, -1, expression).astype(np.int32),
        identity=np.where(np.arange(count) % 3 == 1, -1, identity + first_identity).astype(np.int32),
        source=np.zeros(count, np.int32),
        filename=np.array([""] * count),
    )


TRAIN, VALIDATION = examples(0, 60), examples(1, 40, first_identity=4)


def make_batches(start_step: int) -> tf.data.Dataset:
    def batch(step: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        chosen = tf.random.stateless_uniform([BATCH], [7, step], 0, len(TRAIN.images), tf.int64)
        labels = {"expression": TRAIN.expression, "identity": TRAIN.identity}
        return tf.gather(TRAIN.images, chosen), {k: tf.gather(v, chosen) for k, v in labels.items()}

    return tf.data.Dataset.counter(start_step).map(batch)


def build(own: dict[str, TaskSettings] | None = None, num_identities: int = 4) -> keras.Model:
    return models.build(TOY, SIZE, 1, own or tasks(), num_identities, seed=0)


def train(
    work_dir: Path,
    model: keras.Model | None = None,
    settings: TrainingSettings = SETTINGS,
    own: dict[str, TaskSettings] | None = None,
    **arguments: object,
) -> list:
    own = own or tasks()
    model = model or build(own)
    return training.train(model, make_batches, STEPS, VALIDATION, settings, own, work_dir, **arguments)


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
    settings = dataclasses.replace(SETTINGS, **settings)
    whole, resumed = build(), build()
    expected = train(tmp_path / "whole", whole, settings=settings)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "killed", settings=settings, callbacks=[Abort(killed_in)])
    history = train(tmp_path / "killed", resumed, settings=settings)
    assert [figures["epoch"] for figures in history] == list(range(1, settings.total_epochs() + 1))
    assert_same(history, resumed, expected, whole)
    assert train(tmp_path / "killed", settings=settings) == history


def test_the_network_learns_both_tasks_from_partly_labelled_examples(tmp_path: Path) -> None:
    settings = dataclasses.replace(SETTINGS, epochs=20)
    history = train(tmp_path, settings=settings, own=tasks(label_smoothing=0.0))
    assert history[-1]["val_expression_accuracy"] > 0.6
    assert history[-1]["val_verification_accuracy"] > 0.6
    for name in ("loss", "expression_loss", "identity_loss"):
        assert history[-1][name] < 0.7 * history[0][name]


def test_history_logs_and_log_lines(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = dataclasses.replace(SETTINGS, epochs=2)
    with caplog.at_level(logging.INFO, "kfer"):
        history = train(tmp_path, settings=settings, own=tasks(identity=0.5))
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
    own = tasks(**{"expression": 0.0, "identity": 0.0, task: 2.0})
    figures = train(tmp_path, settings=dataclasses.replace(SETTINGS, epochs=1), own=own)[0]
    assert figures[f"{task}_loss"] == pytest.approx(figures["loss"] / 2)
    assert ("expression_accuracy" in figures) == (task == "expression")
    assert ("val_verification_accuracy" in figures) == (task == "identity")
    assert "accuracy" not in figures


def test_other_settings_do_not_go_on_from_a_checkpoint(tmp_path: Path) -> None:
    short = dataclasses.replace(SETTINGS, epochs=1)
    train(tmp_path, settings=short)
    with pytest.raises(ValueError, match=r"epochs was 1 and is 4. Set them as they were, or delete"):
        train(tmp_path)
    with pytest.raises(ValueError, match="is of another network"):
        train(tmp_path, build(num_identities=5), settings=short)


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
    network = models.build(toy, SIZE, 1, tasks(3), 4, seed=0)
    head = np.array(network.get_layer("expression").kernel)
    watch = Watch(network)
    settings = dataclasses.replace(SETTINGS, stages=STAGES)
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
    settings = dataclasses.replace(SETTINGS, stages=(FineTuningStage(1, ("layer4",)),))
    with pytest.raises(
        ValueError,
        match=r"'compact' has no stage 'layer4'; expected 'all' or some.*: stem \(44\), stage1",
    ):
        train(tmp_path, settings=settings)


def cache(memory_budget_gb: float) -> training.FeatureCache:
    def batches(examples: Decoded, start_step: int) -> tf.data.Dataset:
        return for_training(examples, BATCH, 0, None, start_step)

    return training.FeatureCache(TRAIN, batches, memory_budget_gb)


def test_cached_features_change_nothing(tmp_path: Path) -> None:
    settings = dataclasses.replace(SETTINGS, stages=STAGES)
    given = cache(memory_budget_gb=0.0)
    results = []
    for cached in (False, True):
        network = build()
        history = training.train(
            network,
            lambda step: given.make_batches(given.examples, step),
            STEPS,
            VALIDATION,
            dataclasses.replace(settings, cache_features=cached),
            tasks(),
            tmp_path / str(cached),
            cache=given if cached else None,
        )
        results.append((history, network))
    (plain, network), (cached, other) = results
    assert_same(cached, other, plain, network)
    assert (tmp_path / "True" / "features_train.npy").exists()
    assert not (tmp_path / "False" / "features_train.npy").exists()


def test_caching_without_what_it_needs_is_refused(tmp_path: Path) -> None:
    settings = dataclasses.replace(SETTINGS, cache_features=True)
    with pytest.raises(ValueError, match="expected a FeatureCache as argument `cache`; got None"):
        train(tmp_path, settings=settings)


class Poison(keras.callbacks.Callback):
    """Spoils a weight in an epoch, counted from 0, after its second step."""

    def __init__(self, model: keras.Model, epoch: int) -> None:
        super().__init__()
        self.kernel, self.bad_epoch = model.get_layer("expression").kernel, epoch

    def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: object = None) -> None:
        if self.epoch == self.bad_epoch and batch == 1:
            self.kernel.assign(np.full(self.kernel.shape, np.nan))


def test_a_loss_that_is_not_a_number_stops_the_run_and_names_the_batch(tmp_path: Path) -> None:
    model = build()
    with pytest.raises(FloatingPointError) as error:
        train(tmp_path, model, callbacks=[Poison(model, 1)], describe_batch="batch {}".format)
    told = str(error.value)
    assert "the loss is nan in epoch 2, step 3 (expression nan, identity " in told
    assert f"; the batch: batch {STEPS + 2}: lower training.learning_rate (now 0.02)" in told
    assert told.endswith("The checkpoint of epoch 1 is kept.")
    with np.load(tmp_path / "checkpoint.npz") as kept:
        assert all(np.isfinite(kept[name]).all() for name in kept if name != "json")
    resumed = build()
    assert len(train(tmp_path, resumed)) == SETTINGS.epochs
    assert all(np.isfinite(variable).all() for variable in resumed.variables)


@pytest.mark.parametrize(
    "settings",
    [
        {"average": 0.9, "accumulation": 2, "gradient_clip": 0.5, "optimizer": "lamb"},
        {"average": 0.9, "stages": STAGES, "weighting": "uncertainty", "schedule": "one_cycle"},
    ],
)
def test_every_part_of_the_recipe_resumes(tmp_path: Path, settings: dict) -> None:
    settings = dataclasses.replace(SETTINGS, epochs=3, **settings)
    whole, resumed = build(), build()
    expected = train(tmp_path / "whole", whole, settings)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "killed", build(), settings, callbacks=[Abort(1)])
    history = train(tmp_path / "killed", resumed, settings)
    assert_same(history, resumed, expected, whole)


class Follow(keras.callbacks.Callback):
    """Notes what callbacks are told of each step, and the weights after each epoch."""

    def __init__(self, network: keras.Model) -> None:
        super().__init__()
        self.network, self.logs, self.kernels = network, [], []

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        self.logs.append(dict(logs or {}))

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.kernels.append(np.array(self.network.get_layer("expression").kernel))


def test_the_averaged_weights_are_those_that_are_returned(tmp_path: Path) -> None:
    plain, averaged = build(), build()
    train(tmp_path / "plain", plain)
    history = train(tmp_path / "averaged", averaged, dataclasses.replace(SETTINGS, average=0.9))
    with np.load(tmp_path / "averaged" / "checkpoint.npz") as kept:
        for index, (one, other) in enumerate(zip(plain.variables, averaged.variables, strict=True)):
            # Training itself is as without an average.
            np.testing.assert_allclose(kept[f"training_{index}"], one, atol=1e-4, err_msg=one.path)
            np.testing.assert_array_equal(kept[f"network_{index}"], other)
    assert not np.allclose(plain.get_layer("expression").kernel, averaged.get_layer("expression").kernel)
    validate = Validation(averaged, VALIDATION, tasks(), 20, 0)
    figures = validate()
    assert figures == {name: history[-1][name] for name in figures}


def test_the_best_epoch_is_kept_and_patience_ends_a_stage(tmp_path: Path) -> None:
    accuracies = iter([0.3, 0.8, 0.5, 0.8, 0.9, 0.7])

    class Score(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            assert logs is not None
            logs["val_expression_accuracy"] = next(accuracies)

    settings = dataclasses.replace(
        SETTINGS,
        stages=(FineTuningStage(5, ("all",)), FineTuningStage(2)),
        stop_metric="val_expression_accuracy",
        patience=2,
        keep_best=True,
    )
    network = build()
    follow = Follow(network)
    history = train(tmp_path, network, settings, callbacks=[Score(), follow])
    # Two epochs without a better one end the first stage; the second has a best one of its own.
    assert [figures["stage"] for figures in history] == [1, 1, 1, 1, 2, 2]
    np.testing.assert_array_equal(network.get_layer("expression").kernel, follow.kernels[4])
    assert [file.name for file in tmp_path.glob("best_*")] == ["best_5.npz"]
    again = build()
    assert train(tmp_path, again, settings) == history
    np.testing.assert_array_equal(again.get_layer("expression").kernel, follow.kernels[4])


def test_a_stop_metric_that_no_epoch_has_is_refused_before_the_first(tmp_path: Path) -> None:
    settings = dataclasses.replace(SETTINGS, stop_metric="val_accuracy", patience=1)
    with pytest.raises(ValueError, match=r"got 'val_accuracy', and there are loss, .*val_expression_acc"):
        train(tmp_path, settings=settings)
    assert not (tmp_path / "history.csv").exists()


def test_callbacks_see_running_means_and_weights(tmp_path: Path) -> None:
    network = build()
    follow = Follow(network)
    history = train(
        tmp_path,
        network,
        dataclasses.replace(SETTINGS, epochs=2),
        tasks(identity=0.5),
        callbacks=[follow],
    )
    assert len(follow.logs) == 2 * STEPS
    for figures, logs in zip(history, follow.logs[STEPS - 1 :: STEPS], strict=True):
        assert logs == {name: figures[name] for name in logs}
        assert (figures["expression_weight"], figures["identity_weight"]) == (1.0, 0.5)


def test_tasks_find_their_features_also_of_mixed_examples(tmp_path: Path) -> None:
    # Two tasks learn from one feature.
    one = dataclasses.replace(tasks()["expression"], feature="expression")
    own = {"mood": one, "face": dataclasses.replace(one, weight=0.5)}
    mixed = AugmentationSettings(mixup=1.0, mixup_alpha=1.0)
    settings = dataclasses.replace(SETTINGS, epochs=1)
    history = training.train(
        build(own),
        lambda step: for_training(TRAIN, BATCH, 0, mixed, step),
        *(STEPS, VALIDATION, settings, own, tmp_path),
    )
    figures = history[0]
    assert figures["loss"] == pytest.approx(figures["mood_loss"] + 0.5 * figures["face_loss"], rel=1e-4)
    assert {"mood_accuracy", "face_accuracy", "val_mood_accuracy", "val_face_accuracy"} <= figures.keys()


def test_a_task_learns_from_its_teachers(tmp_path: Path) -> None:
    build().save(tmp_path / "teacher.keras")
    own = tasks()
    own["expression"] = dataclasses.replace(
        own["expression"], teachers=(str(tmp_path / "teacher.keras"),), distillation_weight=1.0
    )
    settings = dataclasses.replace(SETTINGS, epochs=1, learning_rate=1e-6)
    taught = train(tmp_path / "taught", settings=settings, own=own)[0]
    alone = train(tmp_path / "alone", settings=settings)[0]
    # The teacher is the network itself, but for the batch's statistics and dropout.
    assert taught["expression_loss"] < 0.5 * alone["expression_loss"]
    assert taught["identity_loss"] == pytest.approx(alone["identity_loss"], rel=1e-3)
    cached = dataclasses.replace(settings, cache_features=True, stages=STAGES)
    with pytest.raises(
        ValueError, match=r"tasks.expression.teachers must see images: set training.cache"
    ):
        train(tmp_path / "cached", settings=cached, own=own, cache=cache(memory_budget_gb=1.0))


def test_a_batch_that_cannot_be_shared_out_is_refused(tmp_path: Path) -> None:
    settings = dataclasses.replace(SETTINGS, accumulation=4)
    with pytest.raises(ValueError, match=r"a multiple of 4 \(1 replicas, .*accumulation 4\); got 6"):
        train(tmp_path, settings=settings)

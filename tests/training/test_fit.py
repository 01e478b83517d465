import csv
import dataclasses
import logging
from pathlib import Path

import keras
import numpy as np
import pytest
from toy_callbacks import AfterStep
from toy_fit import BATCH, SETTINGS, SIZE, STAGES, STEPS, TOY, TRAIN, VALIDATION, build, cache, train
from toy_tasks import tasks

from kfer import models, training
from kfer.input_pipeline import for_training
from kfer.settings import (
    AugmentationSettings,
    FineTuningStage,
)
from kfer.training.validation import Validation


def test_the_network_learns_both_tasks_from_partly_labelled_examples(tmp_path: Path) -> None:
    settings = dataclasses.replace(SETTINGS, epochs=20)
    own = tasks(label_smoothing=0.0)
    # Half as wide as the others' network, for there are 60 images to learn from.
    narrow = dataclasses.replace(TOY, backbone_arguments={"widths": [4, 8], "blocks": 1})
    network = models.build(narrow, SIZE, 1, own, 4, seed=0)
    history = train(tmp_path, network, settings=settings, own=own)
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


def poison(model: keras.Model, epoch: int, step: int = 1) -> AfterStep:
    """Spoils a weight after a step of an epoch, both counted from 0."""
    kernel = model.get_layer("expression").kernel
    return AfterStep(epoch, step, lambda: kernel.assign(np.full(kernel.shape, np.nan)))


def test_a_loss_that_is_not_a_number_stops_the_run_and_names_the_batch(tmp_path: Path) -> None:
    model = build()
    with pytest.raises(FloatingPointError) as error:
        train(tmp_path, model, callbacks=[poison(model, 1)], describe_batch="batch {}".format)
    told = str(error.value)
    assert "the loss is nan in epoch 2, step 3 (expression nan, identity " in told
    assert f"; the batch: batch {STEPS + 2}: lower training.learning_rate (now 0.02)" in told
    assert told.endswith("The checkpoint of epoch 1 is kept.")
    with np.load(tmp_path / "checkpoint.npz") as kept:
        assert all(np.isfinite(kept[name]).all() for name in kept if name != "json")
    resumed = build()
    assert len(train(tmp_path, resumed)) == SETTINGS.epochs
    assert all(np.isfinite(variable).all() for variable in resumed.variables)


@pytest.mark.parametrize("epoch", [1, SETTINGS.epochs - 1])
def test_weights_that_the_last_step_of_an_epoch_spoils_are_not_kept(tmp_path: Path, epoch: int) -> None:
    model = build()
    with pytest.raises(
        FloatingPointError, match=rf"expression/kernel is not finite after epoch {epoch + 1}"
    ):
        train(tmp_path, model, callbacks=[poison(model, epoch, STEPS - 1)])
    with np.load(tmp_path / "checkpoint.npz") as kept:
        assert all(np.isfinite(kept[name]).all() for name in kept if name != "json")
    assert len(train(tmp_path, build())) == SETTINGS.epochs


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

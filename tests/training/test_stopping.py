import math

import pytest

from kfer.settings import FineTuningStage, TrainingSettings
from kfer.training.stopping import best_epoch, check_metric, is_finished, of_stage


def history(metric: str, *values: float) -> list[dict[str, float]]:
    return [{metric: value} for value in values]


def test_the_best_epoch_is_the_first_with_the_best_value() -> None:
    assert (
        best_epoch(history("val_expression_accuracy", 0.1, 0.5, 0.4, 0.5), "val_expression_accuracy") == 2
    )
    assert best_epoch([], "loss") == 0


@pytest.mark.parametrize("metric", ["loss", "pose_loss", "val_pose_mae", "val_pose_error"])
def test_lower_losses_and_errors_are_better(metric: str) -> None:
    assert best_epoch(history(metric, 3.0, 1.0, 2.0), metric) == 2


def test_epochs_without_a_number_are_never_the_best() -> None:
    assert best_epoch([{}, *history("val_f1", math.nan, 0.2)], "val_f1") == 3
    assert best_epoch([{}], "val_f1") == 0


@pytest.mark.parametrize(("values", "finished"), [((0.5, 0.4), False), ((0.5, 0.4, 0.5), True)])
def test_a_stage_ends_after_so_many_epochs_without_a_better_one(
    values: tuple[float, ...], finished: bool
) -> None:
    settings = TrainingSettings(stop_metric="val_f1", patience=2)
    assert is_finished(history("val_f1", *values), FineTuningStage(9), settings) == finished
    # Without patience only its own number of epochs ends it.
    assert not is_finished(history("val_f1", *values), FineTuningStage(9), TrainingSettings())
    assert is_finished(history("val_f1", *values), FineTuningStage(len(values)), TrainingSettings())


def test_an_unknown_metric_is_answered_with_those_that_there_are() -> None:
    settings = TrainingSettings(stop_metric="val_accuracy", keep_best=True)
    with pytest.raises(
        ValueError, match="got 'val_accuracy', and there are loss, val_expression_accuracy"
    ):
        check_metric(settings, ["loss", "val_expression_accuracy"])
    check_metric(settings, ["val_accuracy"])
    check_metric(TrainingSettings(), [])


def test_epochs_of_a_stage() -> None:
    first, second = {"stage": 1, "epoch": 1}, {"stage": 2, "epoch": 2}
    assert of_stage([first, second], 2) == [second]

import logging
from collections.abc import Mapping, Sequence

import keras
import numpy as np
import pytest

from kfer.input_pipeline import Decoded
from kfer.models import heads
from kfer.settings import TaskSettings
from kfer.training.validation import Validation, validation_figures

NAN = np.nan
NAMES = ("first", "second")
EXPRESSION = {"expression": TaskSettings(names=NAMES)}
IDENTITY = {"identity": TaskSettings("embedding")}


def network(*outputs: str) -> keras.Model:
    """Every output is the two grey values of an image of two pixels; two people are trained on."""
    images = keras.Input((1, 2, 1))
    values = keras.layers.Flatten()(images)
    found = dict.fromkeys(outputs, values)
    if "embedding" in outputs:
        found |= {"embedding": heads.TrainedIdentities(2)(values)}
    return keras.Model(images, found)


def examples(
    pixels: Sequence[Sequence[float]],
    expression: Sequence[int] | None = None,
    identity: Sequence[int] | None = None,
    further: Mapping[str, Sequence[Sequence[float]]] | None = None,
) -> Decoded:
    missing = [-1] * len(pixels)
    return Decoded(
        # Features of a frozen backbone take the place of images as float32.
        np.array(pixels, np.float32).reshape(-1, 1, 2, 1),
        np.array(missing if expression is None else expression),
        np.array(missing if identity is None else identity),
        np.zeros(len(pixels), int),
        np.array([""] * len(pixels)),
        {name: np.array(values, np.float32) for name, values in (further or {}).items()},
    )


def figures_of(split: Decoded, tasks: Mapping[str, TaskSettings], *outputs: str) -> dict[str, float]:
    figures = Validation(network(*outputs), split, tasks, max_pairs=4, seed=0)()
    # What is left out is no number.
    assert set(figures) <= set(validation_figures(split, tasks, num_identities=2))
    return figures


def test_expression_and_verification_by_hand() -> None:
    # The last person has a number below two: trained on, and left out.
    split = examples(
        [[9, 1], [9, 2], [1, 9], [2, 9], [5, 5]], [0, 1, 1, -1, -1], identity=[2, 2, 3, 3, 1]
    )
    figures = figures_of(split, EXPRESSION | IDENTITY, "expression", "embedding")
    # Class 0: precision 1/2, recall 1; class 1: precision 1, recall 1/2.
    assert figures == pytest.approx(
        {
            "val_expression_accuracy": 2 / 3,
            "val_expression_macro_f1": 2 / 3,
            "val_verification_accuracy": 1.0,
        }
    )


def test_people_who_are_trained_on_are_not_verified() -> None:
    split = examples([[9, 1], [9, 2], [1, 9]], identity=[2, 2, 3])
    assert figures_of(split, IDENTITY, "embedding") == {"val_verification_accuracy": 1.0}
    split = examples([[9, 1], [9, 2], [1, 9]], identity=[0, 0, 2])
    assert figures_of(split, IDENTITY, "embedding") == {}


def test_soft_classes_are_judged_by_the_class_of_most_votes() -> None:
    # Right, wrong, a tie, missing.
    votes = [[3, 1], [1, 4], [2, 2], [NAN, NAN]]
    split = examples([[2, 1], [2, 1], [2, 1], [2, 1]], further={"votes": votes})
    tasks = {"mood": TaskSettings("soft_classes", NAMES, feature="votes")}
    # First class: precision 1/2, recall 1, F1 2/3; second: never said.
    assert figures_of(split, tasks, "mood") == pytest.approx(
        {"val_mood_accuracy": 1 / 2, "val_mood_macro_f1": 1 / 3}
    )


def test_several_labels_are_there_from_a_logit_of_zero() -> None:
    labels = [[1, 0], [1, NAN], [0, 1], [NAN, NAN]]
    split = examples([[0, 1], [-1, 1], [-1, 1], [1, 1]], further={"units": labels})
    tasks = {"units": TaskSettings("multi_label", NAMES)}
    # First: precision 1, recall 1/2; second: precision 1/2, recall 1.
    assert figures_of(split, tasks, "units") == pytest.approx({"val_units_macro_f1": 2 / 3})


def test_errors_of_numbers_are_means_over_their_names() -> None:
    labels = [[0, 5], [2, NAN], [NAN, NAN]]
    split = examples([[1, 4], [3, 0], [9, 9]], further={"pose": labels})
    tasks = {"pose": TaskSettings("regression", NAMES)}
    # First: errors 1 and 1; variances 1, covariance 1, means 1 apart: 2 / (1 + 1 + 1). Second: an error
    # of 1, and no concordance of one example.
    assert figures_of(split, tasks, "pose") == pytest.approx({"val_pose_mae": 1.0, "val_pose_ccc": 2 / 3})


def test_a_figure_that_is_not_a_number_is_left_out() -> None:
    split = examples([[1, 4]], further={"pose": [[0, 5]]})
    tasks = {"pose": TaskSettings("regression", NAMES)}
    assert figures_of(split, tasks, "pose") == {"val_pose_mae": 1.0}


def test_a_task_is_validated_by_the_metrics_that_it_names() -> None:
    split = examples(
        [[9, 1], [9, 2], [1, 9], [2, 9]],
        [0, 1, 1, 1],
        identity=[2, 2, 3, 3],
        further={"units": [[1, 0], [0, 1], [0, 1], [0, 1]], "pose": [[9, 0], [9, 0], [1, 9], [4, 9]]},
    )
    tasks = {
        "expression": TaskSettings(names=NAMES, metrics=("balanced_accuracy",)),
        "units": TaskSettings("multi_label", NAMES, metrics=("auc", "average_precision")),
        "pose": TaskSettings("regression", NAMES, metrics=("rmse", "pearson")),
        "identity": TaskSettings("embedding", metrics=("tar_at_far_0.01", "auc", "equal_error_rate")),
    }
    # Recall of the classes: 1 and 2/3. First unit: 9 for the one that has it, and for one of three that
    # have not; second: the one without it has the lowest score.
    # First number: one error of 2, so 2 / sqrt(4); second: errors 1, 2, 0, 0, so sqrt(5 / 4).
    first = np.corrcoef([9, 9, 1, 4], [9, 9, 1, 2])[0, 1]
    second = np.corrcoef([0, 0, 9, 9], [1, 2, 9, 9])[0, 1]
    assert figures_of(split, tasks, "expression", "units", "pose", "embedding") == pytest.approx(
        {
            "val_expression_balanced_accuracy": (1 + 2 / 3) / 2,
            "val_units_auc": ((0.5 + 1 + 1) / 3 + 1) / 2,
            "val_units_average_precision": (1 / 2 + 1) / 2,
            "val_pose_rmse": (1 + np.sqrt(5 / 4)) / 2,
            "val_pose_pearson": (first + second) / 2,
            "val_verification_tar_at_far_0.01": 1.0,
            "val_verification_auc": 1.0,
            "val_verification_equal_error_rate": 0.0,
        }
    )


def test_verification_of_embeddings_that_are_no_numbers_has_no_figures() -> None:
    split = examples([[9, NAN], [9, 2], [1, 9], [2, 9]], identity=[2, 2, 3, 3])
    tasks = {"identity": TaskSettings("embedding", metrics=("accuracy", "auc"))}
    assert figures_of(split, tasks, "embedding") == {}


def test_tasks_are_kept_apart_where_their_examples_differ() -> None:
    split = examples([[1, 2], [2, 1], [1, 2]], [-1, 0, 0], further={"pose": [[1, 2], [NAN, NAN], [3, 2]]})
    tasks = EXPRESSION | {"pose": TaskSettings("regression", NAMES)}
    figures = figures_of(split, tasks, "expression", "pose")
    assert figures["val_expression_accuracy"] == 1 / 2
    assert figures["val_pose_mae"] == (2 / 2 + 0 / 2) / 2


def test_a_task_without_an_output_has_no_figures(caplog) -> None:
    split = examples([[2, 1]], [0])
    assert figures_of(split, EXPRESSION | IDENTITY, "expression") == pytest.approx(
        {"val_expression_accuracy": 1.0, "val_expression_macro_f1": 1.0}
    )
    assert not caplog.records


def test_a_split_without_labels_gives_no_figures_and_says_so(caplog) -> None:
    split = examples([[2, 1], [2, 1]], further={"pose": [[NAN, NAN]] * 2})
    tasks = EXPRESSION | IDENTITY | {"pose": TaskSettings("regression", NAMES)}
    with caplog.at_level(logging.WARNING):
        assert figures_of(split, tasks, "expression", "embedding", "pose") == {}
    assert "no validation example has a label for expression" in caplog.text
    assert "no validation example has a label for pose" in caplog.text
    assert "no verification accuracy" in caplog.text

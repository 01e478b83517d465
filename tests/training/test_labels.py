from types import SimpleNamespace

import numpy as np
import pytest

from kfer import training
from kfer.settings import TrainingSettings


def examples(expression: list[int], identity: list[int]) -> SimpleNamespace:
    source = np.arange(len(expression)) % 2
    return SimpleNamespace(
        images=None, expression=np.array(expression), identity=np.array(identity), source=source
    )


def test_labels_of_both_tasks_are_enough() -> None:
    training.check_labels(examples([3, -1, -1], [-1, 0, 1]), TrainingSettings())


def test_a_task_without_labels_is_named_with_the_sources() -> None:
    with pytest.raises(ValueError, match=r"an expression label; sources: lfw \(2 .*number 1 \(1 ex"):
        training.check_labels(examples([-1, -1, -1], [0, 1, 2]), TrainingSettings(), ["lfw"])
    with pytest.raises(ValueError, match=r"at least two people .* got 0 from the sources: number 0"):
        training.check_labels(examples([1, 2], [-1, -1]), TrainingSettings())


def test_one_person_is_not_enough() -> None:
    with pytest.raises(ValueError, match=r"at least two people to learn identity from; got 1 from"):
        training.check_labels(examples([1, 2], [5, 5]), TrainingSettings())


def test_a_task_without_weight_needs_no_labels() -> None:
    training.check_labels(examples([1, 2], [-1, -1]), TrainingSettings(identity_weight=0))
    training.check_labels(examples([-1, -1], [0, 1]), TrainingSettings(expression_weight=0))


def test_values_replace_settings() -> None:
    settings = training.with_values(TrainingSettings(), {"learning_rate": 0.5})
    assert settings == TrainingSettings(learning_rate=0.5)
    with pytest.raises(ValueError, match="'learning_rat'; there are epochs, batch_size"):
        training.with_values(TrainingSettings(), {"learning_rat": 0.5})

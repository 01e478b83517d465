import pytest

from kfer.settings import (
    AugmentationSettings,
    PipelineSettings,
    SamplingSettings,
    TaskSettings,
    TrainingSettings,
    default_tasks,
)

STILL = {"flip": 0.0, "shift": 0.0, "rotation": 0.0, "scale": 0.0}
POSE = {"turn": TaskSettings("regression", names=("yaw", "pitch"), feature="head_pose")}
EYES = {"landmarks": TaskSettings("regression", names=("y", "x"))}


def settings(tasks: dict[str, TaskSettings], **augmentation: float) -> PipelineSettings:
    return PipelineSettings(tasks=tasks, augmentation=AugmentationSettings(**augmentation))


@pytest.mark.parametrize(
    ("step", "value"), [("flip", 0.5), ("rotation", 0.1), ("crop", 0.1), ("policy_operations", 2)]
)
def test_steps_that_move_landmarks_are_refused_beside_them(step: str, value: float) -> None:
    settings(EYES, **STILL, noise=0.1)
    settings(EYES, strength=0.0)
    with pytest.raises(
        ValueError, match=rf"augmentation\.{step} must be 0 beside tasks\.landmarks.*; got "
    ):
        settings(EYES, **{**STILL, step: value})


def test_a_head_may_be_moved_aside_but_not_turned() -> None:
    settings(POSE, **{**STILL, "shift": 0.1})
    with pytest.raises(ValueError, match=r"augmentation\.flip must be 0 beside tasks\.turn"):
        settings(POSE, **{**STILL, "flip": 0.5})


def test_tasks_without_weight_forbid_nothing() -> None:
    settings({**default_tasks(), "landmarks": TaskSettings("regression", names=("y", "x"), weight=0.0)})


def test_half_a_person_is_not_compared() -> None:
    tasks = {"identity": TaskSettings("embedding", loss="triplet_hard")}
    settings(tasks)
    with pytest.raises(
        ValueError, match=r"mixup and cutmix must be 0 beside tasks\.identity: triplet_hard"
    ):
        settings(tasks, cutmix=0.5)


def test_one_task_is_not_weighed_against_another() -> None:
    alone = {
        "expression": TaskSettings(names=("a", "b")),
        "identity": TaskSettings("embedding", weight=0),
    }
    weighed = TrainingSettings(weighting="uncertainty")
    PipelineSettings(tasks=alone)
    PipelineSettings(training=weighed)
    with pytest.raises(
        ValueError, match=r"weighting must be fixed for one task, expression; .*'uncertain"
    ):
        PipelineSettings(tasks=alone, training=weighed)


@pytest.mark.parametrize(
    ("kind", "metric", "allowed"),
    [
        (
            "regression",
            "accuracy",
            "mae, ccc, rmse, pearson for a task of kind regression; got 'accuracy'",
        ),
        (
            "embedding",
            "tar_at_far_0.1",
            "tar_at_far_0.001 for a task of kind embedding; got 'tar_at_far_0",
        ),
    ],
)
def test_a_metric_of_another_kind_of_task_is_refused(kind: str, metric: str, allowed: str) -> None:
    names = () if kind == "embedding" else ("a",)
    with pytest.raises(ValueError, match=rf"metrics must be among .*{allowed}"):
        TaskSettings(kind, names, metrics=(metric,))


def test_people_who_do_not_fit_into_a_batch() -> None:
    people = SamplingSettings(people_per_batch=8, images_per_person=4)
    TrainingSettings(batch_size=32, sampling=people)
    with pytest.raises(ValueError, match="at most batch_size, which is 31; got 32"):
        TrainingSettings(batch_size=31, sampling=people)

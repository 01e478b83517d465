from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from kfer import backbones, models
from kfer.backbones.stages import leaves
from kfer.settings import ModelSettings, TaskSettings

TOY = ModelSettings(backbone_arguments={"widths": [4, 8, 8]}, embedding_size=5)
IMAGES = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 1), np.uint8)


def network(settings: ModelSettings = TOY, **tasks: TaskSettings) -> keras.Model:
    return models.build(settings, 16, 1, tasks, 4, seed=0)


def regression(**arguments: object) -> TaskSettings:
    return TaskSettings("regression", ("x",), **arguments)


def learning(model: keras.Model, task: str) -> set[str]:
    """Where a task's loss has a gradient: "stem", "stage1" ..., each task's name, and its own copies."""
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(IMAGES, training=True)[task] ** 2)
    variables = model.trainable_variables
    learned = {
        id(variable)
        for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True)
        if gradient is not None and np.any(gradient)
    }
    places = {layer.name: layer for layer in leaves(models.split(model)[1])}
    for part in (models.backbone(model), *models.branches(model).values()):
        start = "" if part is models.backbone(model) else f"{part.name}."
        places |= {start + layer.name.split(".")[0]: layer for layer in leaves(part)}
    return {
        name
        for name, layer in places.items()
        if any(id(variable) in learned for variable in layer.trainable_variables)
    }


def test_tasks_that_do_not_part_learn_the_whole_backbone() -> None:
    model = network(one=regression(), two=regression())
    assert learning(model, "one") == {"stem", "stage1", "stage2", "stage3", "one"}
    assert not models.branches(model)


def test_a_task_that_parts_learns_what_is_shared_and_its_own_later_stages() -> None:
    model = network(one=regression(), two=regression(parts_after="stage1"))
    own = {"two.branch.stage2", "two.branch.stage3"}
    assert learning(model, "two") == {"stem", "stage1", "two"} | own
    assert learning(model, "one") == {"stem", "stage1", "stage2", "stage3", "one"}
    assert list(models.branches(model)) == ["two"]


def test_tasks_that_part_after_the_same_stage_have_a_copy_each() -> None:
    parted = regression(parts_after="stage2")
    model = network(one=parted, two=parted, three=regression(parts_after="stage1"))
    assert learning(model, "one") == {"stem", "stage1", "stage2", "one.branch.stage3", "one"}
    assert learning(model, "two") == {"stem", "stage1", "stage2", "two.branch.stage3", "two"}
    # What no task shares is not there.
    shared = {layer.name.split(".")[0] for layer in leaves(models.backbone(model)) if layer.weights}
    assert shared == {"stem", "stage1", "stage2"}
    assert list(models.stages(model)) == ["stem", "stage1", "stage2", "stage3"]


def test_parting_after_the_last_stage_is_not_parting() -> None:
    model = network(one=regression(parts_after="stage3"))
    assert not models.branches(model)
    assert models.backbone(model).name == "compact"


def test_a_branch_can_end_before_the_backbone_does() -> None:
    model = network(one=regression(), two=regression(parts_after="stem", ends_after="stage2"))
    own = {"two.branch.stage1", "two.branch.stage2"}
    assert learning(model, "two") == {"stem", "two"} | own
    assert learning(model, "one") == {"stem", "stage1", "stage2", "stage3", "one"}
    whole = network(one=regression(), two=regression(parts_after="stem"))
    assert model.count_params() < whole.count_params()


@pytest.mark.parametrize("stage", ["", "stage2"])
def test_a_gradient_stops_where_a_task_leaves_what_is_shared(stage: str) -> None:
    model = network(one=regression(), two=regression(parts_after=stage, stop_gradient=True))
    assert learning(model, "two") == {"two"} | ({"two.branch.stage3"} if stage else set())
    assert learning(model, "one") == {"stem", "stage1", "stage2", "stage3", "one"}


def test_trained_weights_are_in_every_copy(tmp_path: Path) -> None:
    trained = backbones.build("compact", (16, 16, 1), **TOY.backbone_arguments)
    trained.save_weights(tmp_path / "trained.weights.h5")
    settings = ModelSettings(
        backbone_arguments=TOY.backbone_arguments, weights=str(tmp_path / "trained.weights.h5")
    )
    model = network(settings, one=regression(parts_after="stem"), two=regression(parts_after="stage2"))
    expected = {layer.name: layer.get_weights() for layer in leaves(trained)}
    copies = [layer for layers in models.stages(model).values() for layer in layers]
    names = [layer.name for layer in copies]
    assert names.count("stem.conv") == 1
    assert names.count("stage2.0.conv1") == names.count("stage3.0.conv1") == 2
    for layer in copies:
        for found, value in zip(layer.get_weights(), expected[layer.name], strict=True):
            np.testing.assert_array_equal(found, value)


def test_copies_start_apart_where_weights_are_random() -> None:
    model = network(one=regression(), two=regression(parts_after="stage2"))
    first, second = (layer for layer in models.stages(model)["stage3"] if layer.name == "stage3.0.conv1")
    assert not np.array_equal(*(np.asarray(layer.kernel) for layer in (first, second)))


def test_unknown_stages_are_named_with_those_that_there_are() -> None:
    with pytest.raises(
        ValueError,
        match=r"tasks.one.parts_after: .* 'compact', stem, stage1, stage2, stage3; got 'layer4'",
    ):
        network(one=regression(parts_after="layer4"))


@pytest.mark.parametrize(
    ("parts_after", "ends_after", "message"),
    [
        ("stem", "layer4", r"tasks.one.ends_after: .* stem, stage1, stage2, stage3; got 'layer4'"),
        ("stage2", "stage1", "expected a later stage than parts_after, stage2; got stage1"),
        ("stage2", "stage2", "expected a later stage than parts_after, stage2; got stage2"),
    ],
)
def test_a_branch_ends_later_than_it_parts(parts_after: str, ends_after: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        network(one=regression(parts_after=parts_after, ends_after=ends_after))


def test_only_a_task_that_parts_has_an_end_of_its_own() -> None:
    with pytest.raises(ValueError, match="ends_after must be empty where parts_after is; got 'stage2'"):
        regression(ends_after="stage2")

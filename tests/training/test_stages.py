import keras
import numpy as np
import pytest
from toy_tasks import tasks

from kfer import models, training
from kfer.backbones.stages import stages
from kfer.settings import FineTuningStage, ModelSettings, TaskSettings, TrainingSettings
from kfer.training.stages import freeze, rate_factors, thawed_afterwards


def network() -> keras.Model:
    toy = ModelSettings(
        backbone="densenet161",
        backbone_arguments={"growth_rate": 4, "stem_filters": 8, "blocks": (1, 1)},
        embedding_size=4,
    )
    return models.build(toy, 32, 1, tasks(3), 4, seed=0)


def parted() -> keras.Model:
    """Nothing but "stem" and "stage1" is shared, and there are two copies of "stage2"."""
    toy = ModelSettings(backbone_arguments={"widths": (4, 8)})
    own = {name: TaskSettings("regression", ("x",), parts_after="stage1") for name in ("one", "two")}
    return models.build(toy, 16, 1, own, 0, seed=0)


def test_counts_are_those_of_the_stages_and_the_heads() -> None:
    model = network()
    sizes = {
        name: sum(int(np.prod(v.shape)) for layer in layers for v in layer.trainable_variables)
        for name, layers in stages(models.backbone(model)).items()
    }
    everything = sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)
    heads = everything - sum(sizes.values())
    settings = TrainingSettings(
        stages=(
            FineTuningStage(1),
            FineTuningStage(1, ("transition1", "denseblock2")),
            FineTuningStage(1, ("all",)),
        )
    )
    counts = training.parameter_counts(model, settings)
    top = heads + sizes["transition1"] + sizes["denseblock2"]
    assert [count.trainable_parameters for count in counts] == [heads, top, everything]
    assert [count.frozen_parameters for count in counts] == [everything - heads, everything - top, 0]
    (whole,) = training.parameter_counts(model, TrainingSettings())
    assert whole == training.ParameterCounts(everything, 0)


def test_what_a_pretrained_embedding_uses_is_never_trained() -> None:
    toy = {"widths": (3, 4), "blocks": (1, 1), "normalization": "batch"}
    own = {
        "identity": TaskSettings("embedding", loss="pretrained"),
        "pose": TaskSettings("regression", ("x",), parts_after="stage1"),
    }
    model = models.build(ModelSettings("dlib_resnet", toy), 24, 3, own, 0, seed=0)
    for unfreeze in (("all",), ("stage2",), ("stem", "stage1")):
        with thawed_afterwards(model):
            freeze(model, FineTuningStage(1, unfreeze))
            assert not any(layer.trainable for layer in models.backbone(model).layers)
            (branch,) = models.branches(model).values()
            trains = {layer.trainable for layer in branch.layers if layer.weights}
            assert trains == {"all" in unfreeze or "stage2" in unfreeze}


def test_a_stage_is_frozen_with_all_its_layers() -> None:
    model = network()
    with thawed_afterwards(model):
        freeze(model, FineTuningStage(1, ("denseblock2",)))
        for name, layers in stages(models.backbone(model)).items():
            assert {layer.trainable for layer in layers} == {name == "denseblock2"}
        assert model.get_layer("expression").trainable
    assert all(layer.trainable for layer in models.backbone(model).layers)


def test_what_was_frozen_before_is_so_afterwards() -> None:
    model = network()
    first, *_ = stages(models.backbone(model))["stem"]
    first.trainable = False
    with thawed_afterwards(model):
        freeze(model, FineTuningStage(1, ("all",)))
        assert first.trainable
    assert not first.trainable


def test_factors_fall_with_each_stage_from_the_heads() -> None:
    model = network()
    factor = rate_factors(model, 0.5)
    expected = {"denseblock2": 0.5, "transition1": 0.25, "denseblock1": 0.125, "stem": 0.0625}
    for name, layers in stages(models.backbone(model)).items():
        assert {factor(variable) for layer in layers for variable in layer.variables} == {expected[name]}
    assert factor(model.get_layer("expression").kernel) == 1.0
    assert {rate_factors(model, 1.0)(variable) for variable in model.variables} == {1.0}


def test_unknown_stages_are_named_with_those_that_there_are() -> None:
    settings = TrainingSettings(stages=(FineTuningStage(1, ("layer4", "stem")),))
    with pytest.raises(
        ValueError,
        match=r"'densenet161' has no stage 'layer4'; expected 'all' or .*: stem \([\d,]+\), denseblock1",
    ):
        training.parameter_counts(network(), settings)


def test_copies_of_a_stage_are_counted_and_frozen_together() -> None:
    model = parted()
    copies = [
        layer
        for branch in models.branches(model).values()
        for layer in branch.layers
        if layer.name.startswith("stage2.")
    ]
    assert len({layer.name for layer in copies}) < len(copies)
    # Stem 3*3*1*4 and 2*4; stage 1: twice 3*3*4*4 and 2*4; stage 2: 3*3*4*8, 3*3*8*8, 4*8 and thrice 2*8;
    # heads: 8 and 1.
    stem, first, second, head = 44, 304, 944, 9
    stages_of_run = (FineTuningStage(1, ("stage2",)), FineTuningStage(1, ("stem",)))
    counts = training.parameter_counts(model, TrainingSettings(stages=stages_of_run))
    trained = [count.trainable_parameters for count in counts]
    assert trained == [2 * (second + head), stem + 2 * head]
    assert counts[0].frozen_parameters == stem + first
    with thawed_afterwards(model):
        freeze(model, FineTuningStage(1, ("stage1",)))
        assert not any(layer.trainable for layer in copies)
        freeze(model, FineTuningStage(1, ("stage2",)))
        assert all(layer.trainable for layer in copies)


def test_copies_of_a_stage_have_the_same_factor() -> None:
    model = parted()
    factor = rate_factors(model, 0.5)
    expected = {"stage2": 0.5, "stage1": 0.25, "stem": 0.125}
    for name, layers in models.stages(model).items():
        assert {factor(variable) for layer in layers for variable in layer.variables} == {expected[name]}


def test_stages_that_no_task_shares_are_told_too() -> None:
    settings = TrainingSettings(stages=(FineTuningStage(1, ("layer4",)),))
    with pytest.raises(ValueError, match=r"stem \(44\), stage1 \(304\), stage2 \(1,888\)$"):
        training.parameter_counts(parted(), settings)

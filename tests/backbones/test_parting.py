import keras
import numpy as np
import pytest

from kfer import backbones
from kfer.backbones.parting import after, up_to
from kfer.backbones.stages import stages

TOYS = {
    "compact": {"widths": (4, 8, 8), "squeeze_excitation": True},
    "resnet152": {"blocks": (1, 1), "width": 4},
    "densenet161": {"growth_rate": 4, "stem_filters": 8, "blocks": (2, 1), "recompute": True},
    "mobilenet": {"alpha": 0.25},  # a model inside a model, in front of which images are scaled
}


def identifiers(model: keras.Model) -> list[int]:
    return [id(variable) for variable in model.variables]


@pytest.mark.parametrize("name", TOYS)
def test_both_parts_are_the_backbone_and_each_variable_is_in_one(name: str) -> None:
    backbone = backbones.build(name, (32, 32, 1), **TOYS[name])
    images = np.random.default_rng(0).uniform(-1, 1, (2, 32, 32, 1)).astype(np.float32)
    expected = backbone(images)
    *ends, last = stages(backbone)
    shared = up_to(backbone, [*ends, last])
    assert shared.name == backbone.name
    maps = shared(images)
    assert list(maps) == [*ends, last]
    np.testing.assert_allclose(maps[last], expected, atol=1e-5)
    for stage in ends:
        first, second = up_to(backbone, [stage]), after(backbone, stage, "second")
        np.testing.assert_allclose(second(maps[stage]), expected, atol=1e-5)
        assert sorted(identifiers(first) + identifiers(second)) == sorted(identifiers(backbone))
        assert list(stages(first)) == ends[: ends.index(stage) + 1]


def test_what_has_no_weights_belongs_to_the_stage_before_it() -> None:
    backbone = backbones.build("resnet152", (32, 32, 1), **TOYS["resnet152"])
    # The stem's convolution and its pooling each halve the size.
    assert up_to(backbone, ["stem"]).output["stem"].shape == (None, 8, 8, 4)


def test_a_stage_that_several_maps_leave_is_named_with_those_that_one_leaves() -> None:
    images = keras.Input((8, 8, 1))
    first = keras.layers.Conv2D(2, 3, padding="same")(images)
    second = keras.layers.Conv2D(2, 3, padding="same")(first)
    halves = [keras.layers.Conv2D(2, 3, 2, padding="same")(each) for each in (first, second)]
    joined = keras.layers.Concatenate()(halves)
    output = keras.layers.Conv2D(2, 3, 2, padding="same")(joined)
    backbone = keras.Model(images, output, name="forked")
    for part in (lambda: up_to(backbone, ["stage1"]), lambda: after(backbone, "stage1", "rest")):
        with pytest.raises(
            ValueError, match=r"'forked' cannot be parted after 'stage1': .* parted after: stage2$"
        ):
            part()
    assert up_to(backbone, ["stage2"]).output["stage2"].shape == (None, 4, 4, 4)

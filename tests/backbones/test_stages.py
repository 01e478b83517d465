import keras
import pytest

from kfer import backbones
from kfer.backbones.parting import after, up_to
from kfer.backbones.stages import described, stages


def names(backbone: keras.Model) -> dict[str, list[str]]:
    return {stage: [layer.name for layer in layers] for stage, layers in stages(backbone).items()}


def prefixes(backbone: keras.Model) -> dict[str, set[str]]:
    """For each stage, what its layers' names begin with, up to the second dot."""
    return {
        stage: {".".join(name.split(".")[:2]) for name in found}
        for stage, found in names(backbone).items()
    }


def test_compact_has_a_stem_and_a_stage_for_each_width() -> None:
    model = backbones.build("compact", (16, 16, 1), widths=(4, 8), blocks=2, squeeze_excitation=True)
    assert prefixes(model) == {
        "stem": {"stem.conv", "stem.norm"},
        "stage1": {"stage1.0", "stage1.1"},
        "stage2": {"stage2.0", "stage2.1"},
    }
    assert list(stages(model)) == ["stem", "stage1", "stage2"]


def test_resnet152_has_the_layers_of_torchvision() -> None:
    model = backbones.build("resnet152", (32, 32, 1), blocks=(2, 1), width=4)
    assert prefixes(model) == {
        "stem": {"conv1", "bn1"},
        "layer1": {"layer1.0", "layer1.1"},
        "layer2": {"layer2.0"},
    }
    classifier = backbones.build("resnet152", (32, 32, 1), blocks=(1,), width=4, num_classes=3)
    assert list(stages(classifier)) == ["stem", "layer1", "fc"]


def test_densenet161_has_blocks_and_transitions_and_the_last_block_its_normalisation() -> None:
    model = backbones.build("densenet161", (32, 32, 1), growth_rate=4, stem_filters=8, blocks=(1, 2))
    assert prefixes(model) == {
        "stem": {"features.conv0", "features.norm0"},
        "denseblock1": {"features.denseblock1"},
        "transition1": {"features.transition1"},
        "denseblock2": {"features.denseblock2", "features.norm5"},
    }


def application(layer_names: list[str]) -> keras.Model:
    """A network with a normalisation of each of these names, nested as an application is."""
    inner = features = keras.Input((4, 4, 2))
    for name in layer_names:
        features = keras.layers.BatchNormalization(name=name)(features)
    trunk = keras.Model(inner, features)
    images = keras.Input((4, 4, 2))
    return keras.Model(images, trunk(keras.layers.Rescaling(2.0)(images)))


def test_prefixes_of_applications_are_stages_and_what_lies_between_joins_the_first() -> None:
    model = application(["conv1_bn", "conv2_block1_0_bn", "pool2_bn", "conv3_block1_0_bn", "bn"])
    assert names(model) == {
        "conv1": ["conv1_bn"],
        "conv2": ["conv2_block1_0_bn", "pool2_bn"],
        "conv3": ["conv3_block1_0_bn", "bn"],
    }


def test_other_networks_are_grouped_by_the_size_of_their_maps() -> None:
    model = backbones.build("mobilenet", (32, 32, 1), alpha=0.25)
    found = names(model)
    assert list(found) == ["stage1", "stage2", "stage3", "stage4", "stage5"]
    assert found["stage1"][0] == "conv1"
    assert found["stage2"][0] == "conv_dw_2"  # the first with a stride
    for stage, layers in stages(model).items():
        size = 16 // 2 ** (int(stage[-1]) - 1)
        assert {layer.output.shape[1] for layer in layers} == {size}


def test_squeeze_and_excitation_belongs_to_the_maps_around_it() -> None:
    images = keras.Input((8, 8, 2))
    features = keras.layers.Conv2D(2, 3, padding="same", name="first")(images)
    pooled = keras.layers.GlobalAveragePooling2D(keepdims=True)(features)
    gates = keras.layers.Conv2D(2, 1, name="gates")(pooled)
    features = keras.layers.Multiply()([features, gates])
    features = keras.layers.Conv2D(2, 1, name="after")(features)
    features = keras.layers.Conv2D(2, 3, 2, name="halved")(features)
    model = keras.Model(images, features)
    assert names(model) == {"stage1": ["first", "gates", "after"], "stage2": ["halved"]}


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("compact", {"widths": (4, 8)}),
        ("densenet161", {"growth_rate": 4, "stem_filters": 8, "blocks": (1, 1)}),
        ("mobilenetv3small", {}),
    ],
)
def test_every_trainable_weight_is_in_exactly_one_stage(name: str, arguments: dict) -> None:
    model = backbones.build(name, (32, 32, 1), **arguments)
    found = [
        id(variable)
        for layers in stages(model).values()
        for layer in layers
        for variable in layer.trainable_variables
    ]
    assert sorted(found) == sorted(id(variable) for variable in model.trainable_variables)


def test_the_description_gives_names_and_counts() -> None:
    model = backbones.build("compact", (16, 16, 1), widths=(4,))
    # Kernel 3*3*1*4, scale and offset; twice kernel 3*3*4*4, scale and offset.
    assert described(model) == "stem (44), stage1 (304)"


@pytest.mark.parametrize(
    ("name", "arguments"), [("compact", {"widths": (4, 8, 8)}), ("mobilenet", {"alpha": 0.25})]
)
def test_the_layers_of_branches_are_in_the_stages_that_they_copy(name: str, arguments: dict) -> None:
    made = [backbones.build(name, (32, 32, 1), **arguments) for _ in range(3)]
    whole = names(made[0])
    first, second, third = list(whole)[:3]
    # No task shares what follows the third stage, and mobilenet's are named by the sizes of all maps.
    shared = up_to(made[0], [first, third])
    branches = [after(made[1], first, "early"), after(made[2], third, "late")]
    found = stages(shared, branches)
    assert list(found) == list(whole)
    for stage, layers in found.items():
        copies = 1 if stage == first else 2
        assert [layer.name for layer in layers] == whole[stage] * copies
    assert found[second][0] is not found[second][len(whole[second])]


def test_the_description_counts_every_copy() -> None:
    made = [backbones.build("compact", (16, 16, 1), widths=(4,)) for _ in range(2)]
    assert described(made[0], [after(made[1], "stem", "branch")]) == "stem (44), stage1 (608)"

import keras
import numpy as np
import pytest

from kfer import backbones


@pytest.mark.parametrize("channels", [1, 3])
def test_a_keras_application_takes_grey_and_rgb_whatever_the_case(channels: int) -> None:
    model = backbones.build("MobileNet", (32, 32, channels), alpha=0.25)
    assert model.input_shape == (None, 32, 32, channels)
    assert model(np.zeros((2, 32, 32, channels), np.float32)).shape == (2, 1, 1, 256)


def test_an_application_sees_the_range_that_it_was_made_for() -> None:
    trunk_input = []

    def spy(include_top: bool, weights: None, input_shape: tuple[int, ...]) -> keras.Model:
        images = keras.Input(input_shape)
        model = keras.Model(images, keras.layers.Identity()(images))
        trunk_input.append(model)
        return model

    spy.__module__ = "keras.src.applications.resnet"
    original = keras.applications.ResNet50
    keras.applications.ResNet50 = spy
    try:
        model = backbones.build("resnet50", (2, 2, 3))
    finally:
        keras.applications.ResNet50 = original
    colour = np.full((1, 2, 2, 3), [-1.0, 0.0, 1.0], np.float32)
    blue_green_red = model(colour)[0, 0, 0]
    np.testing.assert_allclose(blue_green_red, [255 - 103.939, 127.5 - 116.779, 0 - 123.68], atol=1e-3)


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(ValueError, match="'compakt'; the nearest is 'compact'"):
        backbones.build("compakt", (48, 48, 1))


@pytest.mark.parametrize("name", ["compact", "resnet152", "mobilenetv2"])
def test_an_unknown_argument_is_named(name: str) -> None:
    with pytest.raises(ValueError, match=f"backbone '{name}': .*'depht'; allowed: "):
        backbones.build(name, (48, 48, 1), depht=3)


def test_names_are_those_of_files_and_applications() -> None:
    names = backbones.names()
    assert names[:3] == ["compact", "densenet161", "resnet152"]
    assert "efficientnetb0" in names
    assert "normalization" not in names
    assert len(set(names)) == len(names)

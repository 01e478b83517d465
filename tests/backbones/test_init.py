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


@pytest.mark.parametrize("kind", ["wrapped", "bare"])
@pytest.mark.parametrize("ending", [".weights.h5", ".keras"])
def test_an_application_takes_a_file_of_itself_or_of_a_backbone(tmp_path, ending: str, kind: str) -> None:
    backbone = backbones.build("mobilenet", (32, 32, 1), alpha=0.25)
    bare = next(layer for layer in backbone.layers if isinstance(layer, keras.Model))
    saved = {"wrapped": backbone, "bare": bare}[kind]
    path = tmp_path / f"toy{ending}"
    saved.save_weights(path) if ending == ".weights.h5" else saved.save(path)
    loaded = backbones.build("mobilenet", (32, 32, 1), str(path), alpha=0.25)
    for old, new in zip(backbone.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    with pytest.raises(ValueError, match=r"does not fit the network, .* have another shape. conv1"):
        backbones.build("mobilenet", (32, 32, 1), str(path), alpha=0.5)


@pytest.mark.parametrize("name", ["compact", "mobilenet"])
def test_a_missing_file_of_weights_is_named(name: str) -> None:
    with pytest.raises(FileNotFoundError, match=r"no file of weights /no/such.weights.h5"):
        backbones.build(name, (32, 32, 3), "/no/such.weights.h5")


def test_weights_that_are_not_published_are_told() -> None:
    with pytest.raises(ValueError, match=r"no weights 'imagenet' are published for 'compact'. Published"):
        backbones.build("compact", (32, 32, 3), "imagenet")


def test_published_weights_come_from_the_cache(monkeypatch, tmp_path) -> None:
    (tmp_path / "densenet161-8d451a50.pth").write_bytes(b"other")
    monkeypatch.setenv("KFER_CACHE", str(tmp_path))
    with pytest.raises(ValueError, match=r"densenet161-8d451a50.pth is not the published file"):
        backbones.build(
            "densenet161", (32, 32, 3), "imagenet", growth_rate=2, stem_filters=2, blocks=(1,)
        )


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(ValueError, match="'compakt'; the nearest is 'compact'"):
        backbones.build("compakt", (48, 48, 1))


@pytest.mark.parametrize("name", ["compact", "resnet152", "mobilenetv2"])
def test_an_unknown_argument_is_named(name: str) -> None:
    with pytest.raises(ValueError, match=f"backbone '{name}': .*'depht'; allowed: "):
        backbones.build(name, (48, 48, 1), depht=3)


def test_names_are_those_of_files_and_applications() -> None:
    names = backbones.names()
    assert names[:4] == ["compact", "densenet161", "dlib_resnet", "resnet152"]
    assert "efficientnetb0" in names
    assert "normalization" not in names
    assert len(set(names)) == len(names)

import keras
import numpy as np
import pytest

from kfer import backbones

TOY = {"widths": [4, 8], "blocks": 1}


def test_the_default_has_the_stated_shape_and_size() -> None:
    model = backbones.build("compact", (48, 48, 1))
    assert model.output_shape == (None, 3, 3, 128)
    assert 0.2e6 < model.count_params() < 0.35e6
    assert backbones.build("compact", (112, 112, 3)).output_shape == (None, 7, 7, 128)


@pytest.mark.parametrize("squeeze_excitation", [True, False])
def test_fused_and_keras_normalisation_agree(squeeze_excitation: bool) -> None:
    arguments = {**TOY, "squeeze_excitation": squeeze_excitation}
    fused = backbones.build("compact", (16, 16, 1), fused=True, **arguments)
    keras_own = backbones.build("compact", (16, 16, 1), fused=False, **arguments)
    keras_own.set_weights(fused.get_weights())
    images = np.random.default_rng(0).uniform(-1, 1, (3, 16, 16, 1))
    for training in (True, False):
        np.testing.assert_allclose(
            fused(images, training=training), keras_own(images, training=training), atol=1e-4
        )


def test_weights_come_from_a_file(tmp_path) -> None:
    model = backbones.build("compact", (16, 16, 1), **TOY)
    model.save_weights(tmp_path / "toy.weights.h5")
    loaded = backbones.build("compact", (16, 16, 1), str(tmp_path / "toy.weights.h5"), **TOY)
    for old, new in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_block_starts_as_its_shortcut() -> None:
    model = backbones.build("compact", (16, 16, 1), widths=[4], blocks=1)
    images = np.random.default_rng(0).uniform(-1, 1, (3, 16, 16, 1))
    stem = next(layer for layer in model.layers if isinstance(layer, keras.layers.ReLU))
    before = keras.Model(model.input, stem.output)(images, training=True)
    np.testing.assert_allclose(model(images, training=True), before, atol=1e-6)

"""The networks of a DCGAN: shapes, conditions, and what is bounded."""

import keras
import numpy as np
import pytest

from kfer.models import dcgan
from kfer.settings import DcganSettings

SMALL = {"noise_size": 4, "generator_widths": (8, 4), "discriminator_widths": (4, 8)}
CLASSES = {"expression": 3, "identity": 5}


def told(count: int, conditions: tuple[str, ...]) -> dict[str, np.ndarray]:
    return {name: np.eye(CLASSES[name], dtype=np.float32)[np.arange(count) % 3] for name in conditions}


def noise(count: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((count, 4), np.float32)


@pytest.mark.parametrize("upsampling", ["transposed", "resize"])
@pytest.mark.parametrize("conditions", [("expression",), ("expression", "identity")])
@pytest.mark.parametrize(("size", "channels"), [(16, 1), (24, 3)])
def test_a_generator_draws_images_and_a_discriminator_scores_them(upsampling, conditions, size, channels):
    settings = DcganSettings(**SMALL, upsampling=upsampling, conditions=conditions)
    draws = dcgan.generator(settings, size, channels, CLASSES)
    judges = dcgan.discriminator(settings, size, channels, CLASSES)
    images = np.asarray(draws({"noise": noise(6), **told(6, conditions)}))
    assert images.shape == (6, size, size, channels)
    assert np.abs(images).max() <= 1
    said = judges({"images": images, **told(6, conditions)})
    assert {name: tuple(value.shape) for name, value in said.items()} == {
        "score": (6,),
        **{name: (6, CLASSES[name]) for name in conditions},
    }


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_outputs_are_float32_and_the_policy_is_left_as_it_was(policy):
    settings = DcganSettings(**SMALL)
    draws = dcgan.generator(settings, 16, 1, CLASSES, policy)
    images = np.asarray(draws({"noise": noise(2), **told(2, ("expression",))}))
    judges = dcgan.discriminator(settings, 16, 1, CLASSES, policy)
    said = judges({"images": images, **told(2, ("expression",))})
    assert {np.asarray(value).dtype for value in (images, *said.values())} == {np.dtype(np.float32)}
    assert keras.config.dtype_policy().name == "float32"


def test_an_open_condition_is_told_by_zeros():
    """It changes no more than what is scaled and shifted by no class."""
    keras.utils.set_random_seed(0)
    settings = DcganSettings(**SMALL)
    draws = dcgan.generator(settings, 16, 1, CLASSES)
    for layer in draws.layers:
        if layer.name.endswith(("scale", "shift")):
            layer.kernel.assign(np.tile(np.arange(3.0)[:, None] * 5, (1, layer.units)))
    first, second, none = (
        np.asarray(draws({"noise": noise(2), "expression": np.tile(row, (2, 1)).astype(np.float32)}))
        for row in ([1, 0, 0], [0, 1, 0], [0, 0, 0])
    )
    # The first class's weights are 0 here.
    np.testing.assert_allclose(first, none, atol=1e-6)
    assert np.abs(first - second).max() > 1e-3


def test_the_score_of_an_image_depends_on_its_class():
    keras.utils.set_random_seed(0)
    judges = dcgan.discriminator(DcganSettings(**SMALL, normalization="none"), 16, 1, CLASSES)
    image = np.random.default_rng(0).uniform(-1, 1, (1, 16, 16, 1)).astype(np.float32)
    scores = judges({"images": np.repeat(image, 3, 0), "expression": np.eye(3, dtype=np.float32)})[
        "score"
    ]
    assert len(np.unique(np.asarray(scores))) == 3


def test_spectral_normalization_bounds_each_layer_with_a_score_in_it():
    judges = dcgan.discriminator(DcganSettings(**SMALL, normalization="spectral"), 16, 1, CLASSES)
    bounded = [layer for layer in judges.layers if layer.name.endswith(".bounded")]
    assert {layer.layer.name for layer in bounded} == {"shrink1", "shrink2", "real", "expression.seen"}


@pytest.mark.parametrize("normalization", ["spectral", "batch", "none"])
def test_normalizations_differ_in_their_layers(normalization):
    judges = dcgan.discriminator(DcganSettings(**SMALL, normalization=normalization), 16, 1, CLASSES)
    kinds = [type(layer).__name__ for layer in judges.layers]
    assert kinds.count("SpectralNormalization") == (4 if normalization == "spectral" else 0)
    assert kinds.count("BatchNormalization") == (1 if normalization == "batch" else 0)


def test_classes_come_with_the_normalisation_and_not_with_the_noise():
    """Else they are most of what a batch differs by, and noise has little to say."""
    draws = dcgan.generator(DcganSettings(**SMALL), 16, 1, CLASSES)
    assert draws.get_layer("project").kernel.shape[0] == SMALL["noise_size"]


@pytest.mark.parametrize("build", [dcgan.generator, dcgan.discriminator])
def test_a_size_that_cannot_be_halved_is_refused(build):
    with pytest.raises(ValueError, match=r"multiple of 4, at least 8, for 2 widths.*got 18"):
        build(DcganSettings(**SMALL), 18, 1, CLASSES)


def test_a_generator_comes_back_from_its_file(tmp_path):
    draws = dcgan.generator(DcganSettings(**SMALL), 16, 1, CLASSES)
    draws.save(tmp_path / "generator.keras")
    inputs = {"noise": noise(2), **told(2, ("expression",))}
    loaded = keras.models.load_model(tmp_path / "generator.keras")
    np.testing.assert_array_equal(loaded(inputs), draws(inputs))

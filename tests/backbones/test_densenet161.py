import numpy as np

from kfer import backbones


def test_the_default_is_densenet161() -> None:
    model = backbones.build("densenet161", (64, 64, 3))
    assert model.output_shape == (None, 2, 2, 2208)
    assert sum(int(np.prod(weight.shape)) for weight in model.trainable_weights) == 26_472_000


def test_the_channels_are_those_of_the_arguments() -> None:
    model = backbones.build("densenet161", (32, 32, 1), growth=2, stem=4, blocks=(1, 2))
    # (4 + 2) / 2 channels leave the transition; two layers add 2 each.
    assert model.output_shape == (None, 4, 4, 7)
    assert np.isfinite(model(np.zeros((2, 32, 32, 1)))).all()

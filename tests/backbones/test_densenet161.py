import numpy as np
import pytest

from kfer import backbones


def trainable(model) -> int:
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


def test_the_default_is_densenet161() -> None:
    model = backbones.build("densenet161", (64, 64, 3))
    assert model.output_shape == (None, 2, 2, 2208)
    assert trainable(model) == 26_472_000


def test_the_channels_are_those_of_the_arguments() -> None:
    model = backbones.build("densenet161", (32, 32, 1), growth_rate=2, stem_filters=4, blocks=(1, 2))
    # (4 + 2) / 2 channels leave the transition; two layers add 2 each.
    assert model.output_shape == (None, 4, 4, 7)
    assert np.isfinite(model(np.zeros((2, 32, 32, 1)))).all()


def test_odd_sizes_are_pooled_to_the_floor() -> None:
    model = backbones.build("densenet161", (33, 47, 3), growth_rate=2, stem_filters=4, blocks=(1, 1, 1))
    # The stem's convolution and pooling round up: 33, 17, 9 and 47, 24, 12; two transitions down.
    assert model.output_shape[1:3] == (2, 3)


def test_a_classifier_gives_logits() -> None:
    model = backbones.build(
        "densenet161", (32, 32, 3), growth_rate=2, stem_filters=4, blocks=(1, 1), num_classes=6
    )
    assert model.output_shape == (None, 6)
    assert model.layers[-1].activation.__name__ == "linear"


@pytest.mark.parametrize(
    ("shape", "arguments", "match"),
    [
        ((31, 48, 3), {}, "at least 32 x 32 pixels; got 31 x 48"),
        ((7, 7, 3), {"blocks": (1, 1)}, "at least 8 x 8 pixels; got 7 x 7"),
        ((32, 32, 3), {"normalization": "tf"}, "must be among torchvision, caffe, none; got 'tf'"),
        ((32, 32, 1), {"grey": "average"}, "must be among repeat, sum; got 'average'"),
    ],
)
def test_what_it_cannot_take_is_told(shape, arguments, match: str) -> None:
    with pytest.raises(ValueError, match=f"backbone 'densenet161'.*{match}"):
        backbones.build("densenet161", shape, **arguments)

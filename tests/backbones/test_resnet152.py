import keras
import numpy as np
import pytest

from kfer import backbones


def test_the_default_is_resnet152_of_torchvision() -> None:
    model = backbones.build("resnet152", (64, 64, 3))
    assert model.output_shape == (None, 2, 2, 2048)
    # torchvision's 60,192,808 less the classifier's 2048 * 1000 + 1000.
    assert sum(int(np.prod(weight.shape)) for weight in model.trainable_weights) == 58_143_808


def test_the_other_variant_is_that_of_keras_applications() -> None:
    model = backbones.build("resnet152", (32, 32, 1), variant="keras")
    assert model.output_shape == (None, 1, 1, 2048)
    assert model.count_params() == 58_370_944


def test_the_channels_are_those_of_the_arguments() -> None:
    model = backbones.build("resnet152", (33, 47, 1), width=2, blocks=(1, 2))
    # 33, 17, 9, 5 and 47, 24, 12, 6: each stride rounds up; the last stage has 2 * 2 * 4 channels.
    assert model.output_shape == (None, 5, 6, 16)
    assert np.isfinite(model(np.zeros((2, 33, 47, 1)))).all()


def test_a_classifier_gives_logits() -> None:
    model = backbones.build("resnet152", (32, 32, 3), width=2, blocks=(1,), num_classes=6)
    assert model.output_shape == (None, 6)
    assert model.layers[-1].activation.__name__ == "linear"


def test_a_block_may_start_as_its_shortcut() -> None:
    model = backbones.build("resnet152", (32, 32, 3), width=2, blocks=(1, 2), zero_scale=True)
    images = np.random.default_rng(0).uniform(-1, 1, (1, 32, 32, 3))
    before = model.get_layer("layer2.1.conv1").input
    shortcut = keras.Model(model.input, before)(images)
    np.testing.assert_allclose(model(images), shortcut, atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "arguments", "match"),
    [
        ((48, 31, 3), {}, "at least 32 x 32 pixels; got 48 x 31"),
        ((32, 32, 3), {"variant": "caffe"}, "must be among torchvision, keras; got 'caffe'"),
        ((32, 32, 3), {"normalization": "tf"}, "must be among torchvision, caffe, none; got 'tf'"),
        ((32, 32, 1), {"grey": "average"}, "must be among repeat, sum; got 'average'"),
    ],
)
def test_what_it_cannot_take_is_told(shape, arguments, match: str) -> None:
    with pytest.raises(ValueError, match=f"backbone 'resnet152'.*{match}"):
        backbones.build("resnet152", shape, **arguments)

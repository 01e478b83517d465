import keras
import pytest
from keras import layers

from kfer import backbones
from kfer.comparison import multiply_adds


def test_a_network_counted_by_hand():
    images = keras.Input((8, 8, 3))
    features = layers.Conv2D(4, 3, strides=2, padding="same")(images)  # 4*4 positions, 3*3*3*4
    features = layers.BatchNormalization()(features)
    features = layers.DepthwiseConv2D(3, padding="same")(features)  # 4*4 positions, 3*3*4
    features = layers.Conv2D(8, 1, groups=2)(features)  # 4*4 positions, 2*8
    features = layers.SeparableConv2D(5, 3)(features)  # 2*2 positions, 3*3*8 + 8*5
    outputs = layers.Dense(7)(layers.Flatten()(features))  # 20*7
    network = keras.Model(images, outputs)
    assert multiply_adds.count(network) == 16 * 108 + 16 * 36 + 16 * 16 + 4 * (72 + 40) + 140
    assert multiply_adds.uncounted(network) == []


def test_a_network_inside_a_network_counts():
    inner_images = keras.Input((4, 4, 2))
    inner = keras.Model(inner_images, layers.Conv2D(3, 2)(inner_images))  # 3*3 positions, 2*2*2*3
    images = keras.Input((4, 4, 2))
    assert multiply_adds.count(keras.Model(images, inner(images))) == 9 * 24


def test_what_is_left_out_is_named():
    images = keras.Input((4, 4, 2))
    network = keras.Model(images, layers.Conv2DTranspose(3, 2)(images))
    assert multiply_adds.count(network) == 0
    assert multiply_adds.uncounted(network) == ["Conv2DTranspose"]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "published"), [("resnet152", 11.514), ("densenet161", 7.728)])
def test_the_large_backbones_cost_what_torchvision_publishes(name: str, published: float):
    # Thousands of millions at 224 px, in the metadata of torchvision's weights; with its classifier.
    trunk = backbones.build(name, (224, 224, 3))
    assert (multiply_adds.count(trunk) + trunk.output.shape[-1] * 1000) / 1e9 == pytest.approx(
        published, abs=6e-4
    )


def test_recomputing_costs_the_forward_pass_nothing():
    arguments = {"blocks": (2, 2), "growth_rate": 4, "stem_filters": 8}
    kept, recomputed = (
        backbones.build("densenet161", (64, 64, 3), recompute=recompute, **arguments)
        for recompute in (False, True)
    )
    assert multiply_adds.count(kept) == multiply_adds.count(recomputed)
    assert multiply_adds.uncounted(recomputed) == []

"""DenseNet161 (Huang et al. 2017), which keras.applications does not have."""

from collections.abc import Sequence

import keras
from keras import layers

from kfer.backbones.normalization import FusedBatchNormalization


def build(
    image_shape: tuple[int, int, int],
    weights: str | None = None,
    growth: int = 48,
    stem: int = 96,
    blocks: Sequence[int] = (6, 12, 36, 24),
) -> keras.Model:
    """Returns the network, whose feature map has 2,208 channels at 1/32 of the image's size.

    Args:
        image_shape: Height, width and channels.
        weights: None, or a file that `keras.Model.load_weights` reads.
        growth: Channels that a layer adds.
        stem: Channels of the first convolution.
        blocks: Layers of each dense block.

    Raises:
        ValueError: The file of weights is of another network.
    """
    images = keras.Input(image_shape, name="images")
    features = layers.Conv2D(stem, 7, 2, padding="same", use_bias=False)(images)
    features = layers.MaxPooling2D(3, 2, padding="same")(_normalize(features))
    for number, count in enumerate(blocks):
        if number:
            half = features.shape[-1] // 2
            features = layers.Conv2D(half, 1, use_bias=False)(_normalize(features))
            features = layers.AveragePooling2D(2, padding="same")(features)
        for _ in range(count):
            new = layers.Conv2D(4 * growth, 1, use_bias=False)(_normalize(features))
            new = layers.Conv2D(growth, 3, padding="same", use_bias=False)(_normalize(new))
            features = layers.Concatenate()([features, new])
    model = keras.Model(images, _normalize(features), name="densenet161")
    if weights:
        model.load_weights(weights)
    return model


def _normalize(features: keras.KerasTensor) -> keras.KerasTensor:
    return layers.ReLU()(FusedBatchNormalization()(features))

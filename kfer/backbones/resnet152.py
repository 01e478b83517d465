"""ResNet152 (He et al. 2015) from keras.applications."""

from typing import Any

import keras

from kfer import backbones


def build(image_shape: tuple[int, int, int], weights: str | None = None, **arguments: Any) -> keras.Model:
    """Returns the network, whose feature map has 2,048 channels at 1/32 of the image's size.

    Args:
        image_shape: Height and width, at least 32, and channels (1 or 3).
        weights: None, "imagenet" or a file of weights.
        **arguments: Other keyword arguments of `keras.applications.ResNet152`.
    """
    return backbones.application("resnet152", image_shape, weights, **arguments)

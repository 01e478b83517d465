"""A small residual network for faces of 48 to 112 pixels."""

from collections.abc import Sequence

import keras
from keras import layers

from kfer.backbones.normalization import FusedBatchNormalization

# Nearly a hundred steps of Keras's 0.99 are too slow for runs of a few hundred steps.
_MOMENTUM = 0.9


def build(
    image_shape: tuple[int, int, int],
    weights: str | None = None,
    widths: Sequence[int] = (12, 24, 64, 128),
    blocks: int = 1,
    squeeze_excitation: bool = False,
    fused: bool = True,
) -> keras.Model:
    """Returns the network: basic blocks (He et al. 2015) in stages that each halve the size.

    Args:
        image_shape: Height, width and channels.
        weights: None, or a file that `keras.Model.load_weights` reads.
        widths: Channels of each stage.
        blocks: Basic blocks of each stage.
        squeeze_excitation: Whether each block weighs its channels (Hu et al. 2018).
        fused: Whether batch normalisation takes TensorFlow's fused kernel, or Keras's layer.

    Returns:
        A model to feature maps `[n, h, w, widths[-1]]`; the stem and each stage but the first
        halve the size (48 pixels end as 3, 112 as 7).

    Raises:
        ValueError: The file of weights is of another network.
    """

    def convolve(
        features: keras.KerasTensor, width: int, kernel: int, stride: int, zero_scale: bool = False
    ) -> keras.KerasTensor:
        features = layers.Conv2D(
            width, kernel, stride, padding="same", use_bias=False, kernel_initializer="he_normal"
        )(features)
        if fused:
            return FusedBatchNormalization(_MOMENTUM, zero_scale=zero_scale)(features)
        start = "zeros" if zero_scale else "ones"
        return layers.BatchNormalization(momentum=_MOMENTUM, gamma_initializer=start)(features)

    images = keras.Input(image_shape, name="images")
    features = layers.ReLU()(convolve(images, widths[0], 3, 2))
    for stage, width in enumerate(widths):
        for block in range(blocks):
            stride = 2 if stage and not block else 1
            branch = layers.ReLU()(convolve(features, width, 3, stride))
            branch = convolve(branch, width, 3, 1, zero_scale=True)
            if squeeze_excitation:
                branch = _squeeze_excitation(branch)
            if stride > 1 or features.shape[-1] != width:
                features = convolve(features, width, 1, stride)
            features = layers.ReLU()(layers.Add()([features, branch]))
    model = keras.Model(images, features, name="compact")
    if weights:
        model.load_weights(weights)
    return model


def _squeeze_excitation(features: keras.KerasTensor) -> keras.KerasTensor:
    width = features.shape[-1]
    gates = layers.GlobalAveragePooling2D(keepdims=True)(features)
    gates = layers.Conv2D(max(width // 8, 4), 1, activation="relu")(gates)
    gates = layers.Conv2D(width, 1, activation="sigmoid")(gates)
    return layers.Multiply()([features, gates])

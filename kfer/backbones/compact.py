"""A small residual network for faces of 48 to 112 pixels."""

from collections.abc import Sequence

import keras
from keras import layers

from kfer import backbones
from kfer.backbones.normalization import batch_normalization


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
        halve the size (48 pixels end as 3, 112 as 7). Its layers with weights are named by stage
        and block: "stem.conv", "stage1.0.conv1", "stage2.0.downsample.norm".

    Raises:
        ValueError: The file of weights is of another network.
    """

    def convolve(
        features: keras.KerasTensor, width: int, kernel: int, stride: int, name: str, number: str = ""
    ) -> keras.KerasTensor:
        features = layers.Conv2D(
            width,
            kernel,
            stride,
            padding="same",
            use_bias=False,
            kernel_initializer="he_normal",
            name=f"{name}.conv{number}",
        )(features)
        zero_scale = number == "2"  # a block then starts as its shortcut
        return batch_normalization(fused, zero_scale=zero_scale, name=f"{name}.norm{number}")(features)

    backbones.check_size("compact", image_shape, 2 ** len(widths))
    images = keras.Input(image_shape, name="images")
    features = layers.ReLU()(convolve(images, widths[0], 3, 2, "stem"))
    for stage, width in enumerate(widths, 1):
        for block in range(blocks):
            name = f"stage{stage}.{block}"
            stride = 2 if stage > 1 and not block else 1
            branch = layers.ReLU()(convolve(features, width, 3, stride, name, "1"))
            branch = convolve(branch, width, 3, 1, name, "2")
            if squeeze_excitation:
                branch = _squeeze_excitation(branch, name)
            if stride > 1 or features.shape[-1] != width:
                features = convolve(features, width, 1, stride, f"{name}.downsample")
            features = layers.ReLU()(layers.Add()([features, branch]))
    model = keras.Model(images, features, name="compact")
    backbones.load(model, weights)
    return model


def _squeeze_excitation(features: keras.KerasTensor, name: str) -> keras.KerasTensor:
    width = features.shape[-1]
    gates = layers.GlobalAveragePooling2D(keepdims=True)(features)
    gates = layers.Conv2D(max(width // 8, 4), 1, activation="relu", name=f"{name}.squeeze")(gates)
    gates = layers.Conv2D(width, 1, activation="sigmoid", name=f"{name}.excite")(gates)
    return layers.Multiply()([features, gates])

"""dlib's network of face recognition (King 2017): it knows faces before it is trained."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import layers, ops

from kfer import backbones, pretrained, public_weights
from kfer.backbones.normalization import RestoredBatchNormalization
from kfer.backbones.torchvision import check_choice
from kfer.pretrained import dlib

NAME = "dlib_resnet"
#: Red, green and blue in [0, 255] that its weights expect to be taken off.
_MEAN = (122.782, 117.001, 104.298)
_SCALE = 256.0
_RECIPE = "dlib"


def build(
    image_shape: tuple[int, int, int],
    weights: str | None = None,
    widths: Sequence[int] = (32, 64, 128, 256, 256),
    blocks: Sequence[int] = (3, 4, 3, 3, 1),
    normalization: str = "folded",
) -> keras.Model:
    """Returns the network, whose feature map has 256 channels: 1 x 1 at 112 pixels, 2 x 2 at 150.

    Its weights were trained at 150 pixels, on faces whose eyes are at (0.318, 0.314) and
    (0.669, 0.314) of the image's sides.

    Args:
        image_shape: Height and width, at least 71 (of five stages), and channels (1 or 3; grey is
            repeated).
        weights: None for random ones, "dlib" for those that dlib publishes
            (`kfer.public_weights.dlib`), its file (`.dat`), or a file of Keras.
        widths: Channels of each stage.
        blocks: Basic blocks of each stage.
        normalization: "folded" for convolutions with a bias, as the weights are published; "batch" for
            batch normalisation after each, which trains faster. The outputs are the same in inference.

    Returns:
        A model to feature maps `[n, h, w, widths[-1]]`. Its layers with weights are named by stage and
        block: "stem.conv", "stage1.0.conv1", "stage2.0.norm1".

    Raises:
        FileNotFoundError: The weights are not there.
        ValueError: The image is too small, an argument is not allowed, or the weights do not fit.
    """
    check_choice(NAME, "normalization", normalization, ("folded", "batch"))
    backbones.check_size(NAME, image_shape, 4 * 2 ** (len(widths) - 1) + 7)

    def convolve(
        features: keras.KerasTensor, width: int, kernel: int, stride: int, name: str
    ) -> keras.KerasTensor:
        batch = normalization == "batch"
        features = layers.Conv2D(
            width,
            kernel,
            stride,
            padding="same" if stride == 1 else "valid",
            use_bias=not batch,
            kernel_initializer="he_normal",
            name=name,
        )(features)
        if not batch:
            return features
        return RestoredBatchNormalization(0.9, name=name.replace(".conv", ".norm"))(features)

    images = keras.Input(image_shape, name="images")
    colour = layers.Concatenate(name="repeat")([images] * 3) if image_shape[-1] == 1 else images
    offset = [(127.5 - mean) / _SCALE for mean in _MEAN]
    features = layers.Rescaling(127.5 / _SCALE, offset, name="normalize")(colour)
    features = layers.ReLU()(convolve(features, widths[0], 7, 2, "stem.conv"))
    features = layers.MaxPooling2D(3, 2, name="stem.pool")(features)
    for stage, (width, count) in enumerate(zip(widths, blocks, strict=True), 1):
        for block in range(count):
            name = f"stage{stage}.{block}"
            down = stage > 1 and block == 0
            branch = _at_least(features, 3) if down else features
            branch = layers.ReLU()(convolve(branch, width, 3, 2 if down else 1, f"{name}.conv1"))
            branch = convolve(branch, width, 3, 1, f"{name}.conv2")
            shortcut = layers.AveragePooling2D(2, name=f"{name}.pool")(features) if down else features
            features = layers.ReLU()(layers.Add()(_alike(shortcut, branch)))
    model = keras.Model(images, features, name=NAME)
    _load(model, weights)
    return model


def embedding(weights: str) -> np.ndarray:
    """Returns what makes the embedding that weights were trained for of the pooled features.

    Args:
        weights: "dlib" or a file `.dat`, as of `build`.

    Returns:
        float32 `[features, numbers]`.

    Raises:
        FileNotFoundError: The file is not there.
        ValueError: It is not dlib's.
    """
    return dlib.read(_file(weights))[f"{dlib.EMBEDDING}.kernel"]


def _load(model: keras.Model, weights: str | None) -> None:
    if weights in pretrained.RECIPES:
        backbones.load(model, weights)  # says that there are none
    if weights:
        pretrained.load_weights(model, _file(weights))


def _file(weights: str) -> str:
    return str(public_weights.dlib()) if weights == _RECIPE else weights


def _at_least(features: keras.KerasTensor, side: int) -> keras.KerasTensor:
    """Feature maps as large as a kernel: smaller ones have zeros below and on the right, as in dlib."""
    missing = [max(side - length, 0) for length in features.shape[1:3]]
    return layers.ZeroPadding2D([(0, each) for each in missing])(features) if any(missing) else features


def _alike(one: keras.KerasTensor, other: keras.KerasTensor) -> list[keras.KerasTensor]:
    """Both feature maps in the size of the larger one, with zeros below, on the right, and behind."""
    shape = np.maximum(one.shape[1:], other.shape[1:])

    def padded(features: keras.KerasTensor) -> keras.KerasTensor:
        missing = [(0, int(each)) for each in shape - np.array(features.shape[1:])]
        return ops.pad(features, [(0, 0), *missing]) if any(each for _, each in missing) else features

    return [padded(one), padded(other)]

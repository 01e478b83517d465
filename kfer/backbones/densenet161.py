"""DenseNet161 (Huang et al. 2017), which keras.applications does not have, as torchvision builds it."""

from collections.abc import Sequence

import keras
from keras import layers

from kfer.backbones import torchvision
from kfer.backbones.normalization import batch_normalization
from kfer.backbones.recomputation import RecomputedBottleneck

_MOMENTUM = 0.9
_EPSILON = 1e-5


def build(
    image_shape: tuple[int, int, int],
    weights: str | None = None,
    growth_rate: int = 48,
    stem_filters: int = 96,
    blocks: Sequence[int] = (6, 12, 36, 24),
    num_classes: int = 0,
    normalization: str = "torchvision",
    grey: str = "repeat",
    fused: bool = True,
    recompute: bool = False,
) -> keras.Model:
    """Returns the network, whose feature map has 2,208 channels at 1/32 of the image's size.

    Args:
        image_shape: Height and width, at least 32, and channels (1 or 3).
        weights: None, "imagenet", or whatever `kfer.pretrained.load_weights` reads.
        growth_rate: Channels that a layer adds.
        stem_filters: Channels of the first convolution.
        blocks: Layers of each dense block. With a growth rate of 32 and 64 stem filters,
            (6, 12, 24, 16) is DenseNet121, (6, 12, 32, 32) DenseNet169, (6, 12, 48, 32) DenseNet201.
        num_classes: Adds average pooling and the classifier's logits `[n, num_classes]`; 0 leaves both
            out.
        normalization: What the weights expect: "torchvision", "caffe" or "none"
            (`kfer.backbones.torchvision.normalized`).
        grey: "repeat" or "sum": how a grey image meets a kernel of three channels.
        fused: Whether batch normalisation takes TensorFlow's fused kernel, or Keras's layer.
        recompute: Whether the concatenations are computed again for gradients instead of kept: less
            memory. For the fused kernel only; files that Keras saved fit networks with the same setting.

    Returns:
        A model whose layers have the names of torchvision's modules.

    Raises:
        ValueError: The image is too small, an argument is not allowed, or the weights do not fit.
    """
    torchvision.check("densenet161", image_shape, blocks, normalization, grey)
    if recompute and not fused:
        raise ValueError("backbone 'densenet161': recompute needs fused; got recompute=True, fused=False")

    def normalize(features: keras.KerasTensor, name: str) -> keras.KerasTensor:
        return layers.ReLU()(batch_normalization(fused, _MOMENTUM, _EPSILON, name=name)(features))

    def convolve(
        features: keras.KerasTensor, filters: int, kernel: int, name: str, **arguments: object
    ) -> keras.KerasTensor:
        return layers.Conv2D(
            filters,
            kernel,
            use_bias=False,
            kernel_initializer=keras.initializers.VarianceScaling(2.0, "fan_in", "untruncated_normal"),
            name=name,
            **{"padding": "same", **arguments},
        )(features)

    def joined(maps: list[keras.KerasTensor]) -> keras.KerasTensor:
        return layers.Concatenate()(maps) if len(maps) > 1 else maps[0]

    images = keras.Input(image_shape, name="images")
    features = layers.ZeroPadding2D(3)(torchvision.normalized(images, normalization, grey))
    features = convolve(features, stem_filters, 7, "features.conv0", strides=2, padding="valid")
    features = layers.ZeroPadding2D(1)(normalize(features, "features.norm0"))
    # What is padded is never the largest: ReLU's values are at least 0.
    features = layers.MaxPooling2D(3, 2, name="features.pool0")(features)
    for number, count in enumerate(blocks, 1):
        maps = [features]
        for layer in range(1, count + 1):
            name = f"features.denseblock{number}.denselayer{layer}"
            if recompute:
                new = RecomputedBottleneck(4 * growth_rate, _MOMENTUM, _EPSILON, name=name)(maps)
            else:
                new = convolve(
                    normalize(joined(maps), f"{name}.norm1"), 4 * growth_rate, 1, f"{name}.conv1"
                )
            new = convolve(normalize(new, f"{name}.norm2"), growth_rate, 3, f"{name}.conv2")
            maps.append(new)
        features = joined(maps)
        if number < len(blocks):
            name = f"features.transition{number}"
            features = normalize(features, f"{name}.norm")
            features = convolve(features, features.shape[-1] // 2, 1, f"{name}.conv")
            features = layers.AveragePooling2D(2, name=f"{name}.pool")(features)
    features = normalize(features, "features.norm5")
    return torchvision.finished(
        images, features, "densenet161", weights, num_classes, "features.conv0", "classifier"
    )

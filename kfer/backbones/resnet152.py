"""ResNet152 (He et al. 2015), as torchvision builds it or as keras.applications does."""

from collections.abc import Sequence

import keras
from keras import layers

from kfer import backbones
from kfer.backbones import torchvision
from kfer.backbones.normalization import batch_normalization

_EXPANSION = 4


def build(
    image_shape: tuple[int, int, int],
    weights: str | None = None,
    variant: str = "torchvision",
    blocks: Sequence[int] = (3, 8, 36, 3),
    width: int = 64,
    num_classes: int = 0,
    normalization: str = "torchvision",
    grey: str = "repeat",
    zero_scale: bool = False,
    fused: bool = True,
) -> keras.Model:
    """Returns the network, whose feature map has 2,048 channels at 1/32 of the image's size.

    The two variants are both "version 1" (batch normalisation after each convolution), and have the
    same number of convolutions. torchvision's halves the size in a block's 3x3 convolution, its
    convolutions have no bias, its normalisation has an epsilon of 1e-5, it pads both sides alike, and
    its weights expect RGB less ImageNet's mean, divided by its deviation. keras.applications' halves the
    size in a block's first 1x1 convolution, as the paper does, its convolutions have a bias, its epsilon
    is 1.001e-5, and its weights (from Caffe) expect BGR less the mean. Neither's weights fit the other.

    Args:
        image_shape: Height and width, at least 32, and channels (1 or 3).
        weights: None, "imagenet", or a file of weights; for torchvision's variant also "imagenet-v2"
            (its second recipe) and whatever `kfer.pretrained.load_weights` reads.
        variant: "torchvision" or "keras". The arguments below are for torchvision's only.
        blocks: Bottleneck blocks of each stage; (3, 4, 6, 3) is ResNet50, (3, 4, 23, 3) ResNet101.
        width: Channels of the stem and of the first stage's 3x3 convolutions.
        num_classes: Adds average pooling and the classifier's logits `[n, num_classes]`; 0 leaves both
            out.
        normalization: What the weights expect: "torchvision", "caffe" or "none"
            (`kfer.backbones.torchvision.normalized`).
        grey: "repeat" or "sum": how a grey image meets a kernel of three channels.
        zero_scale: Whether each block's last normalisation starts at 0, so that the block starts as its
            shortcut: better from scratch (Goyal et al. 2017, section 5.1).
        fused: Whether batch normalisation takes TensorFlow's fused kernel, or Keras's layer.

    Returns:
        A model whose layers have the names of torchvision's modules.

    Raises:
        ValueError: The image is too small, an argument is not allowed, or the weights do not fit.
    """
    torchvision.check_choice("resnet152", "variant", variant, ("torchvision", "keras"))
    if variant == "keras":
        return backbones.application("resnet152", image_shape, weights)
    torchvision.check("resnet152", image_shape, blocks, normalization, grey)

    def convolve(
        features: keras.KerasTensor, filters: int, kernel: int, stride: int, names: tuple[str, str]
    ) -> keras.KerasTensor:
        if kernel > 1:  # Keras's "same" pads one side more than the other where it strides.
            features = layers.ZeroPadding2D(kernel // 2)(features) if stride > 1 else features
        features = layers.Conv2D(
            filters,
            kernel,
            stride,
            padding="valid" if stride > 1 else "same",
            use_bias=False,
            kernel_initializer=keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal"),
            name=names[0],
        )(features)
        zero = zero_scale and names[1].endswith("bn3")
        return batch_normalization(fused, epsilon=1e-5, zero_scale=zero, name=names[1])(features)

    def bottleneck(
        features: keras.KerasTensor, filters: int, stride: int, name: str
    ) -> keras.KerasTensor:
        branch = features
        for number, (channels, kernel, step) in enumerate(
            [(filters, 1, 1), (filters, 3, stride), (filters * _EXPANSION, 1, 1)], 1
        ):
            branch = convolve(
                branch, channels, kernel, step, (f"{name}.conv{number}", f"{name}.bn{number}")
            )
            branch = layers.ReLU()(branch) if number < 3 else branch
        if name.endswith(".0"):
            downsample = (f"{name}.downsample.0", f"{name}.downsample.1")
            features = convolve(features, filters * _EXPANSION, 1, stride, downsample)
        return layers.ReLU()(layers.Add()([features, branch]))

    images = keras.Input(image_shape, name="images")
    features = torchvision.normalized(images, normalization, grey)
    features = layers.ReLU()(convolve(features, width, 7, 2, ("conv1", "bn1")))
    # What is padded is never the largest: ReLU's values are at least 0.
    features = layers.MaxPooling2D(3, 2, name="maxpool")(layers.ZeroPadding2D(1)(features))
    for stage, count in enumerate(blocks):
        for block in range(count):
            stride = 2 if stage and not block else 1
            features = bottleneck(features, width * 2**stage, stride, f"layer{stage + 1}.{block}")
    return torchvision.finished(images, features, "resnet152", weights, num_classes, "conv1", "fc")

"""What torchvision's networks have in common: what they expect of images, and how they end."""

from collections.abc import Sequence

import keras
from keras import layers

from kfer import backbones

#: Mean and standard deviation of ImageNet's channels in [0, 1], as torchvision's weights expect them.
_MEAN = (0.485, 0.456, 0.406)
_DEVIATION = (0.229, 0.224, 0.225)
#: Mean of ImageNet's blue, green and red in [0, 255], as weights from Caffe expect them.
_CAFFE_MEAN = (103.939, 116.779, 123.68)

_NORMALIZATIONS = ("torchvision", "caffe", "none")
_GREYS = ("repeat", "sum")


def check(
    name: str, image_shape: Sequence[int], blocks: Sequence[int], normalization: str, grey: str
) -> None:
    """Checks what both networks take.

    Raises:
        ValueError: The image is too small for as many stages as there are `blocks`, or a word is not
            allowed.
    """
    backbones.check_size(name, image_shape, 2 ** (len(blocks) + 1))
    check_choice(name, "normalization", normalization, _NORMALIZATIONS)
    check_choice(name, "grey", grey, _GREYS)


def check_choice(name: str, argument: str, value: str, allowed: Sequence[str]) -> None:
    """Checks an argument that takes a few words.

    Raises:
        ValueError: The value is not allowed.
    """
    if value not in allowed:
        raise ValueError(
            f"backbone {name!r}: {argument} must be among {', '.join(allowed)}; got {value!r}"
        )


def normalized(images: keras.KerasTensor, normalization: str, grey: str) -> keras.KerasTensor:
    """Returns images as a network's weights expect them.

    Args:
        images: Float `[n, height, width, 1 or 3]` in [-1, 1], grey or RGB.
        normalization: "torchvision" for its mean and deviation, "caffe" for blue, green and red in
            [0, 255] less their mean, "none" for [-1, 1] as it is.
        grey: What becomes of a grey image: "repeat" makes it three equal channels; "sum" leaves one,
            normalised with the average over channels, for a convolution whose kernel is summed.

    Returns:
        Float `[n, height, width, 3]`, or one channel for "sum".
    """
    single = images.shape[-1] == 1 and grey == "sum"
    if images.shape[-1] == 1 and not single:
        images = layers.Concatenate(name="repeat")([images] * 3)
    if normalization == "none":
        return images
    if normalization == "caffe":
        if not single:
            images = images[..., ::-1]
        scale, offset = [127.5] * 3, [127.5 - mean for mean in _CAFFE_MEAN]
    else:
        scale = [0.5 / deviation for deviation in _DEVIATION]
        offset = [(0.5 - mean) / deviation for mean, deviation in zip(_MEAN, _DEVIATION, strict=True)]
    if single:
        scale, offset = [sum(scale) / 3], [sum(offset) / 3]
    return layers.Rescaling(scale, offset, name="normalize")(images)


def finished(
    images: keras.KerasTensor,
    features: keras.KerasTensor,
    name: str,
    weights: str | None,
    num_classes: int,
    first: str,
    head: str,
) -> keras.Model:
    """Returns the network from its input to its features, or to the logits of its classifier.

    Args:
        images: The input.
        features: Feature maps.
        name: The network's.
        weights: As of the backbone.
        num_classes: Of the classifier; 0 leaves it out.
        first: The name of the first convolution.
        head: The name of the classifier's layer.
    """
    if num_classes:
        features = layers.GlobalAveragePooling2D(name="avgpool")(features)
        features = layers.Dense(num_classes, name=head)(features)
    model = keras.Model(images, features, name=name)
    backbones.load(model, weights, first, head)
    return model

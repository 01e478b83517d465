"""What happens to images before a published network's first convolution."""

from collections.abc import Sequence

import keras
from keras import layers

#: Mean and standard deviation of ImageNet's channels in [0, 1], as torchvision's weights expect them.
_MEAN = (0.485, 0.456, 0.406)
_DEVIATION = (0.229, 0.224, 0.225)
#: Mean of ImageNet's blue, green and red in [0, 255], as weights from Caffe expect them.
_CAFFE_MEAN = (103.939, 116.779, 123.68)

NORMALIZATIONS = ("torchvision", "caffe", "none")
GREYS = ("repeat", "sum")


def check_size(name: str, image_shape: Sequence[int], smallest: int) -> None:
    """Checks that images are large enough for a network's strides.

    Raises:
        ValueError: Height or width is below `smallest` pixels.
    """
    height, width = image_shape[:2]
    if min(height, width) < smallest:
        raise ValueError(
            f"backbone {name!r} halves images until {smallest} pixels are one: expected at least "
            f"{smallest} x {smallest} pixels; got {height} x {width}"
        )


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

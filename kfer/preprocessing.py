"""Deterministic image steps: the same TensorFlow operations in training and in the exported graph.

Each works on eager tensors, inside ``tf.data.Dataset.map`` and inside a ``tf.function``.
"""

import tensorflow as tf

from kfer import decoding

#: ITU-R BT.601 luma in multiples of 2**-16: every product and every sum of uint8 values is then exact
#: in float32, so that grey does not depend on the order in which a runtime adds.
_LUMA = (19595 / 65536, 38470 / 65536, 7471 / 65536)


def decode(encoded: tf.Tensor, channels: int) -> tf.Tensor:
    """Decodes one JPEG, PNG, BMP, GIF or WebP, upright, as `kfer.decoding.decode` does.

    Args:
        encoded: The file's bytes, a string scalar.
        channels: 1 for grey, 3 for RGB.

    Returns:
        uint8 [height, width, channels].

    Raises:
        tf.errors.InvalidArgumentError: If the bytes are no whole image of these formats, or one that is
            refused.
    """
    # Grey is always made from RGB: a JPEG's own luminance channel differs from that in rounding, and
    # the exported model is given RGB.
    return to_channels(decoding.decode(encoded), channels)


def decodes(encoded: bytes) -> bool:
    """Whether `decode` can read these bytes."""
    try:
        decode(tf.constant(encoded), 3)
    except tf.errors.InvalidArgumentError:
        return False
    return True


def central_crop(image: tf.Tensor, share: float | tf.Tensor, shift: float | tf.Tensor = 0.0) -> tf.Tensor:
    """Keeps the middle of an image, or what lies below or above it.

    Args:
        image: [height, width, channels] of any type.
        share: Share of height and of width that is kept, in (0, 1]; at least one pixel stays.
        shift: How far below the image's middle the middle of what is kept lies, as a share of the
            image's height; what would reach beyond the image is moved back into it.

    Returns:
        [round(height x share), round(width x share), channels] of the same type.

    Raises:
        ValueError: If a Python number lies outside (0, 1].
    """
    if not tf.is_tensor(share):
        if not 0 < share <= 1:
            raise ValueError(f"a central crop keeps a share in (0, 1] of the image, not {share}")
        if share == 1:
            return image
    sides = tf.shape(image)[:2]
    share = tf.cast(share, tf.float32)
    kept = tf.maximum(tf.cast(tf.round(tf.cast(sides, tf.float32) * share), tf.int32), 1)
    room = sides - kept
    top, left = tf.unstack(room // 2)
    down = tf.cast(tf.round(tf.cast(sides[0], tf.float32) * shift), tf.int32)
    top = tf.clip_by_value(top + down, 0, room[0])
    height, width = tf.unstack(kept)
    return image[top : top + height, left : left + width]


def to_channels(image: tf.Tensor, channels: int) -> tf.Tensor:
    """Turns RGB into grey or grey into RGB; images that have `channels` already pass unchanged.

    Only operations that TensorFlow Lite has built in are used. Grey is exact in float32 whatever the
    order of summation; the uint8 result is the float result rounded half to even, so uint8 and float
    images differ by at most 0.5, and an RGB image of equal channels gives back exactly these.

    Args:
        image: [..., 1 or 3], uint8 or float32, values in 0..255.
        channels: 1 or 3.

    Returns:
        [..., channels] of the same type.

    Raises:
        ValueError: If either number of channels is not 1 or 3.
    """
    own = image.shape[-1]
    if channels not in (1, 3) or own not in (1, 3):
        raise ValueError(f"images have 1 or 3 channels; cannot turn {own} into {channels}")
    if own == channels:
        return image
    if channels == 3:
        return tf.concat([image] * 3, axis=-1)
    grey = tf.reduce_sum(tf.cast(image, tf.float32) * _LUMA, axis=-1, keepdims=True)
    return tf.cast(tf.round(grey), tf.uint8) if image.dtype == tf.uint8 else grey


def grey_of_terms(image: tf.Tensor) -> tf.Tensor:
    """Turns RGB into grey as `to_channels` does, term by term: no operation sums over an axis.

    Args:
        image: float32 [..., 3], values in 0..255.

    Returns:
        float32 [..., 1].
    """
    red, green, blue = (image[..., i : i + 1] * share for i, share in enumerate(_LUMA))
    return red + green + blue


def resize(image: tf.Tensor, size: int) -> tf.Tensor:
    """Scales to a square, bilinear, antialiased when it shrinks; the aspect ratio is not kept.

    Images that have the size already pass unchanged; where the shape is static, without an operation.

    Args:
        image: uint8 [height, width, channels] or [n, height, width, channels].
        size: Height and width in pixels.

    Returns:
        uint8 [(n,) size, size, channels], rounded.
    """
    if image.shape[-3] == size and image.shape[-2] == size:
        return image
    scaled = tf.image.resize(image, [size, size], method="bilinear", antialias=True)
    return tf.cast(tf.round(scaled), tf.uint8)


def prepare(
    encoded: tf.Tensor,
    size: int,
    channels: int,
    share: float | tf.Tensor = 1.0,
    shift: float | tf.Tensor = 0.0,
) -> tf.Tensor:
    """Turns an encoded image into the network's input: decode, crop, change channels, resize.

    The same as `prepare_images` of the decoded and cropped RGB image, bit by bit.

    Args:
        encoded: The file's bytes, a string scalar.
        size: Height and width in pixels.
        channels: 1 for grey, 3 for RGB.
        share: As `central_crop` takes it.
        shift: As `central_crop` takes it.

    Returns:
        uint8 [size, size, channels].

    Raises:
        tf.errors.InvalidArgumentError: If the bytes are no whole image.
    """
    return prepare_images(central_crop(decode(encoded, 3), share, shift), size, channels)


def prepare_images(images: tf.Tensor, size: int, channels: int) -> tf.Tensor:
    """Turns RGB images into the network's input: change channels, resize.

    Where the static size is `size` already there is no resize operation, so that a graph for
    TensorFlow Lite, which has none like it, needs none.

    Args:
        images: uint8 [height, width, 3] or [n, height, width, 3].
        size: Height and width in pixels.
        channels: 1 for grey, 3 for RGB.

    Returns:
        uint8 [(n,) size, size, channels].
    """
    return resize(to_channels(images, channels), size)

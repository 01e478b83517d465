"""Flip, shift, rotation, scale, shear and crop, as one projective transform."""

import functools

import tensorflow as tf

from kfer.augmentation import seeds
from kfer.settings import AugmentationSettings

# A map takes points (x, y, 1) of the output to those of the input, in pixels right of and below the
# centre of the image. Maps are float32 [n, 3, 3]; a product applies its right factor first.


def move(images: tf.Tensor, settings: AugmentationSettings, seed: tf.Tensor) -> tf.Tensor:
    """Returns each image mirrored, sheared, scaled, turned, shifted and cropped at random.

    All of it is one bilinear interpolation; what comes in from outside is the reflected image.

    Args:
        images: float32 [n, height, width, channels].
        settings: `flip`, `shift`, `rotation`, `scale`, `shear` and `crop`.
        seed: int32 [2].

    Returns:
        float32 of the same shape, within the range of the image but for rounding (3e-5 of 255).
    """
    height, width = images.shape[1], images.shape[2]
    unit = tf.unstack(seeds.uniform(seed, [9, tf.shape(images)[0]], -1.0, 1.0))
    cut = settings.crop * (1.0 + unit[6]) / 2
    steps = [
        shifted(settings.shift * width * unit[2], settings.shift * height * unit[3]),
        turned(settings.rotation * unit[0]),
        scaled(1.0 / (1.0 + settings.scale * unit[1])),
        sheared(settings.shear * unit[5]),
        _map(x_x=tf.where(unit[4] < 2 * settings.flip - 1, -1.0, 1.0)),
        # The crop's centre is anywhere that keeps its outermost pixels inside.
        shifted(cut * (width - 1) / 2 * unit[7], cut * (height - 1) / 2 * unit[8]),
        scaled(1.0 - cut),
    ]
    return apply(images, functools.reduce(tf.matmul, steps))


def shifted(right: tf.Tensor | float = 0.0, down: tf.Tensor | float = 0.0) -> tf.Tensor:
    """Returns maps that look this many pixels, [n], further right and down."""
    return _map(x_0=right, y_0=down)


def turned(angle: tf.Tensor) -> tf.Tensor:
    """Returns maps that turn images anticlockwise by angles in radians, [n]."""
    return _map(x_x=tf.cos(angle), x_y=-tf.sin(angle), y_x=tf.sin(angle), y_y=tf.cos(angle))


def scaled(factor: tf.Tensor) -> tf.Tensor:
    """Returns maps that show this multiple, [n], of the image's sides around its centre."""
    return _map(x_x=factor, y_y=factor)


def sheared(right: tf.Tensor | float = 0.0, down: tf.Tensor | float = 0.0) -> tf.Tensor:
    """Returns maps that look further right by shares, [n], of the distance below, and the reverse."""
    return _map(x_y=right, y_x=down)


def apply(images: tf.Tensor, maps: tf.Tensor) -> tf.Tensor:
    """Returns images as maps show them: bilinear, with the reflected image around it.

    Args:
        images: float32 [n, height, width, channels].
        maps: float32 [n, 3, 3].

    Returns:
        float32 of the same shape.
    """
    height, width = images.shape[1], images.shape[2]
    centre = (width - 1) / 2, (height - 1) / 2
    # From pixels' own numbers to the centre's and back.
    maps = tf.matmul(tf.matmul(shifted(*centre), maps), shifted(-centre[0], -centre[1]))
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=tf.reshape(maps, [-1, 9])[:, :8],
        output_shape=[height, width],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="REFLECT",
    )
    return tf.ensure_shape(moved, images.shape)


def _map(
    x_x: tf.Tensor | float = 1.0,
    x_y: tf.Tensor | float = 0.0,
    x_0: tf.Tensor | float = 0.0,
    y_x: tf.Tensor | float = 0.0,
    y_y: tf.Tensor | float = 1.0,
    y_0: tf.Tensor | float = 0.0,
) -> tf.Tensor:
    """Maps to (x_x x + x_y y + x_0, y_x x + y_y y + y_0); numbers hold for all images."""
    numbers = [x_x, x_y, x_0, y_x, y_y, y_0, 0.0, 0.0, 1.0]
    shape = functools.reduce(tf.broadcast_dynamic_shape, [tf.shape(number) for number in numbers])
    spread = tf.stack([tf.broadcast_to(number, shape) for number in numbers], axis=-1)
    return tf.reshape(spread, [-1, 3, 3])

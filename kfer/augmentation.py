"""Random image steps, for training only: stateless, so that a seed alone decides what comes out."""

import tensorflow as tf

from kfer.settings import AugmentationSettings

# Area and aspect of an erased rectangle, from Zhong et al., "Random Erasing Data Augmentation" (2017),
# section 3; the largest area is halved, because a face already fills the image.
_ERASED_AREA = (0.02, 0.2)
_ERASED_ASPECT = (0.3, 1 / 0.3)


def augment(images: tf.Tensor, settings: AugmentationSettings, seed: tf.Tensor) -> tf.Tensor:
    """Changes each image of a batch at random, each in its own way.

    Flip, shift, rotation and scale are one projective transform with bilinear interpolation; what
    comes in from outside is the reflected image. Then contrast, brightness and erasing. A setting
    of 0 costs nothing.

    Args:
        images: float32 [n, height, width, channels] in 0..255.
        settings: How much of each step.
        seed: int32 [2]; the same seed gives the same images.

    Returns:
        float32 of the same shape, in 0..255.
    """
    move, light, erase = tf.unstack(tf.random.experimental.stateless_split(seed, 3))
    if settings.flip or settings.shift or settings.rotation or settings.scale:
        images = _moved(images, settings, move)
    if settings.contrast or settings.brightness:
        images = _relit(images, settings, light)
    if settings.erase:
        images = _erased(images, settings.erase, erase)
    return images


def _uniform(seed: tf.Tensor, shape: list, low: float, high: float) -> tf.Tensor:
    return tf.random.stateless_uniform(shape, seed, low, high)


def _moved(images: tf.Tensor, settings: AugmentationSettings, seed: tf.Tensor) -> tf.Tensor:
    count = tf.shape(images)[0]
    height, width = images.shape[1], images.shape[2]
    unit = tf.unstack(_uniform(seed, [5, count], -1.0, 1.0))
    angle = settings.rotation * unit[0]
    scale = 1.0 + settings.scale * unit[1]
    across = settings.shift * width * unit[2]
    down = settings.shift * height * unit[3]
    mirror = tf.where(unit[4] < 2 * settings.flip - 1, -1.0, 1.0)

    # The transform maps a point of the output to the input's: around the centre, mirrored first.
    cos, sin = tf.cos(angle) / scale, tf.sin(angle) / scale
    centre_x, centre_y = (width - 1) / 2, (height - 1) / 2
    x_x, x_y, y_x, y_y = cos * mirror, -sin, sin * mirror, cos
    x_0 = centre_x + across - x_x * centre_x - x_y * centre_y
    y_0 = centre_y + down - y_x * centre_x - y_y * centre_y
    zero = tf.zeros_like(angle)
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=tf.stack([x_x, x_y, x_0, y_x, y_y, y_0, zero, zero], axis=1),
        output_shape=[height, width],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="REFLECT",
    )
    return tf.ensure_shape(moved, images.shape)


def _relit(images: tf.Tensor, settings: AugmentationSettings, seed: tf.Tensor) -> tf.Tensor:
    unit = _uniform(seed, [2, tf.shape(images)[0], 1, 1, 1], -1.0, 1.0)
    mean = tf.reduce_mean(images, axis=[1, 2, 3], keepdims=True)
    factor = 1.0 + settings.contrast * unit[0]
    offset = mean * (1.0 - factor) + 255.0 * settings.brightness * unit[1]
    return tf.clip_by_value(images * factor + offset, 0.0, 255.0)


def _erased(images: tf.Tensor, probability: float, seed: tf.Tensor) -> tf.Tensor:
    count = tf.shape(images)[0]
    height, width, channels = images.shape[1:]
    choice, noise = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
    unit = tf.unstack(_uniform(choice, [5, count, 1], 0.0, 1.0))
    area = _ERASED_AREA[0] + (_ERASED_AREA[1] - _ERASED_AREA[0]) * unit[1]
    low, high = tf.math.log(_ERASED_ASPECT[0]), tf.math.log(_ERASED_ASPECT[1])
    aspect = tf.exp(low + (high - low) * unit[2])
    share_y, share_x = tf.minimum(tf.sqrt(area * aspect), 1.0), tf.minimum(tf.sqrt(area / aspect), 1.0)
    top, left = unit[3] * (1.0 - share_y), unit[4] * (1.0 - share_x)
    y, x = (
        (tf.range(height, dtype=tf.float32) + 0.5) / height,
        (tf.range(width, dtype=tf.float32) + 0.5) / width,
    )
    rows = (y >= top) & (y < top + share_y) & (unit[0] < probability)
    columns = (x >= left) & (x < left + share_x)
    inside = rows[:, :, None, None] & columns[:, None, :, None]
    # One field of noise for the whole batch: rectangles lie in different places, and it is cheap.
    filling = _uniform(noise, [1, height, width, channels], 0.0, 255.0)
    return tf.where(inside, filling, images)

"""Random erasing."""

import math

import tensorflow as tf

from kfer.augmentation import seeds

# Area and aspect of an erased rectangle, from Zhong et al., "Random Erasing Data Augmentation" (2017),
# section 3; the largest area is halved, because a face already fills the image.
_AREA = (0.02, 0.2)
_ASPECT = (0.3, 1 / 0.3)


def erase(images: tf.Tensor, probability: float, seed: tf.Tensor) -> tf.Tensor:
    """Returns images of which some have a rectangle of uniform noise.

    Args:
        images: float32 [n, height, width, channels] in 0..255.
        probability: That an image has one.
        seed: int32 [2].

    Returns:
        float32 of the same shape, in 0..255.
    """
    height, width, channels = images.shape[1:]
    choice, noise = seeds.split(seed, 2)
    unit = tf.unstack(seeds.uniform(choice, [5, tf.shape(images)[0], 1]))
    area = _AREA[0] + (_AREA[1] - _AREA[0]) * unit[1]
    low, high = math.log(_ASPECT[0]), math.log(_ASPECT[1])
    aspect = tf.exp(low + (high - low) * unit[2])
    share_y, share_x = tf.minimum(tf.sqrt(area * aspect), 1.0), tf.minimum(tf.sqrt(area / aspect), 1.0)
    top, left = unit[3] * (1.0 - share_y), unit[4] * (1.0 - share_x)
    y = (tf.range(height, dtype=tf.float32) + 0.5) / height
    x = (tf.range(width, dtype=tf.float32) + 0.5) / width
    rows = (y >= top) & (y < top + share_y) & (unit[0] < probability)
    columns = (x >= left) & (x < left + share_x)
    inside = rows[:, :, tf.newaxis, tf.newaxis] & columns[:, tf.newaxis, :, tf.newaxis]
    # One field of noise for the whole batch: rectangles lie in different places, and it is cheap.
    filling = seeds.uniform(noise, [1, height, width, channels], 0.0, 255.0)
    return tf.where(inside, filling, images)

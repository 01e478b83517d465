"""The face in front of something else."""

import tensorflow as tf

from kfer.augmentation import seeds
from kfer.augmentation.blur import blur

# Of a face that fills its image: half its width and height as shares of the image's sides, what these
# are multiplied with at random, and how soft its edge is, as a share of its radius.
_HALF_WIDTH, _HALF_HEIGHT = 0.42, 0.5
_SIZE = (0.85, 1.15)
_SOFTNESS = 0.05
# Standard deviation of the background's blur, as a share of the image's longer side: nobody is
# recognised in it.
_BLUR = 0.08


def composite(images: tf.Tensor, probability: float, seed: tf.Tensor) -> tf.Tensor:
    """Returns images of which some keep an ellipse around the centre, and have another background.

    The background is another image of the batch, blurred; the ellipse's size is random and its edge
    soft. A batch of one image is its own background.

    Args:
        images: float32 [n, height, width, channels] in 0..255.
        probability: That an image has another background.
        seed: int32 [2].

    Returns:
        float32 of the same shape, in 0..255.
    """
    count, (height, width) = tf.shape(images)[0], images.shape[1:3]
    choice, order = seeds.split(seed, 2)
    unit = tf.reshape(seeds.uniform(choice, [2, count]), [2, -1, 1, 1, 1])
    size = _SIZE[0] + (_SIZE[1] - _SIZE[0]) * unit[1]
    y = ((tf.range(height, dtype=tf.float32) + 0.5) / height - 0.5) / _HALF_HEIGHT
    x = ((tf.range(width, dtype=tf.float32) + 0.5) / width - 0.5) / _HALF_WIDTH
    radius = tf.sqrt(y[:, tf.newaxis, tf.newaxis] ** 2 + x[:, tf.newaxis] ** 2) / size
    outside = tf.where(unit[0] < probability, tf.sigmoid((radius - 1.0) / _SOFTNESS), 0.0)
    others = tf.gather(images, seeds.others(order, tf.ones([count], tf.bool)))
    background = blur(others, tf.fill([count], _BLUR * max(height, width)))
    return images + outside * (background - images)

"""Random numbers that a seed alone decides."""

import tensorflow as tf


def split(seed: tf.Tensor, count: int) -> list[tf.Tensor]:
    """Returns seeds, int32 [2] each, that are independent of each other."""
    return tf.unstack(tf.random.split(seed, count))


def uniform(seed: tf.Tensor, shape: list, low: float = 0.0, high: float = 1.0) -> tf.Tensor:
    """Returns float32 numbers in [low, high)."""
    return tf.random.stateless_uniform(shape, seed, low, high)


def others(seed: tf.Tensor, eligible: tf.Tensor) -> tf.Tensor:
    """Returns for each eligible example another one of them, and for every other example itself.

    The eligible ones stand in a circle in random order, and each is given the next: where there are
    two or more, nobody is given itself, and each is given once.

    Args:
        seed: int32 [2].
        eligible: bool [n].

    Returns:
        int32 [n], a permutation.
    """
    count = tf.shape(eligible)[0]
    circle = tf.argsort(uniform(seed, [count]) + tf.where(eligible, 0.0, 2.0))
    size = tf.reduce_sum(tf.cast(eligible, tf.int32))
    place = tf.range(count)
    following = tf.where(place < size, (place + 1) % tf.maximum(size, 1), place)
    return tf.tensor_scatter_nd_update(place, circle[:, tf.newaxis], tf.gather(circle, following))

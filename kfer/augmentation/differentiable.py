"""Random steps that gradients pass through, for images that a discriminator judges.

Zhao et al. 2020, "Differentiable augmentation for data-efficient GAN training"
(https://arxiv.org/abs/2006.10738), section 3: real and generated images go through the same steps before
each judgement. So the discriminator cannot learn few images by heart, and the generator, whose images are
judged after the steps, does not learn to draw them.
"""

from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf

# Sizes of the changes as in the paper's appendix: shares of the image's side.
_TRANSLATION, _CUTOUT = 1 / 8, 1 / 2


def augment(images: tf.Tensor, steps: Sequence[str], seed: tf.Tensor) -> tf.Tensor:
    """Returns images changed at random, each in its own way.

    Args:
        images: Float `[n, height, width, channels]` in [-1, 1].
        steps: Of "colour" (brightness, saturation, contrast), "translation" (by up to an eighth, grey
            comes in) and "cutout" (a square of half the side becomes grey), in this order.
        seed: int32 `[2]`; the changes are a function of it alone.

    Returns:
        Float of the same shape and type, mostly in [-1, 1]: brightness may lead out of it.
    """
    seeds = tf.random.experimental.stateless_split(seed, len(_STEPS))
    for number, (name, change) in enumerate(_STEPS.items()):
        if name in steps:
            images = change(images, seeds[number])
    return images


def _colour(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    shape = [tf.shape(images)[0], 1, 1, 1]
    brightness, saturation, contrast = (
        tf.cast(tf.random.stateless_uniform(shape, each), images.dtype)
        for each in tf.unstack(tf.random.experimental.stateless_split(seed, 3))
    )
    images += brightness - 0.5
    if images.shape[-1] > 1:
        grey = tf.reduce_mean(images, axis=-1, keepdims=True)
        images = grey + 2.0 * saturation * (images - grey)
    mean = tf.reduce_mean(images, axis=(1, 2, 3), keepdims=True)
    return mean + (0.5 + contrast) * (images - mean)


def _translation(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    height, width = images.shape[1:3]
    seeds = tf.random.experimental.stateless_split(seed, 2)
    for axis, side in ((1, height), (2, width)):
        most = int(side * _TRANSLATION + 0.5)
        by = tf.random.stateless_uniform(
            [tf.shape(images)[0]], seeds[axis - 1], -most, most + 1, tf.int32
        )
        at = tf.range(side)[tf.newaxis] + by[:, tf.newaxis]
        inside = tf.cast((at >= 0) & (at < side), images.dtype)
        images = tf.gather(images, tf.clip_by_value(at, 0, side - 1), axis=axis, batch_dims=1)
        images *= tf.reshape(inside, [-1, side, 1, 1] if axis == 1 else [-1, 1, side, 1])
    return images


def _cutout(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    seeds = tf.random.experimental.stateless_split(seed, 2)
    covered = []
    for axis, side in enumerate(images.shape[1:3]):
        size = int(side * _CUTOUT + 0.5)
        # Around any pixel, so that part of the square may lie outside.
        start = (
            tf.random.stateless_uniform(
                [tf.shape(images)[0], 1], seeds[axis], 0, side + 1 - size % 2, tf.int32
            )
            - size // 2
        )
        at = tf.range(side)[tf.newaxis]
        covered.append((at >= start) & (at < start + size))
    square = covered[0][:, :, tf.newaxis] & covered[1][:, tf.newaxis, :]
    return images * tf.cast(~square, images.dtype)[..., tf.newaxis]


_STEPS: Mapping[str, Callable[[tf.Tensor, tf.Tensor], tf.Tensor]] = {
    "colour": _colour,
    "translation": _translation,
    "cutout": _cutout,
}

"""RandAugment: for each image some operations of a list, all equally strong."""

import math
from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf

from kfer.augmentation import geometry, light, seeds
from kfer.settings import AugmentationSettings

Operation = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]

# At an amount of 1, as in AutoAugment (Cubuk et al. 2018, table 6).
_ANGLE = math.radians(30)
_SHEAR = 0.3
_SHIFT = 150 / 331
_FACTOR = 0.9
_LOST_BITS = 4


def apply_policy(images: tf.Tensor, settings: AugmentationSettings, seed: tf.Tensor) -> tf.Tensor:
    """Returns images after random operations, one after the other (Cubuk et al. 2019, "RandAugment").

    Every image has its own operations. All are of the same strength; which way they go (left or right,
    more or less) is drawn.

    Args:
        images: float32 [n, height, width, channels] in 0..255.
        settings: `policy`, `policy_operations` and `policy_strength`.
        seed: int32 [2].

    Returns:
        float32 of the same shape, in 0..255.
    """
    count = tf.shape(images)[0]
    for one in seeds.split(seed, settings.policy_operations):
        choice, way = seeds.split(one, 2)
        chosen = tf.random.stateless_uniform([count], choice, 0, len(settings.policy), tf.int32)
        sign = tf.where(seeds.uniform(way, [count]) < 0.5, -1.0, 1.0)
        images = apply_each(images, settings.policy, chosen, sign * settings.policy_strength)
    return images


def apply_each(
    images: tf.Tensor, names: Sequence[str], chosen: tf.Tensor, amounts: tf.Tensor
) -> tf.Tensor:
    """Returns each image after the operation that is chosen for it.

    The images of one operation are taken out of the batch, changed together and put back.

    Args:
        images: float32 [n, height, width, channels] in 0..255.
        names: Of operations.
        chosen: int32 [n], numbers of names.
        amounts: float32 [n] in [-1, 1].

    Returns:
        float32 of the same shape, in 0..255.
    """
    count = tf.range(tf.shape(images)[0])
    places = tf.dynamic_partition(count, chosen, len(names))
    parts = tf.dynamic_partition(images, chosen, len(names))
    own_amounts = tf.dynamic_partition(amounts, chosen, len(names))
    changed = [
        OPERATIONS[name](tf.ensure_shape(part, [None, *images.shape[1:]]), own)
        for name, part, own in zip(names, parts, own_amounts, strict=True)
    ]
    return tf.ensure_shape(tf.dynamic_stitch(places, changed), images.shape)


def stretch(images: tf.Tensor) -> tf.Tensor:
    """Returns images whose every channel reaches from 0 to 255; one of a single value as it is.

    Args:
        images: float32 [n, height, width, channels] in 0..255.

    Returns:
        float32 of the same shape, in 0..255.
    """
    low = tf.reduce_min(images, axis=[1, 2], keepdims=True)
    high = tf.reduce_max(images, axis=[1, 2], keepdims=True)
    stretched = (images - low) * (255.0 / tf.maximum(high - low, 1e-3))
    return tf.where(high - low > 1e-3, tf.minimum(stretched, 255.0), images)


def equalize(images: tf.Tensor) -> tf.Tensor:
    """Returns images in whose every channel all levels are about equally frequent.

    Levels are mapped by the cumulated histogram, so that the lowest becomes 0 and the highest 255; a
    channel of a single level is left as it is.

    Args:
        images: float32 [n, height, width, channels] in 0..255.

    Returns:
        float32 of the same shape, whole numbers in 0..255.
    """
    count, pixels, channels = tf.shape(images)[0], images.shape[1] * images.shape[2], images.shape[3]
    levels = tf.cast(tf.round(tf.reshape(images, [count, pixels, channels])), tf.int32)
    # Each image and channel counts in bins of its own.
    first = tf.reshape(tf.range(count * channels) * 256, [count, 1, channels])
    bins = tf.math.bincount(tf.reshape(levels + first, [-1]), minlength=count * channels * 256)
    histogram = tf.reshape(bins, [-1, 256])
    up_to = tf.cast(tf.cumsum(histogram, axis=1), tf.float32)
    lowest = tf.reduce_min(tf.where(histogram > 0, up_to, float(pixels)), axis=1, keepdims=True)
    others = float(pixels) - lowest
    mapped = tf.round(255.0 * (up_to - lowest) / tf.maximum(others, 1.0))
    table = tf.where(others > 0, mapped, tf.range(256, dtype=tf.float32))
    equalized = tf.gather(tf.reshape(table, [-1]), levels + first)
    return tf.reshape(equalized, tf.shape(images))


def sharpen(images: tf.Tensor, factors: tf.Tensor) -> tf.Tensor:
    """Returns images whose distance from a smoothed one is multiplied.

    The smoothed one is the mean of 3 by 3 pixels in which the middle counts five times.

    Args:
        images: float32 [n, height, width, channels] in 0..255.
        factors: float32 [n]; 0 smooths.

    Returns:
        float32 of the same shape, cut to 0..255.
    """
    smooth = (9.0 * tf.nn.avg_pool2d(images, 3, 1, "SAME") + 4.0 * images) / 13.0
    factors = tf.reshape(factors, [-1, 1, 1, 1])
    return tf.clip_by_value(smooth + factors * (images - smooth), 0.0, 255.0)


def _solarized(images: tf.Tensor, amounts: tf.Tensor) -> tf.Tensor:
    threshold = tf.reshape(256.0 * (1.0 - tf.abs(amounts)), [-1, 1, 1, 1])
    return tf.where(images >= threshold, 255.0 - images, images)


def _posterized(images: tf.Tensor, amounts: tf.Tensor) -> tf.Tensor:
    step = tf.reshape(2.0 ** tf.round(_LOST_BITS * tf.abs(amounts)), [-1, 1, 1, 1])
    return tf.floor(images / step) * step


def _brightened(images: tf.Tensor, amounts: tf.Tensor) -> tf.Tensor:
    factors = tf.reshape(1.0 + _FACTOR * amounts, [-1, 1, 1, 1])
    return tf.clip_by_value(images * factors, 0.0, 255.0)


def _moved(maps: Callable[[tf.Tensor, int, int], tf.Tensor]) -> Operation:
    def move(images: tf.Tensor, amounts: tf.Tensor) -> tf.Tensor:
        return geometry.apply(images, maps(amounts, *images.shape[1:3]))

    return move


#: What each name of `kfer.settings.augmentation.POLICY_OPERATIONS` does with images, float32
#: [n, height, width, channels] in 0..255, and amounts, float32 [n] in [-1, 1].
OPERATIONS: Mapping[str, Operation] = {
    "identity": lambda images, amounts: images,
    "autocontrast": lambda images, amounts: stretch(images),
    "equalize": lambda images, amounts: equalize(images),
    "rotation": _moved(lambda amounts, height, width: geometry.turned(_ANGLE * amounts)),
    "solarize": _solarized,
    "saturation": lambda images, amounts: light.change_saturation(images, 1.0 + _FACTOR * amounts),
    "posterize": _posterized,
    "contrast": lambda images, amounts: light.change_contrast(images, 1.0 + _FACTOR * amounts),
    "brightness": _brightened,
    "sharpness": lambda images, amounts: sharpen(images, 1.0 + _FACTOR * amounts),
    "shear_x": _moved(lambda amounts, height, width: geometry.sheared(right=_SHEAR * amounts)),
    "shear_y": _moved(lambda amounts, height, width: geometry.sheared(down=_SHEAR * amounts)),
    "shift_x": _moved(lambda amounts, height, width: geometry.shifted(right=_SHIFT * width * amounts)),
    "shift_y": _moved(lambda amounts, height, width: geometry.shifted(down=_SHIFT * height * amounts)),
}

"""Brightness, contrast, saturation, hue, tint and gamma."""

import tensorflow as tf

from kfer import preprocessing
from kfer.augmentation import seeds
from kfer.settings import AugmentationSettings


def relight(images: tf.Tensor, settings: AugmentationSettings, seed: tf.Tensor) -> tf.Tensor:
    """Returns each image in another light and with other colours.

    Contrast and brightness, then saturation, hue, tint and gamma; each only where its setting is not 0,
    and saturation, hue and tint only of RGB.

    Args:
        images: float32 [n, height, width, channels] in 0..255.
        settings: `brightness`, `contrast`, `saturation`, `hue`, `tint` and `gamma`.
        seed: int32 [2].

    Returns:
        float32 of the same shape, in 0..255.
    """
    contrast, brightness, saturation, hue, gamma = tf.unstack(
        seeds.uniform(seed, [5, tf.shape(images)[0]], -1.0, 1.0)
    )
    if settings.contrast or settings.brightness:
        images = change_contrast(
            images, 1.0 + settings.contrast * contrast, 255.0 * settings.brightness * brightness
        )
    if settings.saturation:
        images = change_saturation(images, 1.0 + settings.saturation * saturation)
    if settings.hue:
        images = turn_hue(images, settings.hue * hue)
    if settings.tint:
        own = tf.random.experimental.stateless_fold_in(seed, 1)
        images = change_tint(
            images, seeds.uniform(own, [tf.shape(images)[0], 3], 1.0 - settings.tint, 1.0 + settings.tint)
        )
    if settings.gamma:
        images = change_gamma(images, (1.0 + settings.gamma) ** gamma)
    return images


def change_contrast(images: tf.Tensor, factors: tf.Tensor, offsets: tf.Tensor | float = 0.0) -> tf.Tensor:
    """Returns images whose distance from their own mean is multiplied, and then something added.

    Args:
        images: float32 [n, height, width, channels] in 0..255.
        factors: float32 [n].
        offsets: float32 [n] or a number, in the images' units.

    Returns:
        float32 of the same shape, cut to 0..255.
    """
    means = tf.reduce_mean(images, axis=[1, 2, 3])
    offsets = means * (1.0 - factors) + offsets
    return tf.clip_by_value(images * _by_image(factors) + _by_image(offsets), 0.0, 255.0)


def change_saturation(images: tf.Tensor, factors: tf.Tensor) -> tf.Tensor:
    """Returns images whose distance from grey is multiplied; grey images as they are.

    Args:
        images: float32 [n, height, width, 1 or 3] in 0..255.
        factors: float32 [n]; 0 takes all colour.

    Returns:
        float32 of the same shape, cut to 0..255.
    """
    if images.shape[-1] == 1:
        return images
    grey = preprocessing.to_channels(images, 1)
    return tf.clip_by_value(grey + (images - grey) * _by_image(factors), 0.0, 255.0)


def turn_hue(images: tf.Tensor, turns: tf.Tensor) -> tf.Tensor:
    """Returns images whose hue (of HSV) is turned; grey images as they are.

    Args:
        images: float32 [n, height, width, 1 or 3] in 0..255.
        turns: float32 [n], as a share of the circle: a half makes cyan of red.

    Returns:
        float32 of the same shape, in 0..255.
    """
    if images.shape[-1] == 1:
        return images
    hue, saturation, value = tf.unstack(tf.image.rgb_to_hsv(images), axis=-1)
    hue = (hue + _by_image(turns)[..., 0]) % 1.0
    return tf.image.hsv_to_rgb(tf.stack([hue, saturation, value], axis=-1))


def change_tint(images: tf.Tensor, factors: tf.Tensor) -> tf.Tensor:
    """Returns images as in light of another colour; images of one channel as they are.

    It colours grey pictures too, so that a network that is trained on them meets the colours of skin.

    Args:
        images: float32 [n, height, width, 1 or 3] in 0..255.
        factors: float32 [n, 3], of red, green and blue.

    Returns:
        float32 of the same shape, cut to 0..255.
    """
    if images.shape[-1] == 1:
        return images
    return tf.minimum(images * factors[:, tf.newaxis, tf.newaxis], 255.0)


def change_gamma(images: tf.Tensor, exponents: tf.Tensor) -> tf.Tensor:
    """Returns images whose share of 255 is raised to a power: above 1 darkens the middle.

    Args:
        images: float32 [n, height, width, channels] in 0..255.
        exponents: float32 [n], above 0.

    Returns:
        float32 of the same shape, in 0..255.
    """
    return 255.0 * (images / 255.0) ** _by_image(exponents)


def _by_image(values: tf.Tensor) -> tf.Tensor:
    return tf.reshape(values, [-1, 1, 1, 1])

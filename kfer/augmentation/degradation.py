"""What a poor camera does: blur, noise and JPEG artefacts."""

import tensorflow as tf

from kfer.augmentation import seeds
from kfer.augmentation.blur import blur
from kfer.augmentation.jpeg import compress
from kfer.settings import AugmentationSettings


def degrade(images: tf.Tensor, settings: AugmentationSettings, seed: tf.Tensor) -> tf.Tensor:
    """Returns each image blurred, then with noise, then compressed; each by its own amount.

    Args:
        images: float32 [n, height, width, channels] in 0..255.
        settings: `blur`, `noise` and `jpeg`.
        seed: int32 [2].

    Returns:
        float32 of the same shape, in 0..255.
    """
    amount_seed, noise_seed = seeds.split(seed, 2)
    blurring, noise, loss = tf.unstack(seeds.uniform(amount_seed, [3, tf.shape(images)[0]]))
    if settings.blur:
        images = blur(images, settings.blur * max(images.shape[1:3]) * blurring)
    if settings.noise:
        images = add_noise(images, 255.0 * settings.noise * noise, noise_seed)
    if settings.jpeg:
        images = compress(images, 100.0 * (1.0 - settings.jpeg * loss))
    return images


def add_noise(images: tf.Tensor, deviations: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Returns images with Gaussian noise, independent in every pixel and channel.

    Args:
        images: float32 [n, height, width, channels] in 0..255.
        deviations: float32 [n], standard deviations in the images' units.
        seed: int32 [2].

    Returns:
        float32 of the same shape, cut to 0..255.
    """
    noise = tf.random.stateless_normal(tf.shape(images), seed)
    noisy = images + noise * tf.reshape(deviations, [-1, 1, 1, 1])
    return tf.ensure_shape(tf.clip_by_value(noisy, 0.0, 255.0), images.shape)

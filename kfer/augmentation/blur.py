"""Gaussian blur, each image by its own amount."""

import math

import numpy as np
import tensorflow as tf
from scipy import fft


def blur(images: tf.Tensor, deviations: tf.Tensor) -> tf.Tensor:
    """Returns blurred images: the discrete Gaussian, with the reflected image around each.

    The kernel is exp(-t) I_n(t) for the variance t (I_n: modified Bessel function), which the discrete
    equation of heat gives (Lindeberg 1990, "Scale-space for discrete signals"). It has exactly the
    stated variance however small that is, none of its numbers is negative, and an image keeps its mean.
    Its spectrum is exp(t (cos - 1)), so that the kernels of a whole batch are one product of matrices.

    Args:
        images: float32 [n, height, width, channels] in 0..255.
        deviations: float32 [n], standard deviations in pixels; 0 leaves an image as it is.

    Returns:
        float32 of the same shape, in 0..255.
    """
    height, width = images.shape[1], images.shape[2]
    rows = _kernels(height, deviations)
    columns = rows if width == height else _kernels(width, deviations)
    planes = tf.transpose(images, [0, 3, 1, 2])
    blurred = tf.matmul(tf.matmul(rows[:, tf.newaxis], planes), columns[:, tf.newaxis])
    # Products of matrices may leave the range by a rounding.
    blurred = tf.clip_by_value(tf.transpose(blurred, [0, 2, 3, 1]), 0.0, 255.0)
    return tf.ensure_shape(blurred, images.shape)


def _kernels(size: int, deviations: tf.Tensor) -> tf.Tensor:
    """For each deviation the symmetric matrix that blurs a line of pixels, float32 [n, size, size]."""
    cosines = fft.dct(np.eye(size), norm="ortho", axis=0).astype(np.float32)
    # What the second difference makes of each cosine.
    curvature = 2.0 * np.cos(math.pi * np.arange(size) / size) - 2.0
    left = tf.exp(tf.square(deviations)[:, tf.newaxis] / 2 * curvature.astype(np.float32))
    weighted = tf.reshape(left[:, tf.newaxis] * cosines.T, [-1, size])
    return tf.reshape(tf.matmul(weighted, cosines), [-1, size, size])

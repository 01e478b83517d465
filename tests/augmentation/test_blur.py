import cv2
import numpy as np
import pytest
import tensorflow as tf
from scipy import special

from kfer.augmentation.blur import blur


def spread(deviation: float, size: int = 33) -> np.ndarray:
    """What becomes of one bright pixel in the middle."""
    images = np.zeros([1, size, size, 1], np.float32)
    images[0, size // 2, size // 2] = 1
    return blur(tf.constant(images), tf.constant([deviation])).numpy()[0, ..., 0]


@pytest.mark.parametrize("deviation", [0.2, 0.7, 2.0])
def test_a_point_spreads_with_the_stated_deviation(deviation):
    spot = spread(deviation)
    distance = np.arange(33) - 16
    for axis in (0, 1):
        assert (spot.sum(axis) * distance**2).sum() == pytest.approx(deviation**2, rel=1e-3)
    assert spot.min() >= 0


def test_the_kernel_is_the_discrete_gaussian():
    # Lindeberg's kernel exp(-t) I_n(t) for the variance t.
    expected = special.ive(np.abs(np.arange(33) - 16), 4.0)
    np.testing.assert_allclose(spread(2.0).sum(axis=0), expected, atol=1e-5)


def test_an_image_keeps_its_mean_up_to_its_edge(noise):
    images = noise(8, 20, 3)
    blurred = blur(tf.constant(images), tf.linspace(0.0, 10.0, 8)).numpy()
    np.testing.assert_allclose(blurred.mean(axis=(1, 2)), images.mean(axis=(1, 2)), rtol=1e-4)


def test_each_image_by_its_own_deviation(noise):
    images = np.repeat(noise(1), 4, axis=0)
    blurred = blur(tf.constant(images), tf.constant([0.0, 0.5, 1.0, 100.0])).numpy()
    np.testing.assert_allclose(blurred[0], images[0], atol=1e-3)
    assert np.all(np.diff(blurred.std(axis=(1, 2, 3))) < 0)
    np.testing.assert_allclose(blurred[3], images[3].mean(), atol=0.1)


def test_a_wide_blur_is_as_opencv_s_with_its_reflected_border(noise):
    images = noise(1, 24, 3)[:, :20]
    expected = cv2.GaussianBlur(images[0], (0, 0), 3.0, borderType=cv2.BORDER_REFLECT)
    np.testing.assert_allclose(blur(tf.constant(images), tf.constant([3.0]))[0], expected, atol=0.5)

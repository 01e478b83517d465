import numpy as np
import pytest
import tensorflow as tf

from kfer.augmentation.degradation import add_noise, degrade


def test_noise_has_the_stated_deviation_and_no_mean():
    images = tf.fill([3, 100, 100, 3], 128.0)
    added = (add_noise(images, tf.constant([0.0, 5.0, 20.0]), [1, 1]) - images).numpy()
    np.testing.assert_allclose(added.mean(axis=(1, 2, 3)), 0, atol=0.5)
    np.testing.assert_allclose(added.std(axis=(1, 2, 3)), [0, 5, 20], rtol=0.02)


def test_noise_is_independent_in_pixels_channels_and_images():
    added = add_noise(tf.fill([2, 100, 100, 2], 128.0), tf.fill([2], 10.0), [1, 1]).numpy()
    rows = np.stack([added[0, ..., 0], added[0, ..., 1], added[1, ..., 0]]).reshape(3, -1)
    shifted = np.roll(rows[0], 1)
    correlation = np.corrcoef(np.vstack([rows, shifted]))
    np.testing.assert_allclose(correlation, np.eye(4), atol=0.05)


def test_amounts_reach_from_nothing_to_the_setting(only):
    images = tf.fill([300, 16, 16, 1], 128.0)
    deviations = degrade(images, only(noise=0.1), [1, 1]).numpy().std(axis=(1, 2, 3))
    assert deviations.min() < 1
    assert deviations.max() == pytest.approx(25.5, rel=0.1)
    assert deviations.mean() == pytest.approx(12.75, rel=0.1)


def test_blur_is_a_share_of_the_longer_side(only, noise):
    images = np.zeros([400, 25, 41, 1], np.float32)
    images[:, 12, 20] = 255
    blurred = degrade(tf.constant(images), only(blur=0.05), [1, 1]).numpy()[..., 0]
    variance = (blurred.sum(axis=1) * (np.arange(41) - 20) ** 2).sum(axis=1) / 255
    assert np.sqrt(variance.max()) == pytest.approx(0.05 * 41, rel=0.02)
    assert np.sqrt(variance.min()) < 0.05


def test_qualities_reach_down_to_the_setting(only, noise):
    images = np.round(noise(200, 8))
    loss = np.abs(degrade(tf.constant(images), only(jpeg=0.9), [1, 1]) - images).mean(axis=(1, 2, 3))
    mild = np.abs(degrade(tf.constant(images), only(jpeg=0.3), [1, 1]) - images).mean(axis=(1, 2, 3))
    assert loss.min() < 1
    assert loss.max() > 2 * mild.max()

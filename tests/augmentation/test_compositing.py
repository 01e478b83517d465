import numpy as np
import pytest
import tensorflow as tf

from kfer.augmentation.compositing import composite


def plain(count: int, size: int = 32) -> np.ndarray:
    """Images of one grey each, all different."""
    greys = np.linspace(10, 240, count, dtype=np.float32)
    return np.tile(greys[:, None, None, None], [1, size, size, 1])


def test_the_middle_stays_and_the_corners_come_from_another_image():
    images = plain(6)
    changed = composite(tf.constant(images), 1.0, [1, 1]).numpy()
    np.testing.assert_allclose(changed[:, 8:24, 10:22], images[:, 8:24, 10:22], atol=1)
    corners = changed[:, 0, 0, 0]
    # A permutation: each image is the background of one other.
    np.testing.assert_allclose(np.sort(corners), images[:, 0, 0, 0], atol=1)
    assert np.all(np.abs(corners - images[:, 0, 0, 0]) > 20)


def test_as_many_as_stated_have_another_background():
    images = plain(1000, 12)
    changed = composite(tf.constant(images), 0.3, [1, 1]).numpy()
    share = np.mean(np.abs(changed - images).max(axis=(1, 2, 3)) > 0)
    assert share == pytest.approx(0.3, abs=0.05)


def test_the_size_of_what_stays_is_random():
    images = np.concatenate([np.zeros([200, 48, 48, 1]), np.full([200, 48, 48, 1], 255)])
    changed = composite(tf.constant(images, tf.float32), 1.0, [1, 1]).numpy()
    from_other = np.abs(changed - images)[..., 0].mean(axis=(1, 2)) / 255
    from_other = from_other[from_other > 0.01]  # Where the other one is of the other half.
    assert from_other.min() < 0.25
    assert from_other.max() > 0.45


def test_the_background_is_blurred(noise):
    changed = composite(tf.constant(noise(8, 64)), 1.0, [1, 1]).numpy()
    assert changed[:, :6, :6].std(axis=(1, 2)).max() < 25
    assert changed[:, 28:36, 28:36].std(axis=(1, 2)).min() > 50


def test_an_image_alone_is_its_own_background():
    images = plain(1)
    np.testing.assert_allclose(composite(tf.constant(images), 1.0, [1, 1]), images, atol=0.01)

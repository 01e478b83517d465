import numpy as np
import pytest
import tensorflow as tf

from kfer.augmentation import geometry
from kfer.augmentation.geometry import move


def test_flip_mirrors_exactly_and_always_at_one(only, noise):
    images = noise(channels=3)
    flipped = move(tf.constant(images), only(flip=1.0), [1, 1])
    np.testing.assert_allclose(flipped, images[:, :, ::-1], atol=1e-3)


def test_flip_is_as_frequent_as_stated(only, noise):
    images = noise(2000, 4)
    changed = move(tf.constant(images), only(flip=0.25), [1, 1]).numpy()
    share = np.mean(np.abs(changed - images).max(axis=(1, 2, 3)) > 1)
    assert share == pytest.approx(0.25, abs=0.03)


def bright_spot(y: int, x: int, count: int, size: int = 33) -> np.ndarray:
    images = np.zeros([count, size, size, 1], np.float32)
    images[:, y - 1 : y + 2, x - 1 : x + 2] = 255
    return images


def centres(images: np.ndarray) -> np.ndarray:
    """The (y, x) centre of mass of each image, from the image's centre."""
    axis = np.arange(images.shape[1]) - (images.shape[1] - 1) / 2
    mass = images.sum(axis=(1, 2, 3))
    y = (images[..., 0] * axis[:, None]).sum(axis=(1, 2)) / mass
    x = (images[..., 0] * axis[None, :]).sum(axis=(1, 2)) / mass
    return np.stack([y, x], axis=1)


def test_shift_moves_in_both_directions_up_to_its_share(only):
    moved = centres(move(tf.constant(bright_spot(16, 16, 500)), only(shift=0.2), [1, 1]).numpy())
    assert np.all(np.abs(moved) <= 0.2 * 33 + 0.1)
    assert np.all(moved.max(axis=0) > 5.5)
    assert np.all(moved.min(axis=0) < -5.5)


def test_rotation_keeps_the_distance_and_reaches_its_angle(only):
    spots = bright_spot(16, 26, 500)  # Ten pixels right of the centre.
    y, x = centres(move(tf.constant(spots), only(rotation=0.5), [1, 1]).numpy()).T
    np.testing.assert_allclose(np.hypot(y, x), 10, atol=0.3)
    angle = np.arctan2(y, x)
    assert angle.min() == pytest.approx(-0.5, abs=0.03)
    assert angle.max() == pytest.approx(0.5, abs=0.03)


def test_scale_moves_along_the_ray_by_its_share(only):
    y, x = centres(move(tf.constant(bright_spot(16, 26, 500)), only(scale=0.2), [1, 1]).numpy()).T
    np.testing.assert_allclose(y, 0, atol=0.05)
    assert x.min() == pytest.approx(8, abs=0.2)
    assert x.max() == pytest.approx(12, abs=0.2)


def test_what_comes_in_is_the_reflected_image(only):
    images = np.full([50, 16, 16, 1], 77, np.float32)
    changed = move(tf.constant(images), only(shift=0.4, rotation=1.0, scale=0.3, shear=0.5), [1, 1])
    np.testing.assert_allclose(changed, images, atol=1e-2)


def ramp() -> np.ndarray:
    """A column's number in each pixel, float32 [1, 9, 9, 1]."""
    return np.tile(np.arange(9, dtype=np.float32)[:, np.newaxis], [1, 9, 1, 1])


def test_a_flipped_ramp_descends(only):
    flipped = move(tf.constant(ramp()), only(flip=1.0), [1, 1]).numpy()
    np.testing.assert_allclose(flipped[0, :, :, 0], np.tile(np.arange(8, -1, -1), [9, 1]), atol=1e-4)


def test_a_shift_by_two_pixels_and_the_reflection_of_the_rest():
    left = geometry.apply(tf.constant(ramp()), geometry.shifted(right=tf.constant([2.0])))
    np.testing.assert_allclose(left[0, 3, :, 0], [2, 3, 4, 5, 6, 7, 8, 8, 7], atol=1e-4)
    down = geometry.apply(tf.constant(ramp()), geometry.shifted(down=tf.constant([2.0])))
    np.testing.assert_allclose(down, ramp(), atol=1e-4)


def test_a_quarter_turn_is_anticlockwise(noise):
    images = noise(2, 8, 3)
    turned = geometry.apply(tf.constant(images), geometry.turned(tf.fill([2], np.pi / 2)))
    np.testing.assert_allclose(turned, np.rot90(images, axes=(1, 2)), atol=0.01)


def test_half_the_image_fills_the_image():
    larger = geometry.apply(tf.constant(ramp()), geometry.scaled(tf.constant([0.5])))
    np.testing.assert_allclose(larger[0, 0, :, 0], np.linspace(2, 6, 9), atol=1e-4)


def test_a_shear_shifts_each_row_by_its_distance_from_the_middle():
    sheared = geometry.apply(tf.constant(ramp()), geometry.sheared(right=tf.constant([0.5])))
    np.testing.assert_allclose(sheared[0, :, 4, 0], 4 + 0.5 * (np.arange(9) - 4), atol=1e-4)


def test_products_of_maps_apply_the_right_factor_first():
    # To the point of the output that is first shifted and then halved belongs half the shift.
    both = tf.matmul(geometry.scaled(tf.constant([0.5])), geometry.shifted(right=tf.constant([2.0])))
    moved = geometry.apply(tf.constant(ramp()), both)
    np.testing.assert_allclose(moved[0, 0, :, 0], np.linspace(3, 7, 9), atol=1e-4)


def test_shear_reaches_its_share_in_both_directions(only):
    y, x = centres(move(tf.constant(bright_spot(26, 16, 500)), only(shear=0.4), [1, 1]).numpy()).T
    np.testing.assert_allclose(y, 10, atol=0.05)
    assert x.min() == pytest.approx(-4, abs=0.2)
    assert x.max() == pytest.approx(4, abs=0.2)


def test_crops_are_random_windows_inside_the_image(only):
    y, x = np.mgrid[0:17, 0:17].astype(np.float32)
    images = np.repeat(np.stack([y, x, y], axis=-1)[np.newaxis], 2000, axis=0)
    cropped = move(tf.constant(images), only(crop=0.5), [1, 1]).numpy()
    for axis, values in ((1, cropped[:, :, 8, 0]), (2, cropped[:, 8, :, 1])):
        side = values[:, -1] - values[:, 0]  # In pixels of the image, on both axes.
        assert values[:, 0].min() == pytest.approx(0, abs=0.3), axis
        assert values[:, -1].max() == pytest.approx(16, abs=0.3), axis
        assert side.min() == pytest.approx(8, abs=0.1), axis
        assert side.max() == pytest.approx(16, abs=0.1), axis
        assert side.mean() == pytest.approx(12, abs=0.2), axis
    # Inside, a straight slope stays straight: nothing is reflected.
    np.testing.assert_allclose(np.diff(cropped[:, :, 8, 0], 2, axis=1), 0, atol=0.2)

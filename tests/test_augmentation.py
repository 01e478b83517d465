import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from kfer.augmentation import augment
from kfer.settings import AugmentationSettings

NOTHING = AugmentationSettings(0, 0, 0, 0, 0, 0, 0)


def only(**settings: float) -> AugmentationSettings:
    return dataclasses.replace(NOTHING, **settings)


def faces(count: int = 8, size: int = 16, channels: int = 1) -> np.ndarray:
    random = np.random.default_rng(0)
    return random.uniform(0, 255, [count, size, size, channels]).astype(np.float32)


def test_settings_of_zero_change_nothing_and_cost_nothing():
    images = tf.constant(faces())
    assert augment(images, NOTHING, [1, 2]) is images


@pytest.mark.parametrize("channels", [1, 3])
def test_eagerly_and_in_a_dataset_alike(channels):
    images = faces(channels=channels)
    eager = augment(tf.constant(images), AugmentationSettings(), [3, 4])
    dataset = tf.data.Dataset.from_tensors(images)
    mapped = dataset.map(lambda x: augment(x, AugmentationSettings(), [3, 4]))
    np.testing.assert_allclose(eager, next(mapped.as_numpy_iterator()), atol=1e-3)
    assert mapped.element_spec.shape == images.shape


def test_the_seed_decides():
    images = tf.constant(faces())
    first, again, other = (augment(images, AugmentationSettings(), [5, s]) for s in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).mean() > 10


def test_images_of_a_batch_change_in_their_own_ways():
    images = tf.constant(np.repeat(faces(1), 8, axis=0))
    changed = augment(images, only(brightness=0.3, shift=0.2), [1, 1]).numpy()
    assert len(np.unique(changed.reshape(8, -1), axis=0)) == 8


def test_values_stay_in_range():
    strong = AugmentationSettings(0.5, 0.5, 1.0, 0.5, 0.9, 0.9, 1.0)
    changed = augment(tf.constant(faces(64)), strong, [1, 1]).numpy()
    assert changed.min() >= 0
    assert changed.max() <= 255


def test_flip_mirrors_exactly_and_always_at_one():
    images = faces(channels=3)
    flipped = augment(tf.constant(images), only(flip=1.0), [1, 1])
    np.testing.assert_allclose(flipped, images[:, :, ::-1], atol=1e-3)


def test_flip_is_as_frequent_as_stated():
    images = faces(2000, 4)
    changed = augment(tf.constant(images), only(flip=0.25), [1, 1]).numpy()
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


def test_shift_moves_in_both_directions_up_to_its_share():
    moved = centres(augment(tf.constant(bright_spot(16, 16, 500)), only(shift=0.2), [1, 1]).numpy())
    assert np.all(np.abs(moved) <= 0.2 * 33 + 0.1)
    assert np.all(moved.max(axis=0) > 5.5)
    assert np.all(moved.min(axis=0) < -5.5)


def test_rotation_keeps_the_distance_and_reaches_its_angle():
    spots = bright_spot(16, 26, 500)  # Ten pixels right of the centre.
    y, x = centres(augment(tf.constant(spots), only(rotation=0.5), [1, 1]).numpy()).T
    np.testing.assert_allclose(np.hypot(y, x), 10, atol=0.3)
    angle = np.arctan2(y, x)
    assert angle.min() == pytest.approx(-0.5, abs=0.03)
    assert angle.max() == pytest.approx(0.5, abs=0.03)


def test_scale_moves_along_the_ray_by_its_share():
    y, x = centres(augment(tf.constant(bright_spot(16, 26, 500)), only(scale=0.2), [1, 1]).numpy()).T
    np.testing.assert_allclose(y, 0, atol=0.05)
    assert x.min() == pytest.approx(8, abs=0.2)
    assert x.max() == pytest.approx(12, abs=0.2)


def test_what_comes_in_is_the_reflected_image():
    images = np.full([50, 16, 16, 1], 77, np.float32)
    changed = augment(tf.constant(images), only(shift=0.4, rotation=1.0, scale=0.3), [1, 1])
    np.testing.assert_allclose(changed, images, atol=1e-2)


def test_brightness_adds_one_number_to_an_image():
    images = np.full([500, 4, 4, 1], 128, np.float32) + faces(500, 4) / 255
    change = (augment(tf.constant(images), only(brightness=0.2), [1, 1]) - images).numpy()
    np.testing.assert_allclose(change.std(axis=(1, 2, 3)), 0, atol=1e-3)
    assert change.min() == pytest.approx(-51, abs=1)
    assert change.max() == pytest.approx(51, abs=1)


def test_contrast_keeps_the_mean_and_scales_the_spread():
    images = 100 + faces(500, 8) / 5
    changed = augment(tf.constant(images), only(contrast=0.3), [1, 1]).numpy()
    np.testing.assert_allclose(changed.mean(axis=(1, 2, 3)), images.mean(axis=(1, 2, 3)), rtol=1e-4)
    factor = changed.std(axis=(1, 2, 3)) / images.std(axis=(1, 2, 3))
    assert factor.min() == pytest.approx(0.7, abs=0.01)
    assert factor.max() == pytest.approx(1.3, abs=0.01)


def test_erase_replaces_one_rectangle_of_a_fifth_at_most():
    images = np.full([400, 20, 20, 1], -1, np.float32)  # No filling has this value.
    erased = augment(tf.constant(images), only(erase=0.5), [1, 1]).numpy()[..., 0] != -1
    hit = erased.any(axis=(1, 2))
    assert hit.mean() == pytest.approx(0.5, abs=0.08)
    rows, columns = erased.any(axis=2), erased.any(axis=1)
    np.testing.assert_array_equal(erased, rows[:, :, None] & columns[:, None, :])
    for sides in (rows[hit], columns[hit]):  # Each without a gap: it starts once.
        assert np.all((np.diff(sides.astype(int), axis=1, prepend=0) == 1).sum(axis=1) == 1)
    assert erased.mean(axis=(1, 2)).max() <= 0.25  # 0.2, and what rounding to pixels adds.

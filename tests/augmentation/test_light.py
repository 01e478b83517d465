import numpy as np
import pytest
import tensorflow as tf

from kfer.augmentation import light
from kfer.augmentation.light import relight

RED, CYAN = (255.0, 0.0, 0.0), (0.0, 255.0, 255.0)


def one_colour(*colours: tuple[float, float, float]) -> tf.Tensor:
    """An image of 2 by 2 pixels for each colour."""
    return tf.constant(np.tile(np.array(colours, np.float32)[:, None, None], [1, 2, 2, 1]))


def test_brightness_adds_one_number_to_an_image(only, noise):
    images = np.full([500, 4, 4, 1], 128, np.float32) + noise(500, 4) / 255
    change = (relight(tf.constant(images), only(brightness=0.2), [1, 1]) - images).numpy()
    np.testing.assert_allclose(change.std(axis=(1, 2, 3)), 0, atol=1e-3)
    assert change.min() == pytest.approx(-51, abs=1)
    assert change.max() == pytest.approx(51, abs=1)


def test_contrast_keeps_the_mean_and_scales_the_spread(only, noise):
    images = 100 + noise(500, 8) / 5
    changed = relight(tf.constant(images), only(contrast=0.3), [1, 1]).numpy()
    np.testing.assert_allclose(changed.mean(axis=(1, 2, 3)), images.mean(axis=(1, 2, 3)), rtol=1e-4)
    factor = changed.std(axis=(1, 2, 3)) / images.std(axis=(1, 2, 3))
    assert factor.min() == pytest.approx(0.7, abs=0.01)
    assert factor.max() == pytest.approx(1.3, abs=0.01)


def test_half_a_turn_makes_cyan_of_red_and_a_third_makes_green():
    turned = light.turn_hue(one_colour(RED, RED, CYAN), tf.constant([0.5, 1 / 3, -0.5]))
    expected = one_colour(CYAN, (0.0, 255.0, 0.0), RED)
    np.testing.assert_allclose(turned, expected, atol=0.01)


def test_a_turn_of_the_hue_keeps_grey_and_the_brightest_channel(noise):
    images = noise(8, channels=3)
    turned = light.turn_hue(tf.constant(images), tf.linspace(-0.5, 0.5, 8))
    np.testing.assert_allclose(turned.numpy().max(axis=-1), images.max(axis=-1), atol=1e-3)
    np.testing.assert_allclose(turned.numpy().min(axis=-1), images.min(axis=-1), atol=1e-2)
    grey = np.repeat(noise(8), 3, axis=-1)
    np.testing.assert_allclose(light.turn_hue(tf.constant(grey), tf.fill([8], 0.3)), grey, atol=1e-3)


def test_hue_turns_both_ways_up_to_its_share(only):
    turned = relight(one_colour(*[RED] * 500), only(hue=0.25), [1, 1]) / 255
    hue = tf.image.rgb_to_hsv(turned).numpy()[:, 0, 0, 0]
    signed = (hue + 0.5) % 1 - 0.5
    assert signed.min() == pytest.approx(-0.25, abs=0.01)
    assert signed.max() == pytest.approx(0.25, abs=0.01)


def test_saturation_of_zero_is_grey_and_of_two_doubles_the_distance_from_grey():
    images = one_colour((100.0, 110.0, 120.0), (100.0, 110.0, 120.0))
    grey = 0.299 * 100 + 0.587 * 110 + 0.114 * 120
    changed = light.change_saturation(images, tf.constant([0.0, 2.0])).numpy()
    np.testing.assert_allclose(changed[0, 0, 0], [grey] * 3, atol=0.01)
    np.testing.assert_allclose(changed[1, 0, 0], 2 * np.array([100, 110, 120]) - grey, atol=0.01)


def test_gamma_of_two_squares_the_share_of_white():
    images = tf.constant([[[[0.0], [51.0], [127.5], [255.0]]]])
    changed = light.change_gamma(images, tf.constant([2.0]))
    np.testing.assert_allclose(tf.reshape(changed, [-1]), [0, 10.2, 63.75, 255], atol=1e-3)


def test_gamma_lies_between_its_bounds_and_brightens_as_often_as_it_darkens(only):
    images = np.full([2000, 2, 2, 1], 127.5, np.float32)
    changed = relight(tf.constant(images), only(gamma=1.0), [1, 1]).numpy()[:, 0, 0, 0] / 255
    exponents = np.log(changed) / np.log(0.5)
    assert exponents.min() == pytest.approx(0.5, abs=0.01)
    assert exponents.max() == pytest.approx(2, abs=0.02)
    assert np.mean(exponents > 1) == pytest.approx(0.5, abs=0.05)


def test_a_tint_multiplies_each_channel_by_its_own_factor_up_to_white():
    images = one_colour((100.0, 100.0, 100.0), (10.0, 20.0, 30.0))
    changed = light.change_tint(images, tf.constant([[1.2, 1.0, 3.0], [0.5, 1.5, 1.0]])).numpy()
    np.testing.assert_allclose(changed[0, 0, 0], [120, 100, 255])
    np.testing.assert_allclose(changed[1, 0, 0], [5, 30, 30])


def test_tints_colour_grey_pictures_within_their_bounds(only):
    images = np.full([2000, 2, 2, 3], 100.0, np.float32)
    changed = relight(tf.constant(images), only(tint=0.3), [1, 1]).numpy()[:, 0, 0] / 100
    np.testing.assert_allclose([changed.min(0), changed.max(0)], [[0.7] * 3, [1.3] * 3], atol=0.01)
    assert np.abs(np.corrcoef(changed.T) - np.eye(3)).max() < 0.1


@pytest.mark.parametrize("step", ["saturation", "hue", "tint"])
def test_grey_images_have_no_colour_to_change(step, only, noise):
    images = noise()
    np.testing.assert_array_equal(relight(tf.constant(images), only(**{step: 0.5}), [1, 1]), images)

import cv2
import numpy as np
import pytest
import tensorflow as tf

from kfer.augmentation import policy
from kfer.augmentation.policy import OPERATIONS, apply_each, apply_policy
from kfer.settings.augmentation import POLICY_OPERATIONS

# These are of one strength, whatever the amount.
WITHOUT_AMOUNT = ("identity", "autocontrast", "equalize")


def changed(name: str, images: np.ndarray, amount: float) -> np.ndarray:
    return OPERATIONS[name](tf.constant(images), tf.fill([len(images)], amount)).numpy()


def test_every_operation_of_the_settings_is_there():
    assert tuple(OPERATIONS) == POLICY_OPERATIONS


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", POLICY_OPERATIONS)
def test_each_operation_keeps_shape_and_range(name, channels, noise):
    for images in (noise(4, channels=channels), np.zeros([0, 16, 16, channels], np.float32)):
        made = changed(name, images, -1.0)
        assert made.shape == images.shape
        assert np.all((made >= 0) & (made <= 255 + 1e-3))


@pytest.mark.parametrize("name", sorted(set(POLICY_OPERATIONS) - set(WITHOUT_AMOUNT)))
def test_an_amount_of_zero_is_the_identity_and_more_changes_more(name):
    y, x = np.mgrid[0:16, 0:16]
    images = np.stack([8 * x + 7 * y, 12 * x + 40, 16 * y + x], axis=-1).astype(np.float32)[None]
    np.testing.assert_allclose(changed(name, images, 0.0), images, atol=0.01)
    little, much = (np.abs(changed(name, images, a) - images).mean() for a in (0.25, 1.0))
    assert 0 < little < much


@pytest.mark.parametrize("name", ["rotation", "saturation", "contrast", "shear_x", "shift_y"])
def test_operations_that_have_two_ways_go_both(name, noise):
    images = noise(4, channels=3)
    assert np.abs(changed(name, images, 0.5) - changed(name, images, -0.5)).mean() > 1


def test_autocontrast_reaches_from_black_to_white_in_each_channel():
    image = np.array([[50, 100], [60, 100], [75, 110], [100, 120]], np.float32).reshape(1, 2, 2, 2)
    expected = np.array([[0, 0], [51, 0], [127.5, 127.5], [255, 255]]).reshape(1, 2, 2, 2)
    np.testing.assert_allclose(policy.stretch(tf.constant(image)), expected, atol=1e-3)
    plain = tf.fill([1, 4, 4, 1], 70.0)
    np.testing.assert_array_equal(policy.stretch(plain), plain)


def test_equalize_is_as_opencv_s_for_each_image_and_channel(noise):
    images = np.round((noise(3, 16, 3) / 255) ** 3 * 200 + 20)
    made = policy.equalize(tf.constant(images)).numpy()
    for image, equalized in zip(images.astype(np.uint8), made, strict=True):
        for channel in range(3):
            expected = cv2.equalizeHist(image[..., channel])
            np.testing.assert_allclose(equalized[..., channel], expected, atol=1)
    plain = tf.fill([1, 4, 4, 1], 70.0)
    np.testing.assert_array_equal(policy.equalize(plain), plain)


def test_solarize_inverts_from_its_threshold_up():
    image = np.array([0, 127, 128, 255], np.float32).reshape(1, 2, 2, 1)
    np.testing.assert_array_equal(changed("solarize", image, 0.5).ravel(), [0, 127, 127, 0])


def test_posterize_keeps_four_bits_at_most_strength():
    image = np.array([0, 15, 16, 255], np.float32).reshape(1, 2, 2, 1)
    np.testing.assert_array_equal(changed("posterize", image, 1.0).ravel(), [0, 0, 16, 240])


def test_sharpening_weighs_the_middle_five_times():
    image = np.zeros([1, 5, 5, 1], np.float32)
    image[0, 2, 2] = 130
    smooth = policy.sharpen(tf.constant(image), tf.constant([0.0])).numpy()[0, ..., 0]
    np.testing.assert_allclose(smooth[1:4, 1:4], [[10, 10, 10], [10, 50, 10], [10, 10, 10]], atol=1e-3)


def test_each_image_has_the_operation_that_is_chosen_for_it(noise):
    images = np.round(noise(6))
    names = ("solarize", "posterize", "equalize")
    chosen, amounts = [2, 0, 1, 0, 0, 1], [0.1, 0.2, 0.3, 0.4, 0.5, 1.0]
    made = apply_each(tf.constant(images), names, tf.constant(chosen), tf.constant(amounts))
    for image, one, amount, own in zip(images, chosen, amounts, made.numpy(), strict=True):
        np.testing.assert_allclose(own, changed(names[one], image[None], amount)[0], atol=1e-3)


def test_a_policy_chooses_among_its_operations_alike_often(only):
    images = np.full([3000, 4, 4, 1], 100, np.float32)
    settings = only(policy_operations=1, policy_strength=0.5, policy=("identity", "brightness"))
    made = apply_policy(tf.constant(images), settings, [1, 1]).numpy()[:, 0, 0, 0]
    values, counts = np.unique(np.round(made), return_counts=True)
    np.testing.assert_array_equal(values, [55, 100, 145])
    np.testing.assert_allclose(counts / 3000, [0.25, 0.5, 0.25], atol=0.03)


def test_operations_follow_each_other(only):
    images = np.full([3000, 4, 4, 1], 100, np.float32)
    settings = only(policy_operations=2, policy_strength=0.5, policy=("brightness",))
    made = apply_policy(tf.constant(images), settings, [1, 1]).numpy()[:, 0, 0, 0]
    values, counts = np.unique(np.round(made, 2), return_counts=True)
    np.testing.assert_allclose(values, [30.25, 79.75, 210.25])
    np.testing.assert_allclose(counts / 3000, [0.25, 0.5, 0.25], atol=0.03)

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from kfer.augmentation import MIX, augment, augment_batch
from kfer.settings.augmentation import FACES, AugmentationSettings

STEPS = {
    "flip": 0.5,
    "shift": 0.2,
    "rotation": 0.5,
    "scale": 0.3,
    "brightness": 0.4,
    "contrast": 0.6,
    "erase": 0.7,
    "shear": 0.3,
    "crop": 0.4,
    "saturation": 0.8,
    "hue": 0.3,
    "tint": 0.3,
    "gamma": 1.0,
    "blur": 0.1,
    "noise": 0.2,
    "jpeg": 0.9,
    "compositing": 0.7,
    "policy_operations": 2,
    "mixup": 0.6,
    "cutmix": 0.6,
}
COLOUR_ONLY = ("saturation", "hue", "tint")
# Each operation of a policy has a test of its own; a graph of all of them takes seconds to trace.
POLICY = ("rotation", "equalize", "brightness")
EVERYTHING = dataclasses.replace(
    FACES, policy_operations=2, policy_strength=0.6, policy=POLICY, mixup=0.3, cutmix=0.3
)


def batch(images: np.ndarray) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    labels = {
        "expression": tf.range(len(images)) % 3 - 1,
        "pose": tf.reshape(tf.range(2.0 * len(images)), [-1, 2]),
    }
    return tf.constant(images), labels


def assert_equal(one: tuple, other: tuple, tolerance: float = 0.0) -> None:
    np.testing.assert_allclose(one[0], other[0], atol=tolerance)
    assert one[1].keys() == other[1].keys()
    for name, label in one[1].items():
        np.testing.assert_allclose(label, other[1][name], atol=tolerance)


def test_settings_of_zero_change_nothing_and_cost_nothing(only, noise):
    images, labels = batch(noise())
    assert augment(images, only(), [1, 2]) is images
    same, same_labels = augment_batch(images, labels, only(), [1, 2])
    assert same is images
    assert same_labels == labels


@pytest.mark.parametrize("channels", [1, 3])
def test_a_strength_of_zero_is_the_identity(channels, noise):
    images, labels = batch(noise(channels=channels))
    off = dataclasses.replace(EVERYTHING, strength=0)
    same, same_labels = augment_batch(images, labels, off, [1, 2])
    assert same is images
    assert same_labels == labels


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("step", STEPS)
def test_each_step_alone(step, channels, only, noise):
    images, labels = batch(noise(16, channels=channels))
    settings = only(**{step: STEPS[step]}, policy=POLICY)

    def made(seed):
        return augment_batch(images, labels, settings, [3, seed])

    changed = made(0)
    assert changed[0].dtype == tf.float32
    assert changed[0].shape == images.shape
    assert changed[0].numpy().min() >= 0
    assert changed[0].numpy().max() <= 255 + 1e-3
    assert_equal(changed, made(0))
    difference = np.abs(changed[0] - made(1)[0]).mean()
    if step in COLOUR_ONLY and channels == 1:
        np.testing.assert_array_equal(changed[0], images)
    else:
        assert difference > 1
    dataset = tf.data.Dataset.from_tensors((images, labels))
    mapped = dataset.map(lambda x, y: augment_batch(x, y, settings, [3, 0]))
    assert_equal(changed, next(mapped.as_numpy_iterator()), tolerance=1e-2)
    assert mapped.element_spec[0].shape == images.shape


@pytest.mark.parametrize("channels", [1, 3])
def test_everything_at_once_in_a_dataset_as_eagerly(channels, noise):
    images, labels = batch(noise(16, channels=channels))
    eager = augment_batch(images, labels, EVERYTHING, [3, 4])
    dataset = tf.data.Dataset.from_tensor_slices((images, labels)).batch(16)
    mapped = dataset.map(lambda x, y: augment_batch(x, y, EVERYTHING, [3, 4]))
    assert mapped.element_spec[0].shape.as_list() == [None, 16, 16, channels]
    images, labels = next(mapped.as_numpy_iterator())
    # Where a pixel lies at a step of JPEG or of a policy's operation, a rounding may decide.
    assert np.mean(np.abs(images - eager[0]) > 0.1) < 0.01
    np.testing.assert_allclose(labels[MIX], eager[1][MIX], atol=1e-5)


def test_mixing_leaves_the_images_that_it_mixes_to_the_other_steps(noise):
    images, labels = batch(noise())
    settings = AugmentationSettings(mixup=0.5)
    mixed, mixed_labels = augment_batch(images, labels, settings, [1, 1])
    alone = augment(images, settings, [1, 1]).numpy()
    unmixed = mixed_labels[MIX].numpy() == 1
    assert 0 < unmixed.sum() < len(images)
    np.testing.assert_array_equal(mixed.numpy()[unmixed], alone[unmixed])
    assert np.all(np.abs(mixed.numpy()[~unmixed] - alone[~unmixed]).max(axis=(1, 2, 3)) > 0)


def test_images_of_a_batch_change_in_their_own_ways(noise):
    images = tf.constant(np.repeat(noise(1), 8, axis=0))
    changed = augment(images, FACES, [1, 1]).numpy()
    assert len(np.unique(changed.reshape(8, -1), axis=0)) == 8


def test_steps_draw_independently_of_each_other(noise):
    # Turning a step on must not change what the others draw.
    images = tf.constant(noise(64))
    fewer = augment(images, AugmentationSettings(flip=0.5), [1, 1])
    more = augment(images, AugmentationSettings(flip=0.5, erase=1.0), [1, 1])
    changed = np.abs(more - fewer)[..., 0] > 1e-3
    assert 0.02 < changed.mean() < 0.2  # The erased rectangles alone.


def test_strength_scales_what_is_drawn(only):
    images = tf.fill([100, 4, 4, 1], 100.0)
    weak = augment(images, only(brightness=0.1), [1, 1]) - images
    strong = augment(images, only(brightness=0.1, strength=3), [1, 1]) - images
    np.testing.assert_allclose(strong, 3 * weak, atol=1e-3)


@pytest.mark.parametrize("strength", [1, 10])
def test_values_stay_in_range(strength, noise):
    strong = dataclasses.replace(EVERYTHING, strength=strength)
    images, labels = batch(noise(64, channels=3))
    changed = augment_batch(images, labels, strong, [1, 1])[0].numpy()
    assert np.isfinite(changed).all()
    assert changed.min() >= 0
    assert changed.max() <= 255 + 1e-3


def test_sides_need_neither_be_equal_nor_multiples_of_eight(noise):
    images, labels = batch(noise(4, size=20)[:, :13])
    changed = augment_batch(images, labels, EVERYTHING, [1, 1])[0]
    assert changed.shape == [4, 13, 20, 1]

"""Random steps that gradients pass through."""

import numpy as np
import pytest
import tensorflow as tf

from kfer.augmentation import differentiable

STEPS = ("colour", "translation", "cutout")
SEED = tf.constant([1, 2])


def images(count: int = 6, channels: int = 3) -> tf.Tensor:
    return tf.random.stateless_uniform([count, 16, 16, channels], [3, 4], -1, 1)


@pytest.mark.parametrize("steps", [(), *((step,) for step in STEPS), STEPS])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_step_is_a_function_of_its_seed(steps, channels):
    given = images(channels=channels)
    first, again, other = (
        differentiable.augment(given, steps, seed).numpy() for seed in (SEED, SEED, SEED + 1)
    )
    assert first.shape == given.shape
    np.testing.assert_array_equal(first, again)
    assert (first == other).all() == (not steps)
    if not steps:
        np.testing.assert_array_equal(first, given)


@pytest.mark.parametrize("step", STEPS)
def test_each_image_is_changed_in_its_own_way(step):
    one = tf.repeat(images(1), 8, axis=0)
    changed = differentiable.augment(one, (step,), SEED).numpy()
    assert len(np.unique(changed.reshape(8, -1), axis=0)) > 1


@pytest.mark.parametrize("step", STEPS)
def test_a_step_runs_in_a_graph_and_lets_gradients_through(step):
    given = images()

    @tf.function
    def gradient(shown: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(shown)
            total = tf.reduce_sum(tf.square(differentiable.augment(shown, (step,), SEED)))
        return tape.gradient(total, shown)

    found = gradient(given).numpy()
    assert np.isfinite(found).all()
    assert (found != 0).mean() > 0.4


def test_translation_moves_by_up_to_an_eighth_and_brings_grey_in():
    shown = tf.ones([64, 16, 16, 1])
    moved = differentiable.augment(shown, ("translation",), SEED).numpy()[..., 0]
    rows, columns = (moved.max(axis).sum(1) for axis in (2, 1))
    assert rows.min() == columns.min() == 14
    assert rows.max() == columns.max() == 16
    assert set(np.unique(moved)) == {0, 1}


def test_translation_keeps_the_picture():
    shown = images(1)
    moved = differentiable.augment(shown, ("translation",), SEED).numpy()[0]
    original = shown.numpy()[0]
    shifts = [(y, x) for y in range(-2, 3) for x in range(-2, 3)]
    found = [
        shift
        for shift in shifts
        if np.array_equal(moved[2:-2, 2:-2], np.roll(original, shift, (0, 1))[2:-2, 2:-2])
    ]
    assert len(found) == 1


def test_cutout_covers_a_square_of_at_most_half_the_side():
    cut = differentiable.augment(tf.ones([200, 16, 16, 1]), ("cutout",), SEED).numpy()[..., 0]
    covered = (cut == 0).sum((1, 2))
    assert covered.max() == 64
    assert covered.min() >= 16
    assert set(np.unique(cut)) == {0, 1}


def test_colour_keeps_what_is_brighter_brighter_in_a_grey_image():
    shown = images(4, 1)
    changed = differentiable.augment(shown, ("colour",), SEED).numpy()
    for before, after in zip(shown.numpy(), changed, strict=True):
        np.testing.assert_array_equal(np.argsort(before.ravel()), np.argsort(after.ravel()))

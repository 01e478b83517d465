import numpy as np
import pytest
import tensorflow as tf

from kfer.augmentation.erasing import erase


def test_erase_replaces_one_rectangle_of_a_fifth_at_most():
    images = np.full([400, 20, 20, 1], -1, np.float32)  # No filling has this value.
    erased = erase(tf.constant(images), 0.5, [1, 1]).numpy()[..., 0] != -1
    hit = erased.any(axis=(1, 2))
    assert hit.mean() == pytest.approx(0.5, abs=0.08)
    rows, columns = erased.any(axis=2), erased.any(axis=1)
    np.testing.assert_array_equal(erased, rows[:, :, None] & columns[:, None, :])
    for sides in (rows[hit], columns[hit]):  # Each without a gap: it starts once.
        assert np.all((np.diff(sides.astype(int), axis=1, prepend=0) == 1).sum(axis=1) == 1)
    assert erased.mean(axis=(1, 2)).max() <= 0.25  # 0.2, and what rounding to pixels adds.


def test_the_filling_is_noise_over_the_whole_range():
    filled = erase(tf.fill([200, 32, 32, 3], -1.0), 1.0, [1, 1]).numpy()
    values = filled[filled != -1]
    assert values.min() >= 0
    assert values.max() <= 255
    assert values.mean() == pytest.approx(127.5, abs=5)
    assert values.std() == pytest.approx(255 / 12**0.5, abs=5)

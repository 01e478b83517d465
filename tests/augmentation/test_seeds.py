import numpy as np
import tensorflow as tf

from kfer.augmentation import seeds


def test_split_seeds_differ_from_each_other_and_repeat():
    several = np.stack(seeds.split([1, 2], 20))
    assert len(np.unique(several, axis=0)) == 20
    np.testing.assert_array_equal(several, np.stack(seeds.split([1, 2], 20)))


def test_others_is_a_permutation_that_gives_nobody_itself():
    for seed in range(20):
        others = seeds.others([seed, 0], tf.ones([7], tf.bool)).numpy()
        assert sorted(others) == list(range(7))
        assert np.all(others != np.arange(7))


def test_others_stay_among_the_eligible():
    eligible = tf.constant([True, False, True, False, True, False])
    seen = {tuple(seeds.others([seed, 0], eligible).numpy()) for seed in range(20)}
    assert seen == {(2, 1, 4, 3, 0, 5), (4, 1, 0, 3, 2, 5)}  # The two circles of three.


def test_one_or_none_eligible_have_nobody_else():
    for eligible in ([False, True, False], [False, False, False]):
        np.testing.assert_array_equal(seeds.others([1, 1], tf.constant(eligible)), [0, 1, 2])


def test_every_other_is_about_equally_often_given():
    made = tf.data.Dataset.range(600).map(lambda seed: seeds.others([seed, 5], tf.ones([4], tf.bool)))
    given = np.stack(list(made.as_numpy_iterator()))
    for own in range(4):
        counts = np.bincount(given[:, own], minlength=4)
        assert counts[own] == 0
        assert counts[counts > 0].min() > 150  # Of 200 each.

import numpy as np
import pytest

from kfer.pairs import has_pairs, make_pairs


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("max_pairs", [2, 7, 100, 100_000])
def test_pairs_are_balanced_true_and_never_twice(seed, max_pairs):
    rng = np.random.default_rng(seed)
    identities = rng.integers(-1, 12, 60) * 3
    identities[identities < 0] = -1
    a, b, same = make_pairs(identities, max_pairs, seed)
    assert len(a) <= max_pairs and len(a) >= 2
    assert same.sum() * 2 == len(same)
    np.testing.assert_array_equal(identities[a] == identities[b], same)
    assert (identities[a] >= 0).all() and (identities[b] >= 0).all()
    assert (a != b).all()
    assert len({frozenset(pair) for pair in zip(a.tolist(), b.tolist(), strict=True)}) == len(a)


def test_pairs_use_all_that_there_are():
    # Genuine: 3 of person 4, 1 of person 9. Impostor: 6.
    identities = np.array([4, 9, 4, -1, 9, 4])
    a, b, same = make_pairs(identities, 1000, 0)
    genuine = {frozenset(p) for p in zip(a[same].tolist(), b[same].tolist(), strict=True)}
    assert genuine == {frozenset(p) for p in [(0, 2), (0, 5), (2, 5), (1, 4)]}
    assert len(a) == 8


def test_people_take_turns_in_genuine_pairs():
    identities = np.array([0] * 50 + [1] * 3 + [2] * 2 + [3])
    a, _, same = make_pairs(identities, 20, 0)
    assert np.bincount(identities[a[same]]).tolist() == [6, 3, 1]


def test_pairs_hang_on_the_seed_alone():
    identities = np.arange(100) // 4
    first, again, other = (make_pairs(identities, 60, seed)[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_pairs_of_many_images_come_fast_and_mixed():
    identities = np.random.default_rng(0).integers(0, 5000, 100_000)
    a, _, same = make_pairs(identities, 6000, 0)
    assert len(a) == 6000
    assert 0.4 < same[:3000].mean() < 0.6


@pytest.mark.parametrize(
    ("identities", "max_pairs", "message"),
    [
        ([3, 3, 3, -1], 10, "at least two people to make pairs of; got 1 in 3 labelled images"),
        ([-1, -1], 10, "at least two people.*got 0 in 0"),
        ([1, 2, 3], 10, "at least one person with two images.*each of 3 people has one"),
        ([1, 1, 2], 1, "at least 2 as the most pairs to make; got 1"),
    ],
)
def test_pairs_that_cannot_be_made(identities, max_pairs, message):
    with pytest.raises(ValueError, match=message):
        make_pairs(np.array(identities), max_pairs, 0)


@pytest.mark.parametrize(
    ("identities", "expected"),
    [([], False), ([-1, -1], False), ([3, 3, 3], False), ([1, 2, 3], False), ([1, 1, 2, -1], True)],
)
def test_pairs_need_two_people_and_two_images_of_one(identities, expected):
    assert has_pairs(np.array(identities, int)) is expected

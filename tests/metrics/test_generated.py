import warnings

import numpy as np
import pytest
from scipy import linalg
from scipy.spatial.distance import cdist, pdist
from sklearn.metrics.pairwise import polynomial_kernel

from kfer import metrics


def _normal(mean, covariance, num=200, seed=0):
    """Rows whose mean and unbiased covariance are exactly these."""
    drawn = np.random.default_rng(seed).normal(size=(num, len(mean)))
    drawn -= drawn.mean(axis=0)
    white = drawn @ np.linalg.inv(np.linalg.cholesky(np.cov(drawn.T))).T
    return white @ np.linalg.cholesky(covariance).T + mean


def test_frechet_distance_by_hand():
    # |(3, 4)|² and, as the covariances share their axes, the squares of 1 - 2 and 3 - 2.
    real = _normal([0.0, 0.0], np.diag([1.0, 9.0]))
    generated = _normal([3.0, 4.0], np.diag([4.0, 4.0]), seed=1)
    assert metrics.frechet_distance(real, generated) == pytest.approx(25 + 1 + 1)


@pytest.mark.parametrize("num", [400, 6])  # more rows than features, and fewer
def test_frechet_distance_is_that_of_the_matrix_square_root(num):
    rng = np.random.default_rng(0)
    real, generated = rng.normal(size=(num, 8)), rng.normal(0.3, 2, size=(num + 50, 8)) ** 2
    covariances = np.cov(real.T), np.cov(generated.T)
    # A little on the diagonal: the root of a singular matrix is what scipy is bad at.
    little = 1e-12 * np.eye(8)
    root = linalg.sqrtm((covariances[0] + little) @ (covariances[1] + little)).real
    apart = real.mean(axis=0) - generated.mean(axis=0)
    expected = apart @ apart + np.trace(covariances[0] + covariances[1] - 2 * root)
    found = metrics.frechet_distance(real, generated)
    assert found == pytest.approx(expected, rel=1e-4)
    assert metrics.frechet_distance(generated, real) == pytest.approx(found)


def test_frechet_distance_of_a_set_to_itself_is_0_even_of_few_images():
    features = np.random.default_rng(0).normal(size=(30, 100)).astype(np.float32)
    assert 0 <= metrics.frechet_distance(features, features[::-1]) < 1e-10


def test_kernel_distance_by_hand():
    # One number an image: k(x, y) = (x y + 1)³. Of 1, 2: 27; of 0, 3: 1; across: 1, 64, 1, 343.
    found, _ = metrics.kernel_distance(np.array([[1.0], [2.0]]), np.array([[0.0], [3.0]]), subsets=1)
    assert found == pytest.approx(27 + 1 - 2 * (1 + 64 + 1 + 343) / 4)


def test_kernel_distance_is_that_of_scikit_learns_kernel():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 7)), rng.normal(0.5, 1, size=(40, 7))
    others = ~np.eye(40, dtype=bool)
    expected = polynomial_kernel(x)[others].mean() + polynomial_kernel(y)[others].mean()
    expected -= 2 * polynomial_kernel(x, y).mean()
    found, error = metrics.kernel_distance(x, y, subsets=3)
    assert found == pytest.approx(expected) and error == pytest.approx(0, abs=1e-12)


def test_kernel_distance_of_one_distribution_is_0_on_average():
    rng = np.random.default_rng(0)
    found = [
        metrics.kernel_distance(rng.normal(size=(100, 5)), rng.normal(size=(100, 5)), 1)[0]
        for _ in range(300)
    ]
    assert abs(np.mean(found)) < 3 * np.std(found) / np.sqrt(300)
    assert min(found) < 0 < max(found)


def test_kernel_distance_tells_a_shift_from_chance_and_its_draws_are_seeded():
    rng = np.random.default_rng(0)
    real, same, other = (rng.normal(shift, 1, size=(1000, 10)) for shift in (0, 0, 0.3))
    arguments = {"subsets": 50, "subset_size": 100}
    near, near_error = metrics.kernel_distance(real, same, **arguments)
    far, far_error = metrics.kernel_distance(real, other, **arguments)
    assert abs(near) < 4 * near_error and far > 10 * far_error
    assert (far, far_error) == metrics.kernel_distance(real, other, **arguments)
    assert far != metrics.kernel_distance(real, other, **arguments, seed=1)[0]


@pytest.mark.parametrize("distance", [metrics.frechet_distance, metrics.kernel_distance])
def test_features_that_cannot_be_compared_are_refused(distance):
    good = np.random.default_rng(0).normal(size=(5, 3))
    with pytest.raises(ValueError, match=r"at least 2 real and 2 generated .* got \[1, 3\] and \[5, 3\]"):
        distance(good[:1], good)
    with pytest.raises(ValueError, match=r"of one size; got \[5, 3\] and \[5, 2\]"):
        distance(good, good[:, :2])
    with pytest.raises(ValueError, match=r"of one size; got \[5, 3\] and \[3\]"):
        distance(good, good[0])
    bad = good.copy()
    bad[2, 1], bad[3] = np.nan, np.inf
    with pytest.raises(ValueError, match="those of 2 of 5 generated images are not"):
        distance(good, bad)


@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_nearest_is_that_of_all_distances(dtype):
    rng = np.random.default_rng(0)
    features, reference = (rng.integers(0, 255, (num, 12)).astype(dtype) for num in (70, 90))
    expected = cdist(features, reference)
    indices, distances = metrics.nearest(features, reference, chunk=32)
    assert indices.tolist() == expected.argmin(axis=1).tolist()
    np.testing.assert_allclose(distances, expected.min(axis=1))


def test_nearest_finds_equal_rows_at_0_among_large_numbers():
    reference = (np.random.default_rng(0).normal(size=(50, 2000)) + 1000).astype(np.float32)
    indices, distances = metrics.nearest(reference[[7, 3]], reference)
    assert indices.tolist() == [7, 3] and distances.tolist() == [0.0, 0.0]


def test_nearest_refuses_what_has_no_distance():
    with pytest.raises(ValueError, match=r"with m > 0; got \[2, 3\] and \[0, 3\]"):
        metrics.nearest(np.zeros((2, 3)), np.zeros((0, 3)))
    with pytest.raises(ValueError, match=r"got \[2, 3\] and \[2, 4\]"):
        metrics.nearest(np.zeros((2, 3)), np.zeros((2, 4)))


def test_copies_of_training_images_are_all_found():
    rng = np.random.default_rng(0)
    train, heldout = rng.normal(size=(500, 4)), rng.normal(size=(400, 4))
    own, near, equal = rng.normal(size=(100, 4)), train[:100] + 1e-6, train[:50]
    found = metrics.copies(
        *(
            metrics.nearest(each, train)[1]
            for each in (np.concatenate([own, near, equal]), np.concatenate([heldout, train[:2]]))
        )
    )
    assert found.duplicates.value == 50 / 250 and found.heldout_duplicates == 2 / 402
    assert found.heldout_copies == 4 / 400 and not found.is_usual
    assert 0.5 <= found.copies.value < 0.53 and found.copies.low > 0.42


def test_images_of_the_same_distribution_are_copies_as_often_as_held_out_ones():
    rng = np.random.default_rng(1)
    train, heldout, generated = (rng.normal(size=(2000, 4)) for _ in range(3))
    heldout[:40], generated[:40] = train[:40], train[40:80]
    found = metrics.copies(
        *(metrics.nearest(each, train)[1] for each in (generated, heldout)), share=0.05
    )
    assert found.duplicates.value == found.heldout_duplicates == 0.02
    assert found.heldout_copies == 0.05 and found.is_usual
    assert found.copies.low < 0.05 < found.copies.high


def test_either_kind_of_copy_is_unusual_where_it_is_more_frequent_than_among_held_out_images():
    heldout = np.array([0.0] * 10 + [1.0] + [2.0] * 99)
    assert metrics.copies(np.array([0.0] * 10 + [3.0] * 90), heldout).is_usual
    assert not metrics.copies(np.array([0.0] * 30 + [3.0] * 70), heldout).is_usual
    assert not metrics.copies(np.array([0.5] * 10 + [3.0] * 90), heldout).is_usual


def test_duplicates_alone_are_counted():
    found = metrics.copies(np.array([0.0, 1e-9]), np.zeros(5))
    assert (found.threshold, found.copies.value, found.heldout_copies) == (0.0, 0.0, 0.0)
    assert (found.duplicates.value, found.heldout_duplicates) == (0.5, 1.0) and found.is_usual
    found = metrics.copies(np.zeros(9), np.array([0.0, 1.0]))
    assert found.duplicates.value == 1.0 and np.isnan(found.copies.value) and not found.is_usual


def test_copies_refuse_what_they_cannot_count():
    with pytest.raises(ValueError, match=r"at least one held-out image; got 0, 0 of them not finite"):
        metrics.copies(np.ones(3), np.ones(0))
    with pytest.raises(ValueError, match=r"at least one generated image; got 2, 1 of them not finite"):
        metrics.copies(np.array([1.0, np.nan]), np.ones(3))
    with pytest.raises(ValueError, match=r"a share in \(0, 1\]; got 0"):
        metrics.copies(np.ones(3), np.ones(3), share=0)


def test_spread_is_the_root_mean_square_of_all_pairs():
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 255, (60, 3, 4), np.uint8), np.arange(60) % 3 - 1
    found = metrics.spread(images, labels, 3)
    for index in (0, 1):
        pairs = pdist(images[labels == index].reshape(-1, 12))
        assert found[index] == pytest.approx(np.sqrt(np.mean(pairs**2)))
    assert np.isnan(found[2])


def test_variety_is_1_of_real_images_and_0_where_all_are_alike():
    rng = np.random.default_rng(0)
    real, labels = rng.normal(size=(90, 5)), np.repeat([0, 1, 2], 30)
    generated = np.concatenate([real[:30], np.ones((30, 5)), (real[60:] + 7) * 0.5])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        spreads = [metrics.spread(each, labels, 4) for each in (generated, real)]
        found = metrics.variety(*spreads)
        np.testing.assert_allclose(found, [1, 0, 0.5, np.nan], atol=1e-9)
        assert np.isnan(metrics.variety(np.ones(1), np.zeros(1))).all()

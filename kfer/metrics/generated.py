"""Generated images beside real ones: how alike both sets are, which are copies, how much they vary.

Everything is of features, a row an image: what a network says of it, or its pixels.
"""

from dataclasses import dataclass

import numpy as np

from kfer.metrics.bootstrap import Interval, share_interval


@dataclass(frozen=True)
class Copies:
    """How many generated images copy a training image, beside held-out images, which do so by chance.

    Attributes:
        duplicates: The share of generated images that equal a training image, with its exact 95 %
            interval.
        heldout_duplicates: The share of held-out images that do.
        threshold: The distance up to which another image counts as a copy.
        copies: The share of the other generated images that do, with its exact 95 % interval; nan where
            all are duplicates.
        heldout_copies: The share of the other held-out images that do.
    """

    duplicates: Interval
    heldout_duplicates: float
    threshold: float
    copies: Interval
    heldout_copies: float

    @property
    def is_usual(self) -> bool:
        """Whether generated images are duplicates or copies no more often than chance may make them."""
        more_duplicates = self.duplicates.low > self.heldout_duplicates
        return not (more_duplicates or self.copies.low > self.heldout_copies)


def frechet_distance(real: np.ndarray, generated: np.ndarray) -> float:
    """Returns the Fréchet distance of normal distributions with the means and covariances of two sets.

    Heusel et al. 2017 (https://arxiv.org/abs/1706.08500), equation 6; the FID where the features are
    Inception's. Fewer images give a higher one: compare distances of equally many.

    Args:
        real: float [n, size], n at least 2, finite.
        generated: float [m, size], likewise.

    Returns:
        At least 0, in squared units of the features; 0 for the same set.

    Raises:
        ValueError: There are fewer than 2 rows, the sizes differ, or a feature is not finite.
    """
    real, generated = _checked(real, generated)
    means, factors = zip(*(_mean_and_factor(each) for each in (real, generated)), strict=True)
    # With covariances R'R, the trace of the root of their product is the sum of these singular values:
    # nothing is squared that a root must undo, and no root is of a number below 0.
    common = np.linalg.svd(factors[0] @ factors[1].T, compute_uv=False).sum()
    spread = sum(float(np.sum(factor**2)) for factor in factors)
    return max(0.0, float(np.sum((means[0] - means[1]) ** 2) + spread - 2 * common))


def kernel_distance(
    real: np.ndarray, generated: np.ndarray, subsets: int = 100, subset_size: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """Returns the squared maximum mean discrepancy of two sets, and its standard error over subsets.

    Bińkowski et al. 2018 (https://arxiv.org/abs/1801.01401), section 4: unbiased, so that it is 0 on
    average, and often below, where both sets are of one distribution; kernel (x.y / size + 1) ** 3. The
    KID where the features are Inception's. It expects features whose squares are about 1 on average: of
    embeddings of length 1 multiply each by the root of its size.

    Args:
        real: float [n, size], n at least 2, finite.
        generated: float [m, size], likewise.
        subsets: How many are drawn of either set, without replacement.
        subset_size: Rows of each, or all where there are fewer. The standard error does not see what
            subsets share: it is too small where they are most of a set.
        seed: Seeds the draws.

    Raises:
        ValueError: There are fewer than 2 rows, the sizes differ, or a feature is not finite.
    """
    real, generated = _checked(real, generated)
    rows = min(subset_size, len(real), len(generated))
    rng = np.random.default_rng(seed)
    found = np.empty(subsets)
    for number in range(subsets):
        x, y = (each[rng.choice(len(each), rows, replace=False)] for each in (real, generated))
        within = _mean_of_others(_kernel(x, x)) + _mean_of_others(_kernel(y, y))
        found[number] = within - 2 * _kernel(x, y).mean()
    error = found.std(ddof=1) / np.sqrt(subsets) if subsets > 1 else float("nan")
    return float(found.mean()), float(error)


def nearest(
    features: np.ndarray, reference: np.ndarray, chunk: int = 512
) -> tuple[np.ndarray, np.ndarray]:
    """Returns which row of a reference is nearest to each row, and how far it is (Euclidean).

    Args:
        features: float or uint8 [n, size].
        reference: float or uint8 [m, size], m at least 1.
        chunk: Rows that are compared at a time: it holds chunk x m distances.

    Returns:
        int64 [n], and float64 [n]; the distance of equal rows is exactly 0.

    Raises:
        ValueError: The reference is empty, or the sizes differ.
    """
    if not len(reference) or features.ndim != 2 or features.shape[1:] != reference.shape[1:]:
        raise ValueError(
            "expected features [n, size] and a reference [m, size] with m > 0; "
            f"got {list(features.shape)} and {list(reference.shape)}"
        )
    # Around their mean, so that float32 is exact enough to tell which one is nearest.
    middle = reference.mean(axis=0, dtype=np.float64).astype(np.float32)
    near = reference - middle
    squares = np.einsum("ij,ij->i", near, near) / 2
    indices, distances = np.empty(len(features), np.int64), np.empty(len(features))
    for start in range(0, len(features), chunk):
        own = features[start : start + chunk]
        chosen = (squares - (own - middle) @ near.T).argmin(axis=1)
        indices[start : start + chunk] = chosen
        apart = own.astype(np.float64) - reference[chosen]
        distances[start : start + chunk] = np.sqrt(np.einsum("ij,ij->i", apart, apart))
    return indices, distances


def copies(generated_distances: np.ndarray, heldout_distances: np.ndarray, share: float = 0.01) -> Copies:
    """Returns how many generated images are nearer to a training image than is usual of real ones.

    An image counts as a copy up to the distance that this share of held-out images has. Images that equal
    a training image are counted apart: datasets have some in two splits, and with many of them in the
    count the distance would be 0, which no copy by a generator is.

    Args:
        generated_distances: float [n], of each to the training image that is nearest, n at least 1.
        heldout_distances: float [m], likewise of real images that were not trained on.
        share: In (0, 1].

    Raises:
        ValueError: There are no distances, one is not finite, or the share is not in (0, 1].
    """
    generated, heldout = (np.asarray(each) for each in (generated_distances, heldout_distances))
    for name, distances in (("generated", generated), ("held-out", heldout)):
        if not len(distances) or not np.isfinite(distances).all():
            raise ValueError(
                f"expected finite distances of at least one {name} image; got {len(distances)}, "
                f"{int((~np.isfinite(distances)).sum())} of them not finite"
            )
    if not 0.0 < share <= 1.0:
        raise ValueError(f"expected a share in (0, 1]; got {share}")
    others, heldout_others = generated[generated > 0], heldout[heldout > 0]
    threshold = heldout_copies = 0.0
    if len(heldout_others):
        threshold = float(np.quantile(heldout_others, share, method="inverted_cdf"))
        heldout_copies = float(np.mean(heldout_others <= threshold))
    nan = float("nan")
    return Copies(
        duplicates=share_interval(int((generated == 0).sum()), len(generated)),
        heldout_duplicates=float(np.mean(heldout == 0)),
        threshold=threshold,
        copies=share_interval(int((others <= threshold).sum()), len(others))
        if len(others)
        else Interval(nan, nan, nan),
        heldout_copies=heldout_copies,
    )


def spread(features: np.ndarray, labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Returns the root mean square distance between two images of a class.

    Args:
        features: float or uint8 [n, ...], a row an image.
        labels: int [n], in [0, num_classes), or -1 where missing.
        num_classes: Classes there are.

    Returns:
        float64 [num_classes]; nan where a class has fewer than 2 images.
    """
    found = np.full(num_classes, np.nan)
    for index in range(num_classes):
        own = np.asarray(features[labels == index], np.float32)
        if len(own) > 1:
            # The mean of the squares over all pairs is twice the sum of the unbiased variances.
            found[index] = np.sqrt(2 * own.var(axis=0, ddof=1, dtype=np.float64).sum())
    return found


def variety(generated: np.ndarray, real: np.ndarray) -> np.ndarray:
    """Returns how much generated images of each class differ among themselves, as a share of real ones.

    Args:
        generated: float [classes], the `spread` of generated images.
        real: float [classes], that of real ones.

    Returns:
        float64 [classes]: 1 where they differ as much, 0 where they are all alike; nan where either is
        unknown, or real ones are all alike.
    """
    return np.divide(generated, real, out=np.full(len(real), np.nan), where=np.asarray(real) > 0)


def _checked(real: np.ndarray, generated: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    real, generated = np.asarray(real, np.float64), np.asarray(generated, np.float64)
    fits = real.ndim == generated.ndim == 2 and real.shape[1] == generated.shape[1]
    if not fits or min(len(real), len(generated)) < 2:
        raise ValueError(
            "expected features of at least 2 real and 2 generated images, [n, size] of one size; "
            f"got {list(real.shape)} and {list(generated.shape)}"
        )
    for name, features in (("real", real), ("generated", generated)):
        wrong = int((~np.isfinite(features).all(axis=1)).sum())
        if wrong:
            raise ValueError(
                f"expected finite features; those of {wrong} of {len(features)} {name} images are not"
            )
    return real, generated


def _mean_and_factor(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean, and R [at most size, size] with the unbiased covariance R'R."""
    mean = features.mean(axis=0)
    factor = np.linalg.qr(features - mean, mode="r")
    return mean, factor / np.sqrt(len(features) - 1)


def _kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    base = x @ y.T / x.shape[1] + 1
    return base * base * base  # many times faster than ** 3


def _mean_of_others(kernel: np.ndarray) -> float:
    """The mean kernel of two different rows of one set."""
    return float((kernel.sum() - np.trace(kernel)) / (len(kernel) * (len(kernel) - 1)))

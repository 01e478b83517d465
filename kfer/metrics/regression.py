"""Numbers: valence and arousal, angles of the head, places of landmarks. Missing labels are nan."""

from dataclasses import dataclass

import numpy as np

from kfer.metrics.arrays import checked_alike, mean_of_known


@dataclass(frozen=True)
class PerNumber:
    """Figures of each number, over the examples in which it is not missing; nan where there is none.

    Attributes:
        mean_absolute_error: float64 [numbers], at least 0, in the labels' unit.
        root_mean_squared_error: float64 [numbers], at least 0, in the labels' unit.
        pearson: float64 [numbers] in [-1, 1], the correlation; nan also where labels or predictions
            are all equal, and of one example.
        concordance: float64 [numbers] in [-1, 1], the concordance correlation coefficient; nan also of
            one example, and where labels and predictions are one and the same number.
        support: int64 [numbers], examples.
    """

    mean_absolute_error: np.ndarray
    root_mean_squared_error: np.ndarray
    pearson: np.ndarray
    concordance: np.ndarray
    support: np.ndarray

    def means(self) -> dict[str, float]:
        """Returns each figure's mean over the numbers that have one; nan where there is none."""
        return {name: mean_of_known(values) for name, values in vars(self).items() if name != "support"}


def per_number(labels: np.ndarray, predictions: np.ndarray) -> PerNumber:
    """Returns the errors of each number, and how well predictions follow the labels.

    The concordance correlation coefficient (Lin 1989, equation 1, with the moments of the sample) is
    `2 cov / (var_labels + var_predictions + (mean_labels - mean_predictions) ** 2)`: unlike Pearson's
    correlation, it falls with a wrong scale and a wrong mean.

    Args:
        labels: float [n, numbers], nan where missing.
        predictions: float [n, numbers].

    Raises:
        ValueError: The shapes differ.
    """
    labels, predictions = checked_alike(labels, predictions)
    figures = weighted_figures(labels, predictions, np.ones((1, len(labels))))
    support = (~np.isnan(labels)).sum(axis=0)
    return PerNumber(**{name: values[0] for name, values in figures.items()}, support=support)


def weighted_figures(
    labels: np.ndarray, predictions: np.ndarray, counts: np.ndarray
) -> dict[str, np.ndarray]:
    """Returns the figures of `PerNumber` for examples that count several times.

    Args:
        labels: float64 [n, numbers], nan where missing.
        predictions: float64 [n, numbers].
        counts: float64 [resamples, n], how often each example counts.

    Returns:
        float64 [resamples, numbers] by the figure's name.
    """
    known = ~np.isnan(labels)
    error = np.where(known, predictions - labels, 0.0)
    # Moments about the means: squares of large numbers would lose small differences.
    x, middle_x = _centred(labels, known)
    y, middle_y = _centred(predictions, known)
    support = counts @ known
    with np.errstate(invalid="ignore", divide="ignore"):
        mean_x, mean_y, xx, yy, xy, absolute, squared = (
            (counts @ part) / support
            for part in (x, y, x * x, y * y, x * y, np.abs(error), error * error)
        )
        variance_x, variance_y = _variance(xx, mean_x), _variance(yy, mean_y)
        covariance = xy - mean_x * mean_y
        apart = middle_x + mean_x - middle_y - mean_y
        pearson = covariance / (np.sqrt(variance_x) * np.sqrt(variance_y))
        concordance = 2 * covariance / (variance_x + variance_y + apart**2)
    varied = (variance_x > 0) & (variance_y > 0)
    several = (counts > 0).astype(np.float64) @ known >= 2
    return {
        "mean_absolute_error": absolute,
        "root_mean_squared_error": np.sqrt(squared),
        "pearson": np.where(several & varied, np.clip(pearson, -1.0, 1.0), np.nan),
        "concordance": np.where(several, concordance, np.nan),
    }


def _centred(numbers: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The numbers less the mean of those that are known, 0 where they are not; and the means."""
    middle = np.where(known, numbers, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return np.where(known, numbers - middle, 0.0), middle


def _variance(mean_of_squares: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """0 where it is no more than the rounding of equal numbers."""
    variance = mean_of_squares - mean**2
    return np.where(variance > 1e-12 * mean_of_squares, variance, 0.0)

"""Arrays of real labels, nan where missing, and of figures, nan where there is none."""

import numpy as np


def checked_alike(
    labels: np.ndarray, predictions: np.ndarray, what: str = "predictions"
) -> tuple[np.ndarray, np.ndarray]:
    """Returns labels and predictions as float64 [n, columns].

    Args:
        labels: float [n, columns].
        predictions: float [n, columns].
        what: What the predictions are called in the message.

    Raises:
        ValueError: The shapes differ, or are not of two dimensions.
    """
    labels, predictions = np.asarray(labels, np.float64), np.asarray(predictions, np.float64)
    if labels.ndim != 2 or labels.shape != predictions.shape:
        raise ValueError(
            f"expected labels and {what} of one shape [n, columns]; "
            f"got shapes {labels.shape} and {predictions.shape}"
        )
    return labels, predictions


def mean_of_known(figures: np.ndarray) -> float:
    """Returns the mean of the figures that are not nan; nan where all are."""
    known = figures[~np.isnan(figures)]
    return float(known.mean()) if len(known) else float("nan")

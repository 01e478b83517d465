"""Weights by which rare classes count more in a loss.

Weights are scaled so that their mean over the counted examples is 1: the loss keeps its size. A class
without examples gets 0: nothing is known of it, and an example of it that turns up later counts nothing.
"""

import numpy as np


def balanced(counts: np.ndarray) -> np.ndarray:
    """Returns weights by which each class counts alike, float32 `[num_classes]`.

    The inverse of its frequency: of `n` examples in `k` classes that have any, `n / (k * count)` (King
    and Zeng 2001, "Logistic Regression in Rare Events Data", section 4).

    Example:
        >>> print(balanced([20, 5, 0]))  # 25 / (2 * 20), 25 / (2 * 5)
        [0.625 2.5   0.   ]

    Args:
        counts: Examples of each class, `[num_classes]`; shares may be parts of an example.

    Raises:
        ValueError: A count is negative or not finite, or there is no example.
    """
    counts = _checked(counts)
    return _scaled(counts, counts)


def effective_number(counts: np.ndarray, beta: float = 0.9999) -> np.ndarray:
    """Returns weights by the inverse of each class's effective number of examples, float32.

    Cui et al. 2019, "Class-Balanced Loss Based on Effective Number of Samples", equation 2: `n` examples
    are worth `(1 - beta^n) / (1 - beta)`, since they overlap. Their weights add up to the number of
    classes; these have the mean of 1 over the examples.

    Example:
        >>> print(effective_number([1, 2], beta=0.5).round(4))  # 3 / (1 + 4/3) * (1 / 1, 1 / 1.5)
        [1.2857 0.8571]

    Args:
        counts: Examples of each class, `[num_classes]`; shares may be parts of an example.
        beta: In [0, 1): 0 weighs all examples alike; towards 1 it becomes `balanced`.

    Returns:
        Float32 `[num_classes]`.

    Raises:
        ValueError: A count is negative or not finite, there is no example, or beta is out of its range.
    """
    if not 0.0 <= beta < 1.0:
        raise ValueError(f"expected beta in [0, 1); got {beta}")
    counts = _checked(counts)
    if not beta:
        return _scaled(counts, (counts > 0).astype(np.float64))
    # 1 - beta^n, without losing digits where beta is near 1.
    return _scaled(counts, -np.expm1(counts * np.log(beta)))


def _scaled(counts: np.ndarray, worths: np.ndarray) -> np.ndarray:
    weights = np.divide(1.0, worths, out=np.zeros_like(counts), where=counts > 0)
    return (weights * counts.sum() / (weights * counts).sum()).astype(np.float32)


def _checked(counts: np.ndarray) -> np.ndarray:
    counts = np.asarray(counts, np.float64)
    if not (counts.ndim == 1 and np.isfinite(counts).all() and (counts >= 0).all() and counts.sum() > 0):
        raise ValueError(
            "expected the number of examples of each class, at least 0, and one of them above 0; "
            f"got {counts.tolist()}"
        )
    return counts

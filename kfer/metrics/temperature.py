"""Temperature scaling: one number by which logits are divided, so that confidence fits accuracy."""

import math

import numpy as np
from scipy import optimize, special

from kfer.metrics.arrays import checked_alike
from kfer.metrics.votes import label_shares

#: Between these a temperature is searched. One at an end says that the labels do not determine it.
LOWEST_TEMPERATURE, HIGHEST_TEMPERATURE = 0.05, 20.0


def fit_temperature(labels: np.ndarray, logits: np.ndarray) -> float | None:
    """Returns the temperature that gives labels the least negative log-likelihood.

    Guo et al. 2017, "On Calibration of Modern Neural Networks", section 4.2. It changes no answer, only
    how sure the network says it is. Fit it on validation examples: neither on those that the network
    learnt from, which it is too sure of, nor on those that it is judged by.

    Args:
        labels: int [n], -1 where missing; or votes, float [n, classes], a row of nan where missing.
        logits: float [n, classes], finite.

    Returns:
        A number between 0.05 and 20; above 1, the network is too sure of itself. None where no number
        in that range is best: without labels, where the logits tell all labels right (the less the
        temperature, the better), or where they say nothing about them (the higher, the better).
    """
    shares, known = label_shares(labels, np.shape(logits)[1])
    if not known.any():
        return None
    chosen = np.asarray(logits, np.float64)[known]
    # In 1 / temperature the function is convex, so it has one minimum over the logarithm too.
    ends = math.log(LOWEST_TEMPERATURE), math.log(HIGHEST_TEMPERATURE)
    found = optimize.minimize_scalar(
        lambda log: _mean_negative_log_likelihood(shares, chosen, math.exp(log)),
        bounds=ends,
        method="bounded",
        options={"xatol": 1e-6},
    ).x
    at_an_end = min(abs(found - end) for end in ends) < 1e-3
    return None if at_an_end else math.exp(found)


def negative_log_likelihood(labels: np.ndarray, logits: np.ndarray, temperature: float = 1.0) -> float:
    """Returns the mean negative log-likelihood of the labelled examples, in nats; nan without any.

    With votes, this is the mean cross-entropy with their shares.

    Args:
        labels: int [n], -1 where missing; or votes, float [n, classes], a row of nan where missing.
        logits: float [n, classes].
        temperature: The logits are divided by it.
    """
    shares, known = label_shares(labels, np.shape(logits)[1])
    if not known.any():
        return float("nan")
    return _mean_negative_log_likelihood(shares, np.asarray(logits, np.float64)[known], temperature)


def as_two_classes(labels: np.ndarray, logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns several labels an example as votes on two classes each: that it is not there, and is.

    The softmax of (0, logit) is the sigmoid of the logit, at every temperature.

    Args:
        labels: float [n, labels] in [0, 1], nan where missing.
        logits: float [n, labels].

    Returns:
        Votes, float64 [n * labels, 2], a row of nan where missing; and logits of the same shape.

    Raises:
        ValueError: The shapes differ.
    """
    labels, logits = checked_alike(labels, logits, "logits")
    votes = np.stack([1.0 - labels.ravel(), labels.ravel()], axis=1)
    return votes, np.stack([np.zeros(logits.size), logits.ravel()], axis=1)


def _mean_negative_log_likelihood(shares: np.ndarray, logits: np.ndarray, temperature: float) -> float:
    return float(-(shares * special.log_softmax(logits / temperature, axis=1)).sum(axis=1).mean())

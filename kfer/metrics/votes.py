"""Classes that several people voted on (FER+, for one). Rows of missing votes are nan."""

from dataclasses import dataclass

import numpy as np
from scipy import special

from kfer import spec
from kfer.metrics.arrays import checked_alike


@dataclass(frozen=True)
class Agreement:
    """How a network's answers agree with votes; nan where nothing is labelled.

    Attributes:
        agreement: Mean share of the votes that the network's top class has: how often somebody who
            voted says what the network says. In [0, 1].
        highest_agreement: What `agreement` would be with the class of most votes everywhere.
        cross_entropy: Mean of `-sum(votes * log(probabilities))`, in nats.
        divergence: Mean Kullback-Leibler divergence of the probabilities from the votes, in nats: the
            cross-entropy less the votes' own entropy. 0 where they are equal.
        support: Examples with votes.
    """

    agreement: float
    highest_agreement: float
    cross_entropy: float
    divergence: float
    support: int


def top_class(votes: np.ndarray) -> np.ndarray:
    """Returns the class of most votes, int64 [n]; -1 where votes are missing or two classes tie.

    Args:
        votes: float [n, classes], at least 0, a row of nan where missing.
    """
    votes = np.asarray(votes, np.float64)
    most = votes.max(axis=1, keepdims=True)
    single = np.sum(votes == most, axis=1) == 1
    return np.where(single, votes.argmax(axis=1), spec.MISSING_LABEL)


def agreement(votes: np.ndarray, probabilities: np.ndarray) -> Agreement:
    """Returns how a network's probabilities agree with votes.

    Args:
        votes: float [n, classes], at least 0 and not all 0, a row of nan where missing; each row
            counts as its shares, so that examples with many votes do not outweigh the rest.
        probabilities: float [n, classes] in [0, 1].

    Raises:
        ValueError: The shapes differ, or a row is partly nan, has a negative vote, or only zeros.
    """
    votes, probabilities = checked_alike(votes, probabilities, "probabilities")
    shares, known = vote_shares(votes)
    if not known.any():
        nan = float("nan")
        return Agreement(nan, nan, nan, nan, support=0)
    probabilities = probabilities[known]
    chosen = shares[np.arange(len(shares)), probabilities.argmax(axis=1)]
    # A probability that is rounded to 0 costs much (708 nats), not infinitely much.
    probabilities = np.maximum(probabilities, np.finfo(np.float64).tiny)
    cross_entropy = -special.xlogy(shares, probabilities).sum(axis=1)
    divergence = special.rel_entr(shares, probabilities).sum(axis=1)
    return Agreement(
        agreement=float(chosen.mean()),
        highest_agreement=float(shares.max(axis=1).mean()),
        cross_entropy=float(cross_entropy.mean()),
        divergence=float(divergence.mean()),
        support=len(shares),
    )


def label_shares(labels: np.ndarray, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns what `vote_shares` does; a label is one vote.

    Args:
        labels: int [n], -1 where missing; or votes, float [n, classes], a row of nan where missing.
        num_classes: Classes there are.

    Raises:
        ValueError: As in `vote_shares`.
    """
    labels = np.asarray(labels)
    if labels.ndim == 2:
        return vote_shares(labels)
    known = labels != spec.MISSING_LABEL
    return np.eye(num_classes)[labels[known].astype(np.int64)], known


def vote_shares(votes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns each class's share of the votes, float64 [known, classes], and which rows are known.

    Args:
        votes: float [n, classes], at least 0 and not all 0, a row of nan where missing.

    Returns:
        The shares, whose rows sum to 1; and bool [n], whether an example has votes.

    Raises:
        ValueError: A row is partly nan, has a negative vote, or only zeros.
    """
    votes = np.asarray(votes, np.float64)
    known = ~np.isnan(votes).all(axis=1)
    votes = votes[known]
    wrong = np.isnan(votes).any(axis=1) | (votes < 0).any(axis=1) | ~(votes.sum(axis=1) > 0)
    if wrong.any():
        raise ValueError(
            "expected votes of at least 0, some above, or nan for all classes where they are missing; "
            f"got {votes[wrong][0].tolist()}"
        )
    return votes / votes.sum(axis=1, keepdims=True), known

"""Whom a network takes for one person."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from kfer import metrics, spec
from kfer.metrics import Interval
from kfer.pairs import has_pairs, make_pairs
from kfer.settings import EvaluationSettings

#: Two of each kind, so that there are two folds with both kinds.
_FEWEST_PAIRS = 4


@dataclass(frozen=True)
class Pairs:
    """Verification pairs as a network sees them.

    Attributes:
        similarities: float [n], cosines.
        same: bool [n], whether both images show one person.
        folds: int [n], the fold of each pair.
    """

    similarities: np.ndarray
    same: np.ndarray
    folds: np.ndarray

    def __len__(self) -> int:
        return len(self.same)


@dataclass(frozen=True)
class Faces:
    """Embeddings of images, and who is on them.

    Attributes:
        identities: int [n], -1 where missing.
        embeddings: float [n, size] of length 1.
        settings: How many pairs are made of them, their folds and seed.
        threshold: Similarity from which a pair is accepted in use; None where none was chosen.
    """

    identities: np.ndarray
    embeddings: np.ndarray
    settings: EvaluationSettings
    threshold: float | None = None

    def chosen(self, examples: np.ndarray) -> "Faces":
        """Some of the faces, bool [n] or indices."""
        parts = (self.identities[examples], self.embeddings[examples])
        return Faces(*parts, self.settings, self.threshold)

    def accepted_from(self, threshold: Mapping[str, float] | None) -> "Faces":
        """The same faces with what `choose_threshold` chose."""
        return dataclasses.replace(self, threshold=threshold["threshold"] if threshold else None)

    @cached_property
    def pairs(self) -> Pairs | None:
        """Pairs made of the faces; None where there are not two of each kind."""
        if not has_pairs(self.identities):
            return None
        settings = self.settings
        first, second, same = make_pairs(self.identities, settings.max_pairs, settings.seed)
        if len(same) < _FEWEST_PAIRS:
            return None
        similarities = similarities_of(self.embeddings[first], self.embeddings[second])
        return Pairs(similarities, same, metrics.folds_of(same, None, settings.folds))

    def sizes(self) -> dict[str, int]:
        """`num_examples` whose person is known, and `num_pairs` made of them."""
        known = int(np.sum(self.identities != spec.MISSING_LABEL))
        return {"num_examples": known, "num_pairs": len(self.pairs) if self.pairs else 0}

    def intervals(self, resamples: int, seed: int) -> dict[str, Interval]:
        """Returns how well the pairs made of these faces are told, with 95 % intervals over pairs.

        Returns:
            "accuracy" with thresholds that suit these very faces best, over folds; and, where a threshold
            was chosen, "true_accept_rate" and "false_accept_rate" at it. Nothing without pairs.
        """
        pairs = self.pairs
        if pairs is None:
            return {}
        found = metrics.pair_intervals(pairs.similarities, pairs.same, pairs.folds, (), resamples, seed)
        if self.threshold is not None:
            found |= metrics.accept_intervals(
                pairs.similarities, pairs.same, self.threshold, resamples, seed
            )
        return found


def similarities_of(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Returns the cosine of each row with the same row of the other, [n]; rows have length 1."""
    return np.sum(first * second, axis=1)

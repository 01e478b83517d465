"""Exact search: a quick float32 product finds candidates, float64 puts them in order.

The order of a float32 product's sums depends on how many queries and templates are multiplied at a
time. So it only sorts out templates that cannot be among the best, with its largest possible error
allowed for. What is left is scored row by row in float64: one query alone and in a batch have the same
result to the last bit, and equal templates have equal similarities wherever they lie.
"""

import numpy as np

#: Queries that are multiplied with a block of templates at a time.
BATCH = 64
# Scores that are held at a time, 4 MiB, and the most templates of a block, which is read once.
_SCORES, _LARGEST_BLOCK = 2**20, 2**16
# Templates that are scored exactly at a time, at first and at most.
_FEWEST, _MOST = 64, 4096


class Ranking:
    """The best people for one query, of the templates seen so far.

    Attributes:
        owners: The people's numbers in the order of enrolment, int32 `[n]` with n <= k, best first; of
            equally similar people the one who was enrolled first.
        similarities: Cosines of their best templates, float64 `[n]` in [-1, 1].
        k: How many people to keep.
        threshold: The least similarity that counts; minus infinity for any.
    """

    def __init__(
        self,
        embeddings: np.ndarray,
        owners: np.ndarray,
        query: np.ndarray,
        k: int,
        threshold: float | None,
    ) -> None:
        """Starts without any people.

        Args:
            embeddings: Templates of length 1, float32 `[num_templates, embedding_size]`.
            owners: The number of each template's person, int32 `[num_templates]`.
            query: An embedding of length 1, float32 `[embedding_size]`.
            k: How many people to keep.
            threshold: The least similarity that counts; None for any.
        """
        self._embeddings, self._owner_of = embeddings, owners
        self._query = query.astype(np.float64)
        self.k = k
        self.threshold = -np.inf if threshold is None else threshold
        # The largest error of a float32 product is half of that (Higham, Accuracy and Stability of
        # Numerical Algorithms, 2002, eq. 3.5); the rest is for rounding a bar itself.
        self._slack = (len(query) + 16) * float(np.finfo(np.float32).eps)
        self.owners = np.empty(0, np.int32)
        self.similarities = np.empty(0)

    @property
    def is_full(self) -> bool:
        """Whether there are k people."""
        return len(self.owners) == self.k

    @property
    def bar(self) -> float:
        """The least float32 score with which a template may change the ranking."""
        worst = float(self.similarities[-1]) if self.is_full else -np.inf
        return max(worst, self.threshold) - self._slack

    def offer(self, rows: np.ndarray, scores: np.ndarray) -> None:
        """Takes in templates, most of which may be of no use.

        Args:
            rows: Which templates, integers `[n]`.
            scores: Their float32 scores `[n]`.
        """
        chunk = max(_FEWEST, 2 * self.k)
        while True:
            useful = scores >= self._bars(rows)
            rows, scores = rows[useful], scores[useful]
            if len(rows) <= chunk:
                break
            # The best ones first: they raise the bar for the others.
            order = np.argpartition(scores, -chunk)
            self.add(rows[order[-chunk:]])
            rows, scores = rows[order[:-chunk]], scores[order[:-chunk]]
            chunk = min(2 * chunk, max(_MOST, chunk))
        if len(rows):
            self.add(rows)

    def add(self, rows: np.ndarray) -> float:
        """Takes in templates, scores each of them exactly, and returns the least similarity.

        Args:
            rows: Which templates, integers `[n]` with n > 0.
        """
        similarities = (self._embeddings[rows].astype(np.float64) * self._query).sum(axis=1)
        np.clip(similarities, -1, 1, out=similarities)
        least = float(similarities.min())
        counts = similarities >= self.threshold
        similarities = np.concatenate([self.similarities, similarities[counts]])
        owners = np.concatenate([self.owners, self._owner_of[rows[counts]]])
        order = np.lexsort((owners, -similarities))
        # The first of a person is the person's best.
        _, first = np.unique(owners[order], return_index=True)
        best = order[np.sort(first)[: self.k]]
        self.owners, self.similarities = owners[best], similarities[best]
        return least

    def _bars(self, rows: np.ndarray) -> np.ndarray:
        """For each template `bar`, or what its person has reached already where that is more."""
        bars = np.full(len(rows), self.bar)
        if len(self.owners):
            order = np.argsort(self.owners)
            known, reached = self.owners[order], self.similarities[order]
            owners = self._owner_of[rows]
            places = np.minimum(np.searchsorted(known, owners), len(known) - 1)
            same = known[places] == owners
            bars[same] = np.maximum(bars[same], reached[places[same]] - self._slack)
        return bars


def scan(embeddings: np.ndarray, queries: np.ndarray, rankings: list[Ranking], start: int = 0) -> None:
    """Offers every template to the rankings.

    Args:
        embeddings: Templates of length 1, float32 `[num_templates, embedding_size]`.
        queries: Embeddings of length 1, float32 `[n, embedding_size]` with 0 < n <= `BATCH`.
        rankings: One of each query.
        start: The first template to look at.
    """
    size = min(_LARGEST_BLOCK, _SCORES // len(queries))
    for first in range(start, len(embeddings), size):
        scores = queries @ embeddings[first : first + size].T
        # In float64 the comparison would convert every score.
        bars = np.array([ranking.bar for ranking in rankings], np.float32)
        passes = scores >= bars[:, np.newaxis]
        for index in np.flatnonzero(passes.any(axis=1)):
            found = np.flatnonzero(passes[index])
            rankings[index].offer(found + first, scores[index, found])

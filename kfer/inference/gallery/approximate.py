"""Approximate search with usearch's HNSW graph (Malkov and Yashunin, 2016, arXiv:1603.09320).

The graph finds candidates, whose similarities are computed exactly. It holds its own copies of the
templates, as int8, so what is removed from a gallery must be removed from it too.
"""

import threading
from types import ModuleType
from typing import Any

import numpy as np

from kfer import forks
from kfer.inference.gallery import graph
from kfer.inference.gallery.search import Ranking

# Of a million templates of 200,000 people (tests/inference/test_gallery_million.py) a search with 256
# finds 0.999 of the five closest templates in 1.8 ms, and 0.96 of the five closest people, whose later
# places are nobody's in particular; with 384 it is 0.98 of these in 2.4 ms. Twice the connectivity
# finds more with fewer, takes as long for the same recall, and twice as long to build.
_CONNECTIVITY, _EXPANSION_ADD, _EXPANSION_SEARCH = 16, 128, 256
# So many templates are inserted one after the other, in a second or two: what is found then does not hang
# on how threads happened to run.
_ALONE = 10_000
# Candidates asked for at first, and the most; with more the graph is no quicker than looking at all.
_FEWEST, _MOST = 64, 2048


class ApproximateIndex(forks.OfOneProcess):
    """A graph over the first templates of a gallery; later ones are searched exactly.

    A template's key in the graph is never used again, so that removing a person moves no other one.

    Attributes:
        rows: The template of each key, int32 `[num_keys]`; -1 where it was removed. The others are
            0, 1, 2 ... in this order.
    """

    def __init__(self, embedding_size: int) -> None:
        """Makes an index without any template.

        Raises:
            ImportError: usearch is not installed.
        """
        self._graph = _new_graph(embedding_size)
        self._content: memoryview | None = None
        # usearch's contexts of threads are not shared between searches that run at the same time.
        self._lock = threading.Lock()
        self.rows = np.empty(0, np.int32)

    @classmethod
    def view(cls, content: memoryview, rows: np.ndarray, embedding_size: int) -> "ApproximateIndex":
        """Returns an index that lies in memory, or in a mapped file; it is copied when it changes.

        Args:
            content: What `to_bytes` returned.
            rows: What `rows` was.
            embedding_size: How many numbers an embedding has.

        Raises:
            ImportError: usearch is not installed.
            RuntimeError: The installed usearch cannot read it.
            ValueError: It is no graph of these templates, or a damaged one.
        """
        index = cls(embedding_size)
        graph.check(content, len(rows), embedding_size)
        index._graph.view(content)
        if len(index._graph) != len(rows):
            raise RuntimeError(f"it holds {len(index._graph)} templates of {len(rows)}")
        index._content, index.rows = content, rows
        return index

    @property
    def num_templates(self) -> int:
        """How many templates it covers: the first ones of the gallery."""
        return int(np.count_nonzero(self.rows >= 0))

    @property
    def num_removed(self) -> int:
        """How many keys belong to no template any more."""
        return len(self.rows) - self.num_templates

    def extend(self, embeddings: np.ndarray) -> None:
        """Covers the templates that follow those which it covers already.

        Args:
            embeddings: Templates of length 1, float32 `[n, embedding_size]`.
        """
        self.check_process()
        self._copy()
        first, row = len(self.rows), self.num_templates
        keys = np.arange(first, first + len(embeddings), dtype=np.uint64)
        # Threads that insert at the same time do not see each other's, which a small graph misses.
        alone = max(_ALONE - first, 0)
        for part, threads in ((slice(alone), 1), (slice(alone, None), 0)):
            if len(keys[part]):
                self._graph.add(keys[part], embeddings[part], threads=threads)
        new = np.arange(row, row + len(embeddings), dtype=np.int32)
        self.rows = np.concatenate([self.rows, new])

    def remove(self, removed: np.ndarray) -> None:
        """Forgets templates, and writes random numbers over what the graph held of them.

        Args:
            removed: Which templates of the gallery go, bool `[num_templates of the gallery]`.
        """
        covered = self.rows >= 0
        gone = np.zeros(len(self.rows), bool)
        gone[covered] = removed[self.rows[covered]]
        if gone.any():
            self.check_process()
            self._copy()
            generator = np.random.default_rng()
            for key in np.flatnonzero(gone):
                # A removed key's vector stays in the graph until the next vector takes its place.
                self._graph.remove(int(key))
                self._graph.add(int(key), generator.standard_normal(self._graph.ndim).astype(np.float32))
        left = covered & ~gone
        self.rows = np.where(left, np.cumsum(left) - 1, -1).astype(np.int32)

    def offer(self, queries: np.ndarray, rankings: list[Ranking], num_people: int) -> np.ndarray:
        """Adds to each ranking the templates that are probably the best of those it covers.

        Args:
            queries: Embeddings of length 1, float32 `[n, embedding_size]`.
            rankings: One of each query.
            num_people: How many people the gallery holds.

        Returns:
            Which rankings must see every template, since their people have too many templates for the
            graph to find others: bool `[n]`.
        """
        per_person = -(-len(self.rows) // num_people)
        count = min(max(_FEWEST, 2 * per_person * rankings[0].k), _MOST, len(self.rows))
        unfinished = np.arange(len(queries))
        while len(unfinished):
            found = self._search(queries[unfinished], count)
            unfinished = np.array(
                [
                    index
                    for index, rows in zip(unfinished, found, strict=True)
                    if not self._is_enough(rankings[index], rows)
                ],
                np.int64,
            )
            if count in (_MOST, len(self.rows)):
                break
            count = min(4 * count, _MOST, len(self.rows))
        incomplete = np.zeros(len(queries), bool)
        incomplete[unfinished] = True
        return incomplete

    def to_bytes(self) -> memoryview:
        """The graph as `view` takes it."""
        return memoryview(self._graph.save()) if self._content is None else self._content

    def _is_enough(self, ranking: Ranking, rows: np.ndarray) -> bool:
        if len(rows) == 0:
            return False
        least = ranking.add(rows)
        # All that was not found is less similar still.
        return ranking.is_full or least < ranking.threshold

    def _search(self, queries: np.ndarray, count: int) -> list[np.ndarray]:
        self.check_process()
        with self._lock:
            matches = self._graph.search(queries, count)
        # For one query usearch's answer has another form.
        counts = [len(matches)] if len(queries) == 1 else matches.counts
        found = [
            self.rows[keys[:number]]
            for keys, number in zip(np.atleast_2d(matches.keys), counts, strict=True)
        ]
        return [rows[rows >= 0] for rows in found]

    def _copy(self) -> None:
        if self._content is not None:
            copy = _new_graph(self._graph.ndim)
            copy.load(self._content)
            copy.expansion_add, copy.expansion_search = _EXPANSION_ADD, _EXPANSION_SEARCH
            self._graph, self._content = copy, None


def _new_graph(embedding_size: int) -> Any:
    return _usearch().Index(
        ndim=embedding_size,
        metric="cos",
        dtype="i8",
        connectivity=_CONNECTIVITY,
        expansion_add=_EXPANSION_ADD,
        expansion_search=_EXPANSION_SEARCH,
    )


def _usearch() -> ModuleType:
    try:
        from usearch import index
    except ImportError as error:
        raise ImportError(
            'the approximate index needs usearch, which is missing: pip install "kfer[gallery]"'
        ) from error
    return index

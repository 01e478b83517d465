"""A gallery of enrolled people, in memory and in one file."""

import contextlib
import difflib
import logging
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from kfer.inference.gallery import file
from kfer.inference.gallery.approximate import ApproximateIndex
from kfer.inference.gallery.file import GalleryError
from kfer.inference.gallery.people import Match, checked_name, normalised
from kfer.inference.gallery.search import BATCH, Ranking, scan
from kfer.inference.thresholds import check_similarity

#: From this number of templates on, `Gallery.save` builds the approximate index by itself.
APPROXIMATE_FROM = 1_000_000
# Shares of the templates: what may be searched beside an index, and what of it may be removed, before
# `Gallery.save` works on it. Looking at a fiftieth of a million templates takes under a millisecond.
_LARGEST_TAIL, _MOST_REMOVED = 0.02, 0.1
_GROWTH = 1.5
# With more names, looking for similar ones takes too long for an error's message.
_MOST_TO_COMPARE = 10_000
_log = logging.getLogger(__name__)


class Gallery:
    """The people that shall be known, each with one or more templates: embeddings of their faces.

    `identify` may be called from several threads at once. `enroll`, `remove` and `build_index` need one
    thread, and nothing else that runs at the same time. Several processes may read a file while one
    writes it: readers keep what they have opened. `edit` is the way to change a file that others may
    change too.

    Attributes:
        model: The fingerprint of the model whose embeddings these are.
        embedding_size: How many numbers an embedding has.
    """

    def __init__(self, model: str, embedding_size: int) -> None:
        """Makes a gallery without any people.

        Args:
            model: The fingerprint of the model whose embeddings it shall hold.
            embedding_size: How many numbers an embedding has.

        Raises:
            ValueError: The fingerprint is empty or has line breaks, or the size is no positive integer.
        """
        self.model = _checked_model(model)
        if not isinstance(embedding_size, (int, np.integer)) or embedding_size < 1:
            raise ValueError(f"embedding_size must be a positive integer; got {embedding_size!r}")
        self.embedding_size = int(embedding_size)
        self._names: list[str] = []
        self._numbers: dict[str, int] = {}
        # Both may be longer than the number of templates: the rest is room to grow.
        self._owners = np.empty(0, np.int32)
        self._embeddings = np.empty((0, embedding_size), np.float32)
        self._num_templates = 0
        self._index: ApproximateIndex | None = None

    @classmethod
    def load(cls, path: Path | str, model: str | None = None) -> "Gallery":
        """Returns the gallery in a file. The file is mapped, and copied when something changes.

        Args:
            path: The file.
            model: The fingerprint of the model that shall be used; None to take any.

        Raises:
            FileNotFoundError: There is no such file.
            GalleryError: It is no gallery, is damaged, was written by a newer kfer, or holds another
                model's embeddings.
        """
        path = Path(path)
        contents = file.read(path)
        if model is not None and contents.model != model:
            raise GalleryError(
                f"{path} holds embeddings of the model {contents.model!r}, not of {model!r}, and those "
                "of two models cannot be compared: load the model it was made with, or enrol the people "
                "anew in another file"
            )
        gallery = cls(contents.model, contents.embeddings.shape[1])
        gallery._name(contents.names)
        gallery._owners, gallery._embeddings = contents.owners, contents.embeddings
        gallery._num_templates = len(contents.owners)
        if len(contents.graph):
            gallery._index = _viewed(contents, path)
        return gallery

    @classmethod
    @contextlib.contextmanager
    def edit(cls, path: Path | str, model: str, embedding_size: int) -> Iterator["Gallery"]:
        """Yields the gallery in a file, or a new one, and saves it where the block ends without error.

        One block at a time: others wait, in other processes and in other threads.

        Args:
            path: The file. Beside it lies an empty lock file, of the same name with ".lock".
            model: The fingerprint of the model whose embeddings it holds.
            embedding_size: How many numbers an embedding has.

        Raises:
            FileNotFoundError: The file's folder does not exist.
            GalleryError: As of `load`, or the embeddings have another size.
            OSError: It cannot be written; what was there stays.
        """
        with file.locked(Path(path)) as real_path:
            if real_path.exists():
                gallery = cls.load(real_path, model)
            else:
                gallery = cls(model, embedding_size)
            if gallery.embedding_size != embedding_size:
                raise GalleryError(
                    f"{path} holds embeddings of {gallery.embedding_size} numbers, not of "
                    f"{embedding_size}: give the model it was made with, or another file"
                )
            yield gallery
            gallery.save(real_path)

    @property
    def names(self) -> tuple[str, ...]:
        """The people, in the order in which they were enrolled."""
        return tuple(self._names)

    @property
    def templates(self) -> dict[str, int]:
        """How many templates each person has, in the order of enrolment."""
        counts = np.bincount(self._owners[: self._num_templates], minlength=len(self._names))
        return dict(zip(self._names, counts.tolist(), strict=True))

    def __len__(self) -> int:
        """The number of templates."""
        return self._num_templates

    def enroll(self, name: str, embeddings: np.ndarray) -> None:
        """Adds templates of a person, who may have some already.

        Args:
            name: The person's name, in any script; equal in Unicode's composed form is equal.
            embeddings: Numbers of any length other than zero, `[n, embedding_size]` with n > 0, or
                `[embedding_size]`.

        Raises:
            ValueError: The name is blank or holds control characters or line breaks; the embeddings have
                another shape or type, or one is zero or not finite. Nothing is enrolled then.
        """
        name = checked_name(name)
        new = normalised(embeddings, self.embedding_size)
        if not len(new):
            raise ValueError(f"at least one embedding is needed to enrol {name!r}; got none")
        start, end = self._num_templates, self._num_templates + len(new)
        if end > len(self._owners) or not self._owners.flags.writeable:
            room = max(end, int(_GROWTH * start))
            owners = np.empty(room, np.int32)
            matrix = np.empty((room, self.embedding_size), np.float32)
            owners[:start], matrix[:start] = self._owners[:start], self._embeddings[:start]
            self._owners, self._embeddings = owners, matrix
        if name not in self._numbers:
            self._numbers[name] = len(self._names)
            self._names.append(name)
        self._owners[start:end] = self._numbers[name]
        self._embeddings[start:end] = new
        self._num_templates = end

    def remove(self, name: str) -> int:
        """Deletes a person, and returns how many templates that were.

        After the next `save` no byte of them is left in the file. Copies of the file, and what a disk
        keeps of files that were replaced, are beyond its reach.

        Raises:
            KeyError: Nobody of this name is enrolled.
        """
        name = unicodedata.normalize("NFC", name)
        if name not in self._numbers:
            raise KeyError(self._unknown(name))
        number = self._numbers[name]
        owners = self._owners[: self._num_templates]
        gone = owners == number
        if self._index is not None:
            self._index.remove(gone)
        # New arrays, so that nothing is left in the room behind the last template.
        self._embeddings = self._embeddings[: self._num_templates][~gone]
        owners = owners[~gone]
        self._owners = owners - (owners > number).astype(np.int32)
        self._num_templates = len(owners)
        self._name(self._names[:number] + self._names[number + 1 :])
        return int(np.count_nonzero(gone))

    def identify(
        self, embeddings: np.ndarray, k: int = 5, threshold: float | None = None
    ) -> list[list[Match]]:
        """Returns who the faces may be.

        The search is exact, or finds nearly all that an exact one does where the gallery has an
        approximate index (see `build_index`); what it finds has its exact similarity and order.

        Args:
            embeddings: Numbers of any length other than zero, `[n, embedding_size]` or
                `[embedding_size]`.
            k: The most people to return of a face.
            threshold: The least similarity, in [-1, 1]; None for any.

        Returns:
            For each face at most k matches, of k different people, the most similar first; of equally
            similar ones the person who was enrolled first. An empty list says that nobody enrolled
            reaches the threshold. A person is as similar as the closest template.

        Raises:
            ValueError: The embeddings have another shape or type, or one is zero or not finite; k is
                no positive integer; the threshold is outside of [-1, 1].
        """
        if not isinstance(k, (int, np.integer)) or k < 1:
            raise ValueError(f"k must be a positive integer; got {k!r}")
        if threshold is not None:
            check_similarity(threshold)
        queries = normalised(embeddings, self.embedding_size)
        if not len(self):
            return [[] for _ in queries]
        rankings = [
            ranking
            for start in range(0, len(queries), BATCH)
            for ranking in self._ranked(queries[start : start + BATCH], k, threshold)
        ]
        return [
            [
                Match(self._names[owner], similarity)
                for owner, similarity in zip(
                    ranking.owners.tolist(), ranking.similarities.tolist(), strict=True
                )
            ]
            for ranking in rankings
        ]

    def build_index(self) -> None:
        """Builds the approximate index of all templates, or adds those that it lacks.

        With it a search among a million templates takes about two milliseconds on one core. Building it
        takes ten minutes on one core, and half of the templates' own bytes in memory and in the file.
        Templates that are enrolled later are searched beside it.

        Raises:
            ImportError: usearch is not installed; it comes with the extra "gallery".
        """
        index = self._index
        if not len(self):
            self._index = None
            return
        if index is None or index.num_removed > _MOST_REMOVED * len(index.rows):
            index = ApproximateIndex(self.embedding_size)
        if index.num_templates < len(self):
            index.extend(self._embeddings[index.num_templates : len(self)])
        self._index = index

    def save(self, path: Path | str) -> None:
        """Writes the gallery to a file, which is whole or as it was before, and replaces what was there.

        It takes turns with `edit`, but knows nothing of what others have written since this gallery was
        loaded. From `APPROXIMATE_FROM` templates on it builds the approximate index where usearch is
        installed, which takes minutes at first.

        Args:
            path: The file.

        Raises:
            FileNotFoundError: The file's folder does not exist.
            OSError: It cannot be written; what was there stays.
        """
        with file.locked(Path(path)) as real_path:
            if len(self) >= APPROXIMATE_FROM:
                self._keep_index()
            owners, embeddings = self._owners[: len(self)], self._embeddings[: len(self)]
            rows, graph = np.empty(0, np.int32), memoryview(b"")
            if self._index is not None:
                rows, graph = self._index.rows, self._index.to_bytes()
            file.write(real_path, file.Contents(self.model, self._names, owners, embeddings, rows, graph))

    def _name(self, names: list[str]) -> None:
        self._names = names
        self._numbers = {name: number for number, name in enumerate(names)}

    def _ranked(self, queries: np.ndarray, k: int, threshold: float | None) -> list[Ranking]:
        embeddings, owners = self._embeddings[: len(self)], self._owners[: len(self)]
        k = min(k, len(self._names))
        rankings = [Ranking(embeddings, owners, query, k, threshold) for query in queries]
        if self._index is None:
            scan(embeddings, queries, rankings)
            return rankings
        incomplete = self._index.offer(queries, rankings, len(self._names))
        for chosen, start in ((~incomplete, self._index.num_templates), (incomplete, 0)):
            if chosen.any():
                few = [ranking for ranking, is_chosen in zip(rankings, chosen, strict=True) if is_chosen]
                scan(embeddings, queries[chosen], few, start)
        return rankings

    def _keep_index(self) -> None:
        index = self._index
        if (
            index is None
            or len(self) - index.num_templates > _LARGEST_TAIL * len(self)
            or index.num_removed > _MOST_REMOVED * len(index.rows)
        ):
            try:
                self.build_index()
            except ImportError as error:
                _log.warning("the gallery is saved without an approximate index: %s", error)

    def _unknown(self, name: str) -> str:
        few = len(self._names) <= _MOST_TO_COMPARE
        close = difflib.get_close_matches(name, self._names, 3) if few else []
        hint = f"; did you mean {' or '.join(map(repr, close))}?" if close else ""
        return f"nobody named {name!r} is among the {len(self._names)} people of the gallery{hint}"


def _viewed(contents: file.Contents, path: Path) -> ApproximateIndex | None:
    try:
        return ApproximateIndex.view(contents.graph, contents.rows, contents.embeddings.shape[1])
    except (ImportError, RuntimeError, ValueError) as error:
        # Exact search finds the same and more, only later.
        _log.warning("%s is searched, and would be saved, without its approximate index: %s", path, error)
        return None


def _checked_model(model: str) -> str:
    if not isinstance(model, str) or not model.strip() or not model.isprintable():
        raise ValueError(f"model must be a fingerprint, a string of one line; got {model!r}")
    return model

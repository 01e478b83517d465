"""Who is enrolled, and what any store of enrolled people can do."""

import dataclasses
import unicodedata
from collections.abc import Sequence
from typing import Protocol

import numpy as np

# Control characters, half surrogate pairs (which no file can hold), line and paragraph separators.
_REFUSED = frozenset({"Cc", "Cs", "Zl", "Zp"})
_ROWS = 65536


@dataclasses.dataclass(frozen=True)
class Match:
    """A person that a face may be.

    Attributes:
        name: The person's name.
        similarity: Cosine of the angle between the face's embedding and the person's closest template,
            in [-1, 1]; higher is closer.
    """

    name: str
    similarity: float


class PersonStore(Protocol):
    """What an app needs of a store of people: `Gallery` is one, a client of a vector database another."""

    @property
    def names(self) -> tuple[str, ...]:
        """The people, in the order in which they were enrolled."""

    def enroll(self, name: str, embeddings: np.ndarray) -> None:
        """Adds templates of a person: `[n, embedding_size]` or `[embedding_size]`."""

    def remove(self, name: str) -> int:
        """Deletes a person, and returns how many templates that were."""

    def identify(
        self, embeddings: np.ndarray, k: int = 5, threshold: float | None = None
    ) -> Sequence[Sequence[Match]]:
        """Returns for each embedding at most k people, the closest first."""


def checked_name(name: str) -> str:
    """Returns a name in Unicode's composed form (NFC), in which equal names are equal strings.

    Raises:
        ValueError: It is empty or blank, or holds control characters, line breaks or half surrogates.
    """
    if not isinstance(name, str) or not name.strip():
        raise ValueError(f"a name must be a string of at least one visible character; got {name!r}")
    refused = [c for c in name if unicodedata.category(c) in _REFUSED]
    if refused:
        raise ValueError(
            f"a name must hold no control characters, line breaks or half surrogates; {name!r} holds "
            f"U+{ord(refused[0]):04X}"
        )
    return unicodedata.normalize("NFC", name)


def normalised(embeddings: np.ndarray, embedding_size: int) -> np.ndarray:
    """Returns embeddings of length 1. A row's result does not depend on the other rows.

    Args:
        embeddings: Numbers, `[n, embedding_size]` or `[embedding_size]`.
        embedding_size: How many numbers an embedding has.

    Returns:
        float32 `[n, embedding_size]`, in [-1, 1].

    Raises:
        ValueError: They have another shape or type, or one is zero or holds NaN or infinity.
    """
    array = np.asarray(embeddings)
    rows = array[np.newaxis] if array.ndim == 1 else array
    if rows.dtype.kind not in "fiu" or rows.ndim != 2 or rows.shape[1] != embedding_size:
        raise ValueError(
            f"embeddings must be numbers, [n, {embedding_size}] or [{embedding_size}]; got "
            f"{array.dtype} {list(array.shape)}"
        )
    unit = np.empty(rows.shape, np.float32)
    for start in range(0, len(rows), _ROWS):
        block = rows[start : start + _ROWS].astype(np.float64)
        peaks = np.abs(block).max(axis=1, keepdims=True)
        for fails, what in ((~np.isfinite(peaks), "holds NaN or infinity"), (peaks == 0, "is zero")):
            if fails.any():
                row = start + int(np.flatnonzero(fails)[0])
                raise ValueError(f"embedding {row} {what}: it says nothing of a face; leave it out")
        # Divided by its largest number first, no square runs over or vanishes.
        block /= peaks
        unit[start : start + _ROWS] = block / np.sqrt((block * block).sum(axis=1, keepdims=True))
    return unit

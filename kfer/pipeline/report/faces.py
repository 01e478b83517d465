"""Decoded examples as the report shows them: who and what there is, and some of the faces."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from kfer import spec

#: Raw bytes of a face at most, which bounds the page: 86 pixels a side in grey, 50 in RGB.
_FACE_BYTES = 7500
#: Faces of the sample at most, over all rows, and in one row.
_SAMPLE, _ROW = 120, 8
_PEOPLE_SHOWN = 6
#: Frames of a clip that are shown.
_STRIP = 8


@dataclass(frozen=True)
class Face:
    """A face to show.

    Attributes:
        image: The PNG as a data URI.
        title: Its label; empty where the row says it.
        note: More about it, maybe empty.
        is_strip: Whether it is some frames of a clip, side by side.
    """

    image: str
    title: str
    note: str = ""
    is_strip: bool = False


class Split:
    """One split of the transformed examples.

    Args:
        folder: As `kfer.input_pipeline` writes it; images are read as they are needed.
        expressions: Names of the expression labels.
        sources: Names of the sources.
    """

    def __init__(self, folder: Path, expressions: Sequence[str], sources: Sequence[str]) -> None:
        self._folder = folder
        self.expressions, self.sources = expressions, sources
        self.expression, self.identity, self.source = (
            np.load(folder / f"{name}.npy") for name in (spec.EXPRESSION, spec.IDENTITY, spec.SOURCE)
        )

    @cached_property
    def _images(self) -> np.ndarray:
        return np.load(self._folder / "images.npy", mmap_mode="r")

    def face(self, index: int, title: str, note: str = "") -> Face:
        """The example at an index as a face to show."""
        shown = self._images[index]
        is_clip = shown.ndim == 4
        return Face(data_uri(_strip(shown) if is_clip else shown), title, note, is_clip)

    def class_counts(self) -> np.ndarray:
        """Examples by expression and source, int [expressions, sources]."""
        known = self.expression != spec.MISSING_LABEL
        cells = self.expression[known] * len(self.sources) + self.source[known]
        shape = len(self.expressions), len(self.sources)
        return np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape)

    def people(self) -> list[dict[str, Any]]:
        """For each source that has examples: its images, labels, and images a person."""
        rows = []
        for source, name in enumerate(self.sources):
            own = self.source == source
            identities = self.identity[own]
            counts = images_per_person(identities)
            if own.any():
                rows.append(
                    {
                        "source": name,
                        "images": int(own.sum()),
                        "with_expression": int(np.sum(self.expression[own] != spec.MISSING_LABEL)),
                        "with_identity": int(np.sum(identities != spec.MISSING_LABEL)),
                        "people": len(counts),
                        "a_person": [int(counts.min()), float(np.median(counts)), int(counts.max())]
                        if len(counts)
                        else None,
                    }
                )
        return rows

    def sample(self) -> list[dict[str, Any]]:
        """For each source, rows of faces: of each expression, or of some people where it has none.

        Returns:
            Dicts with `source` and `rows`, pairs of a title and a list of faces.
        """
        groups = []
        for source, name in enumerate(self.sources):
            positions = np.flatnonzero(self.source == source)
            has_expressions = bool(np.any(self.expression[positions] != spec.MISSING_LABEL))
            labels = self.expression if has_expressions else self.identity
            names = (
                dict(enumerate(self.expressions))
                if has_expressions
                else {person: f"person {person + 1}" for person in _often(self.identity[positions])}
            )
            rows = [(title, positions[labels[positions] == value]) for value, title in names.items()]
            groups.append((name, has_expressions, [row for row in rows if len(row[1])]))
        most = _ROW // 4 if self._images.ndim == 5 else _ROW
        number = min(max(_SAMPLE // max(sum(len(rows) for _, _, rows in groups), 1), 1), most)
        return [
            {
                "source": name,
                "rows": [(title, self._row(found, number, named)) for title, found in rows],
            }
            for name, named, rows in groups
            if rows
        ]

    def _row(self, positions: np.ndarray, number: int, named: bool) -> list[Face]:
        chosen = positions[np.linspace(0, len(positions) - 1, min(number, len(positions))).astype(int)]
        return [
            self.face(index, "", f"person {self.identity[index] + 1}" if named and known else "")
            for index, known in zip(chosen, self.identity[chosen] != spec.MISSING_LABEL, strict=True)
        ]


def images_per_person(identities: np.ndarray) -> np.ndarray:
    """How many images each person has, int [people].

    Args:
        identities: int [n], -1 where missing.
    """
    return np.unique(identities[identities != spec.MISSING_LABEL], return_counts=True)[1]


def data_uri(image: np.ndarray) -> str:
    """An image as a PNG inside a data URI, made smaller where it is large.

    Args:
        image: uint8 [height, width, channels], RGB or grey.
    """
    side = int((_FACE_BYTES / image.shape[2]) ** 0.5)
    if min(image.shape[:2]) > side:
        scale = side / min(image.shape[:2])
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    ordered = cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if image.ndim == 3 and image.shape[2] == 3 else image
    _, png = cv2.imencode(".png", np.ascontiguousarray(ordered))
    return "data:image/png;base64," + base64.b64encode(png.tobytes()).decode()


def _strip(clip: np.ndarray) -> np.ndarray:
    """Frames of a clip side by side, from its first to its last, uint8 [height, width, channels].

    Args:
        clip: uint8 [frames, height, width, channels]; frames of 0 alone are none.
    """
    there = clip[clip.any(axis=(1, 2, 3))]
    if not len(there):
        return clip[0]
    return np.concatenate(there[np.linspace(0, len(there) - 1, _STRIP).round().astype(int)], axis=1)


def _often(identities: np.ndarray) -> list[int]:
    """Some people with the most images."""
    people, counts = np.unique(identities[identities != spec.MISSING_LABEL], return_counts=True)
    return [int(person) for person in people[np.argsort(-counts, kind="stable")[:_PEOPLE_SHOWN]]]

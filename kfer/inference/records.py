"""What a video's faces are written to: JSON lines, a table, and a summary of its tracks.

Every file is whole or not there: lines go to a hidden file, which gets its place at the end.
"""

import abc
import contextlib
import csv
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np

from kfer import knowledge
from kfer.files import csv_cell, replacing
from kfer.inference.analyzer import Face
from kfer.inference.pushed import Model
from kfer.inference.tracking import TrackedFace
from kfer.inference.video import Frame

_BEFORE = (
    "frame",
    "seconds",
    "track",
    "ymin",
    "xmin",
    "ymax",
    "xmax",
    "score",
    "quality",
    "expression",
)
_BEHIND = ("name", "similarity")
# Decimals: of places a tenth of what a detector is sure of, of shares what a network is.
_PIXELS, _SECONDS, _SHARES = 2, 4, 4
# Of who is seen for less time, or never better, nothing is told where people read.
_LEAST_SECONDS, _LEAST_QUALITY = 0.5, 0.1


class Records(abc.ABC):
    """Writes frames to a file as they come, in memory that does not grow.

    To be used with `with`: where the block ends by an error, or the process is killed, there is no file,
    and what was there before stays. A block that shall keep what there is when somebody presses Ctrl-C
    catches KeyboardInterrupt within.

    Args:
        path: The file; one that is there is replaced at the end.
    """

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path)
        self._file: IO[str] | None = None
        self._whole = contextlib.ExitStack()

    def __enter__(self) -> Self:
        """Opens it.

        Raises:
            FileNotFoundError: Its folder does not exist.
            IsADirectoryError: It is a folder.
        """
        if self._path.is_dir():
            raise IsADirectoryError(f"{self._path} is a folder; give the name of a file")
        with contextlib.ExitStack() as whole:
            new = whole.enter_context(replacing(self._path))
            # The table's module ends lines itself.
            self._file = whole.enter_context(new.open("w", newline="", encoding="utf-8"))
            self._whole = whole.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Gives the file its name, or deletes what was written where there was an error."""
        try:
            with self._whole:
                if error is not None:
                    raise error
                self._finish()
        finally:
            self._file = None

    @property
    def _opened(self) -> IO[str]:
        if self._file is None:
            raise ValueError(f"{self._path} is not open: write it within `with`")
        return self._file

    @abc.abstractmethod
    def write(self, frame: Frame) -> None:
        """Writes a frame.

        Raises:
            ValueError: The file is not open.
        """

    @abc.abstractmethod
    def _finish(self) -> None:
        """Writes what comes last."""


@dataclass(frozen=True)
class RecordedModel:
    """What a recording says of the model that was asked.

    Attributes:
        name: What it is called: "fer2013_lfw/2".
        fingerprint: The same of every export of the same weights.
        numbers: By their names, the names of the numbers of its regression tasks.
        trained_on: As `kfer.inference.Model` has it.
    """

    name: str
    fingerprint: str
    numbers: Mapping[str, Sequence[str]] = field(default_factory=dict)
    trained_on: Mapping[str, float] = field(default_factory=dict)

    @property
    def warning(self) -> str | None:
        """As of `kfer.inference.Model`."""
        return knowledge.warning(self.name, self.trained_on)

    def content(self) -> dict[str, Any]:
        """Returns it as JSON, with the warning where there is one."""
        told = {"name": self.name, "fingerprint": self.fingerprint, "numbers": dict(self.numbers)}
        if self.trained_on:
            told["trained_on"] = dict(self.trained_on)
        return told | ({"warning": self.warning} if self.warning else {})

    @classmethod
    def of(cls, model: Model) -> Self:
        """What is recorded of a model."""
        numbers = {
            task: list(its.get("names", ()))
            for task, its in model.tasks.items()
            if its.get("kind") == "regression"
        }
        return cls(model.name, model.fingerprint, numbers, model.trained_on)


class JsonLines(Records):
    """Writes a line a frame, frames without faces too: an object in JSON.

    Its keys: "frame", "seconds", and "faces", a list of objects with "track", what `face_content` gives
    with the expressions smoothed in time, "name" and "similarity". The first line also has "model": the
    attributes of `RecordedModel`.

    Args:
        path: The file; one that is there is replaced at the end.
        model: The one that was asked.
    """

    def __init__(self, path: Path | str, model: RecordedModel) -> None:
        super().__init__(path)
        self._heading: dict[str, Any] = {"model": model.content()}

    def write(self, frame: Frame) -> None:
        """Writes a line.

        Raises:
            ValueError: The file is not open.
        """
        content = {
            **self._heading,
            "frame": frame.number,
            "seconds": round(frame.seconds, _SECONDS),
            "faces": [_object(face) for face in frame.faces],
        }
        self._heading = {}
        json.dump(content, self._opened, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        self._opened.write("\n")

    def _finish(self) -> None:
        """Every line is whole."""


class Table(Records):
    """Writes a table in CSV: a row a face.

    Its columns: frame, seconds, track, ymin, xmin, ymax, xmax, score (the detector's), quality,
    expression, one for each expression's probability, smoothed in time, name and similarity. What is
    unknown is empty.

    Args:
        path: The file; one that is there is replaced at the end.
        expressions: The names of the columns of probabilities; None to take those of the first face.
    """

    def __init__(self, path: Path | str, expressions: Sequence[str] | None = None) -> None:
        super().__init__(path)
        self._expressions = None if expressions is None else tuple(expressions)
        self._writer: Any = None

    def write(self, frame: Frame) -> None:
        """Writes a row for each of a frame's faces.

        Raises:
            ValueError: The file is not open, or a face has other expressions than the columns.
        """
        for tracked in frame.faces:
            self._head(tuple(tracked.expressions))
            if tuple(tracked.expressions) != self._expressions:
                raise ValueError(
                    f"the columns are those of the expressions {', '.join(self._expressions or ())}; "
                    f"a face has {', '.join(tracked.expressions) or 'none'}"
                )
            self._writer.writerow(
                map(
                    csv_cell,
                    (
                        frame.number,
                        round(frame.seconds, _SECONDS),
                        tracked.track,
                        *_rounded(tracked.face.box, _PIXELS),
                        round(tracked.face.score, _SHARES),
                        round(tracked.face.quality.score, _SHARES),
                        tracked.expression,
                        *(round(share, _SHARES) for share in tracked.expressions.values()),
                        tracked.name,
                        None if tracked.similarity is None else round(tracked.similarity, _SHARES),
                    ),
                )
            )

    def _head(self, expressions: tuple[str, ...]) -> None:
        if self._writer is None:
            if self._expressions is None:
                self._expressions = expressions
            self._writer = csv.writer(self._opened)
            self._writer.writerow(map(csv_cell, (*_BEFORE, *self._expressions, *_BEHIND)))

    def _finish(self) -> None:
        self._head(())


@dataclass(frozen=True)
class TrackSummary:
    """What a track shows from its first frame to its last.

    Attributes:
        track: Its number.
        first_seconds: When its face is seen first.
        last_seconds: When it is seen last.
        frames: In how many frames it is seen.
        seconds: How long that is, at the mean rate of the frames.
        name: Whose face it is; None where that is unknown.
        similarity: How similar it is to that person's, in [-1, 1]; None where `name` is.
        expressions: By name, the share of its frames in which the expression is the most probable one,
            smoothed in time.
        best_frame: The number of the frame that shows it best by the quality score; the first of several.
        best_seconds: When that is shown.
        best_quality: That score, in [0, 1].
    """

    track: int
    first_seconds: float
    last_seconds: float
    frames: int
    seconds: float
    name: str | None
    similarity: float | None
    expressions: dict[str, float]
    best_frame: int
    best_seconds: float
    best_quality: float

    @property
    def is_glimpse(self) -> bool:
        """Whether it is too little to be told: see `is_glimpse`."""
        return is_glimpse(self.seconds, self.best_quality)


@dataclass
class _Running:
    first: float
    last: float = 0.0
    frames: int = 0
    name: str | None = None
    similarity: float | None = None
    expressions: Counter[str] = field(default_factory=Counter)
    best: tuple[float, int, float] = (-1.0, 0, 0.0)


class Summary:
    """Sums up a video's tracks as its frames come; its memory grows with the number of tracks only."""

    def __init__(self) -> None:
        self._running: dict[int, _Running] = {}
        self._begin: tuple[float, int] | None = None
        self._step = 0.0

    def add(self, frame: Frame) -> None:
        """Takes a frame in."""
        seconds, number = self._begin = self._begin or (frame.seconds, frame.number)
        if frame.number > number:
            self._step = (frame.seconds - seconds) / (frame.number - number)
        for tracked in frame.faces:
            track = self._running.setdefault(tracked.track, _Running(frame.seconds))
            track.last, track.frames = frame.seconds, track.frames + 1
            track.name, track.similarity = tracked.name, tracked.similarity
            track.expressions.update(dict.fromkeys(tracked.expressions, 0))
            if tracked.expression is not None:
                track.expressions[tracked.expression] += 1
            quality = tracked.face.quality.score
            if quality > track.best[0]:
                track.best = quality, frame.number, frame.seconds

    @property
    def tracks(self) -> list[TrackSummary]:
        """What each track showed so far."""
        return [
            TrackSummary(
                track=number,
                first_seconds=track.first,
                last_seconds=track.last,
                frames=track.frames,
                seconds=track.frames * self._step,
                name=track.name,
                similarity=track.similarity,
                expressions={name: count / track.frames for name, count in track.expressions.items()},
                best_frame=track.best[1],
                best_seconds=track.best[2],
                best_quality=track.best[0],
            )
            for number, track in sorted(self._running.items())
        ]


def is_glimpse(seconds: float, best_quality: float) -> bool:
    """Returns whether somebody was seen too briefly, or too poorly, to be told of.

    Args:
        seconds: How long.
        best_quality: The highest quality score of the faces, in [0, 1].
    """
    return round(seconds, 2) < _LEAST_SECONDS or best_quality < _LEAST_QUALITY


def face_content(face: Face) -> dict[str, Any]:
    """Returns a face as JSON.

    Its keys: "box" (ymin, xmin, ymax, xmax in pixels), "landmarks" (five times y, x; or null), "score"
    (the detector's), "quality", "expression" and "expressions" (probabilities by name) and, where the
    model has further tasks, "outputs" (a list of numbers by the task's name).
    """
    content: dict[str, Any] = {
        "box": _rounded(face.box, _PIXELS),
        "landmarks": None
        if face.landmarks is None
        else [_rounded(point, _PIXELS) for point in face.landmarks],
        "score": round(face.score, _SHARES),
        "quality": round(face.quality.score, _SHARES),
        "expression": face.expression,
        "expressions": _shares(face.expressions),
    }
    if face.outputs:
        # Other tasks' numbers have any scale, and JSON knows no number that is none.
        content["outputs"] = {
            name: [float(f"{value:.6g}") if math.isfinite(value) else None for value in values.tolist()]
            for name, values in face.outputs.items()
        }
    return content


def _object(tracked: TrackedFace) -> dict[str, Any]:
    similarity = tracked.similarity
    return {
        "track": tracked.track,
        **face_content(tracked.face),
        "expression": tracked.expression,
        "expressions": _shares(tracked.expressions),
        "name": tracked.name,
        "similarity": None if similarity is None else round(similarity, _SHARES),
    }


def _shares(expressions: Mapping[str, float]) -> dict[str, float]:
    return {name: round(share, _SHARES) for name, share in expressions.items()}


def _rounded(values: np.ndarray, digits: int) -> list[float]:
    return [round(float(value), digits) for value in values]

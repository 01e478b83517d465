"""What a recording says of its people, frame by frame: taken as frames come, or read from JSON lines."""

import math
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kfer import documents
from kfer.documents.recordings import RecordedFace, RecordedFrame
from kfer.files import DamagedError, reason
from kfer.inference.records import RecordedModel
from kfer.inference.video import Frame
from kfer.json_text import parse_json

#: Numbers that a model may say of a face, told beside its expressions.
AFFECT = ("valence", "arousal")
# Of a recording of one frame.
_FRAME_SECONDS = 1 / 25
# A frame stands for no longer than this, or two usual frames: a camera may have stood still.
_LONGEST_FRAME, _SHORTEST_FRAME = 0.5, 1e-4
# Bytes of a line: a frame of some thousand faces.
_LONGEST_LINE = 2**24
_HOW = "`kfer video FILE --json OUT.jsonl` writes one"


class ObservedFace(NamedTuple):
    """A face in a frame: of `TrackedFace`, what is collected.

    Attributes:
        track: The number of its track.
        name: Whose face it is; None where that is unknown.
        similarity: To that person's, in [-1, 1]; None where `name` is.
        quality: Its quality score, in [0, 1].
        expressions: The probability of each expression by its name.
        outputs: By the names of further tasks, their numbers; None for one that is none.
    """

    track: int
    name: str | None
    similarity: float | None
    quality: float
    expressions: Mapping[str, float]
    outputs: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Observed:
    """A person's frames in a recording, in time.

    Attributes:
        name: Whose they are, or "track 3" where that is unknown.
        is_named: Whether it is known.
        best_quality: The highest quality score of the faces, in [0, 1].
        seconds: float64 `[n]`: when each frame begins.
        lasting: float64 `[n]`: seconds that each frame stands for, positive.
        probabilities: float64 `[n, k]` in [0, 1]: of the recording's expressions.
        affect: By the names of `AFFECT` that the model has, float64 `[n]`; nan where it says none.
    """

    name: str
    is_named: bool
    best_quality: float
    seconds: np.ndarray
    lasting: np.ndarray
    probabilities: np.ndarray
    affect: dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Recording:
    """A recording and the people in it.

    Attributes:
        name: What it is called.
        model: The one that was asked.
        seconds: When its last frame ends.
        expressions: The names of the probabilities, in their order; empty where there are none.
        people: Those with a name first, then tracks without one, each in the order of their tracks.
    """

    name: str
    model: RecordedModel
    seconds: float
    expressions: tuple[str, ...]
    people: tuple[Observed, ...]


class Observations:
    """Collects what faces express as frames come: some 100 bytes a face and frame.

    Tracks of one name are one person, whose name is the last that a track had. Where two faces of a frame
    have one name, the more similar one counts. Faces without expressions are left out.

    Args:
        model: The one that was asked.
    """

    def __init__(self, model: RecordedModel) -> None:
        self.model = model
        self.expressions: tuple[str, ...] = ()
        self._places = _places(model)
        self._numbers, self._seconds = array("q"), array("d")
        self._tracks: dict[int, _Track] = {}

    def add(self, frame: Frame) -> None:
        """Takes a frame in.

        Raises:
            ValueError: It does not follow the one before, or its expressions are others.
        """
        faces = [
            ObservedFace(
                each.track,
                each.name,
                each.similarity,
                each.face.quality.score,
                each.expressions,
                each.face.outputs,
            )
            for each in frame.faces
        ]
        self.add_faces(frame.number, frame.seconds, faces)

    def add_faces(self, number: int, seconds: float, faces: Iterable[ObservedFace]) -> None:
        """The same of a frame's number, its time and its faces."""
        if self._numbers and not (number > self._numbers[-1] and seconds >= self._seconds[-1]):
            raise ValueError(
                f"frame {number} at {seconds:g} s follows frame {self._numbers[-1]} at "
                f"{self._seconds[-1]:g} s"
            )
        row = len(self._numbers)
        self._numbers.append(number)
        self._seconds.append(seconds)
        for face in faces:
            if not face.expressions:
                continue
            self.expressions = self.expressions or tuple(face.expressions)
            if tuple(face.expressions) != self.expressions:
                raise ValueError(
                    f"a face has the expressions {', '.join(face.expressions)}; those before have "
                    f"{', '.join(self.expressions)}"
                )
            self._tracks.setdefault(face.track, _Track()).add(row, face, self._places)

    def recording(self, name: str) -> Recording:
        """Returns what was collected so far, under a name."""
        numbers, seconds = np.array(self._numbers), np.array(self._seconds)
        lasting = _lasting(numbers, seconds)
        people: dict[tuple[bool, str], list[_Track]] = {}
        for number, track in sorted(self._tracks.items()):
            people.setdefault((track.name is None, track.name or f"track {number}"), []).append(track)
        return Recording(
            name,
            self.model,
            float(seconds[-1] + lasting[-1]) if len(seconds) else 0.0,
            self.expressions,
            tuple(
                self._observed(called, not nameless, tracks, seconds, lasting)
                for (nameless, called), tracks in sorted(people.items(), key=lambda each: each[0][0])
            ),
        )

    def _observed(
        self,
        name: str,
        is_named: bool,
        tracks: "list[_Track]",
        seconds: np.ndarray,
        lasting: np.ndarray,
    ) -> Observed:
        rows = np.concatenate([np.array(track.rows) for track in tracks])
        width = 1 + len(self.expressions) + len(self._places)
        values = np.concatenate([np.array(track.values).reshape(-1, width) for track in tracks])
        order = np.lexsort((-values[:, 0], rows))
        rows, values = rows[order], values[order]
        first = np.r_[True, np.diff(rows) > 0]
        rows, values = rows[first], values[first]
        behind = 1 + len(self.expressions)
        return Observed(
            name=name,
            is_named=is_named,
            best_quality=max(track.best_quality for track in tracks),
            seconds=seconds[rows],
            lasting=lasting[rows],
            probabilities=values[:, 1:behind],
            affect=dict(zip(self._places, values[:, behind:].T, strict=True)),
        )


def read(path: Path | str) -> Recording:
    """Returns what `kfer.inference.records.JsonLines` wrote, under the name of the file.

    Args:
        path: The file.

    Raises:
        FileNotFoundError: There is no such file.
        IsADirectoryError: It is a folder.
        DamagedError: A line is damaged; its number is said.
        ValueError: It is no recording, or one of a model without expressions.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no recording {path}: {_HOW}")
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder, not a recording: {_HOW}")
    if not path.is_file():
        raise DamagedError(f"{path} is a pipe or a device, not a recording: {_HOW}")
    observations, num_faces = None, 0
    with path.open("rb") as file:
        for number, line in enumerate(iter(lambda: file.readline(_LONGEST_LINE), b""), 1):
            try:
                if len(line) == _LONGEST_LINE:
                    raise ValueError(f"it has more than {_LONGEST_LINE:,} bytes")
                content = documents.validated(parse_json(line), RecordedFrame)
                if observations is None:
                    if content.model is None:
                        raise ValueError("model is missing")
                    asked = content.model
                    model = RecordedModel(asked.name, asked.fingerprint, asked.numbers, asked.trained_on)
                    observations = Observations(model)
                _check_numbers(content, observations.model)
                faces = [_observed_face(face) for face in content.faces]
                observations.add_faces(content.frame, content.seconds, faces)
            except ValueError as error:
                if observations is None:
                    raise DamagedError(
                        f"{path} is no recording that says its model in its first line "
                        f"({reason(error)}): {_HOW}"
                    ) from error
                raise DamagedError(
                    f"line {number} of {path} is damaged ({reason(error)}): write the recording again"
                ) from error
            num_faces += len(faces)
    if observations is None:
        raise ValueError(f"{path} is empty, no recording: {_HOW}")
    if num_faces and not observations.expressions:
        raise ValueError(
            f"{path} is of the model {observations.model.name}, which has no expressions: there is "
            "nothing to tell over time"
        )
    return observations.recording(str(path))


class _Track:
    """The rows of a track's frames, and of each its similarity, probabilities and numbers of affect."""

    def __init__(self) -> None:
        self.name: str | None = None
        self.best_quality = 0.0
        self.rows, self.values = array("q"), array("d")

    def add(self, row: int, face: ObservedFace, places: Mapping[str, tuple[str, int]]) -> None:
        self.name = face.name
        self.best_quality = max(self.best_quality, face.quality)
        self.rows.append(row)
        self.values.append(-1.0 if face.similarity is None else face.similarity)
        self.values.extend(face.expressions.values())
        for task, index in places.values():
            said = face.outputs.get(task)
            number = None if said is None else said[index]
            self.values.append(math.nan if number is None else number)


def _places(model: RecordedModel) -> dict[str, tuple[str, int]]:
    """The task and the place in its numbers of each name of `AFFECT` that the model has."""
    places = {}
    for task, names in model.numbers.items():
        for index, name in enumerate([task] if len(names) <= 1 and task in AFFECT else names):
            if name in AFFECT:
                places[name] = task, index
    return {name: places[name] for name in AFFECT if name in places}


def _lasting(numbers: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """Seconds that each frame stands for: until the next; of those that could not be read, none."""
    if len(seconds) < 2:
        return np.full(len(seconds), _FRAME_SECONDS)
    steps = np.diff(seconds) / np.diff(numbers)
    usual = float(np.median(steps))
    steps = np.append(np.minimum(steps, max(_LONGEST_FRAME, 2 * usual)), usual)
    return np.maximum(steps, _SHORTEST_FRAME)


def _check_numbers(frame: RecordedFrame, model: RecordedModel) -> None:
    """Checks that a task has as many numbers as the model names."""
    for face in frame.faces:
        for task, numbers in face.outputs.items():
            names = model.numbers.get(task)
            if names is not None and (not numbers or (names and len(numbers) != len(names))):
                raise ValueError(
                    f"expected {len(names) or 1} numbers of outputs.{task}; got {len(numbers)}"
                )


def _observed_face(face: RecordedFace) -> ObservedFace:
    return ObservedFace(
        face.track, face.name, face.similarity, face.quality, face.expressions, face.outputs
    )

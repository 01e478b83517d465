"""Faces through the frames of a video: which are one person's, what they express, and who it is."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from kfer.documents.fields import BEYOND
from kfer.inference.analyzer import Face
from kfer.inference.detection import overlap
from kfer.inference.face import Detection
from kfer.inference.gallery.people import Match, PersonStore

# A face without any quality still counts a little: it may be all that there is.
_LEAST_WEIGHT = 0.01
# How many people of the gallery each frame votes for.
_CANDIDATES = 5
# So many frames after a track was lost it is worth looking for it at once.
_RECENT = 2


@dataclass(frozen=True, eq=False)
class TrackedFace:
    """A face in a frame, and what the frames until then say of it.

    Attributes:
        track: The number of its track, from 1: the same in all frames that show this face.
        face: What this frame alone shows. Between detections its score is that of the last one.
        expressions: The probability of each expression by its name, smoothed in time; empty where the
            model has none.
        name: Whose face it is by the votes of all frames so far; None while that is unknown.
        similarity: The mean similarity of the track's faces to that person's, weighted by quality, in
            [-1, 1]; None where `name` is.
        best: The face of the track with the highest quality score so far.
    """

    track: int
    face: Face
    expressions: dict[str, float]
    name: str | None
    similarity: float | None
    best: Face

    @property
    def expression(self) -> str | None:
        """The most probable expression, smoothed in time; None where the model has none."""
        return max(self.expressions, key=self.expressions.__getitem__) if self.expressions else None


class Tracker:
    """Keeps apart the faces of a video, frame by frame.

    A face belongs to the track whose box it overlaps. Where none does (a cut, a fast move, a face that
    comes back), it belongs to the track whose embeddings it resembles, else to a new one. Of a model
    without embeddings only boxes count.

    Args:
        gallery: The people to look for; None to name nobody.
        threshold: From which mean similarity on a track has a name, in [-1, 1]; needed with a gallery.
        time_constant: Seconds after which a change of expression has come through by 63 per cent,
            whatever the frame rate; 0 for no smoothing.
        most_unseen: A track ends when it was not seen in more frames than this, one after the other.
        least_overlap: The intersection over union from which on boxes overlap, in (0, 1].
        least_similarity: The cosine from which on two embeddings are taken for the same face, in
            [-1, 1].

    Raises:
        ValueError: A number is out of its range, or the threshold is missing.
    """

    def __init__(
        self,
        gallery: PersonStore | None = None,
        threshold: float | None = None,
        time_constant: float = 0.3,
        most_unseen: int = 60,
        least_overlap: float = 0.3,
        least_similarity: float = 0.5,
    ) -> None:
        if gallery is not None and threshold is None:
            raise ValueError("a gallery needs the threshold from which on a face has a name")
        if not 0 <= time_constant < math.inf:
            raise ValueError(f"time_constant must be seconds from 0 on; got {time_constant!r}")
        if most_unseen < 0:
            raise ValueError(f"most_unseen must be a number of frames from 0 on; got {most_unseen!r}")
        if not 0 < least_overlap <= 1:
            raise ValueError(f"least_overlap must be in (0, 1]; got {least_overlap!r}")
        for name, cosine in (("threshold", threshold), ("least_similarity", least_similarity)):
            if cosine is not None and not -1 <= cosine <= 1 + BEYOND:
                raise ValueError(f"{name} is a cosine, in [-1, 1]; got {cosine!r}")
        self._gallery, self._threshold = gallery, threshold
        self._time_constant, self._most_unseen = time_constant, most_unseen
        self._least_overlap, self._least_similarity = least_overlap, least_similarity
        self._tracks: dict[int, _Track] = {}
        self._num_tracks = 0

    @property
    def in_sight(self) -> dict[int, Detection]:
        """Where the faces of the last frame were, by their tracks."""
        return {
            number: track.face.detection for number, track in self._tracks.items() if not track.unseen
        }

    @property
    def tracks(self) -> tuple[int, ...]:
        """Those that have not ended."""
        return tuple(self._tracks)

    @property
    def lost(self) -> bool:
        """Whether a face that was seen a moment ago is not any more."""
        return any(0 < track.unseen <= _RECENT for track in self._tracks.values())

    def update(
        self, faces: Sequence[Face], seconds: float, expected: Mapping[int, np.ndarray] | None = None
    ) -> tuple[TrackedFace, ...]:
        """Returns the faces of the next frame with their tracks, in the order of those.

        Args:
            faces: All that were found in it.
            seconds: When it is shown.
            expected: By track, the box where its face should be, as optical flow says; a track that is
                missing has jumped or gone, and comes back by its embedding. None to expect the faces of
                the last frame where they were.
        """
        if expected is None:
            expected = {number: place.box for number, place in self.in_sight.items()}
        owners = self._owners(faces, expected)
        found = {}
        for index, face in enumerate(faces):
            if index not in owners:
                self._num_tracks += 1
                owners[index] = self._num_tracks
                self._tracks[self._num_tracks] = _Track(face)
            found[owners[index]] = face
        return self._see(found, seconds)

    def follow(self, faces: Mapping[int, Face], seconds: float) -> tuple[TrackedFace, ...]:
        """The same of a frame in which it is known which face is whose.

        Args:
            faces: By their tracks.
            seconds: When it is shown.

        Raises:
            KeyError: There is no such track, or it has ended.
        """
        for number in faces:
            if number not in self._tracks:
                raise KeyError(f"there is no track {number}, or it has ended")
        return self._see(faces, seconds)

    def _see(self, faces: Mapping[int, Face], seconds: float) -> tuple[TrackedFace, ...]:
        votes = self._votes(list(faces.values()))
        for (number, face), matches in zip(faces.items(), votes, strict=True):
            self._tracks[number].see(face, seconds, matches, self._time_constant)
        for number, track in self._tracks.items():
            track.unseen = 0 if number in faces else track.unseen + 1
        self._tracks = {
            number: track for number, track in self._tracks.items() if track.unseen <= self._most_unseen
        }
        return tuple(self._result(number) for number in sorted(faces))

    def _result(self, number: int) -> TrackedFace:
        track = self._tracks[number]
        name, similarity = track.name(self._threshold)
        return TrackedFace(number, track.face, dict(track.expressions), name, similarity, track.best)

    def _votes(self, faces: Sequence[Face]) -> list[Sequence[Match]]:
        """Who each face may be."""
        votes: list[Sequence[Match]] = [() for _ in faces]
        known = {i: face.embedding for i, face in enumerate(faces) if face.embedding is not None}
        if self._gallery is not None and known:
            embeddings = np.stack(list(known.values()))
            for index, matches in zip(
                known, self._gallery.identify(embeddings, _CANDIDATES), strict=True
            ):
                votes[index] = matches
        return votes

    def _owners(self, faces: Sequence[Face], expected: Mapping[int, np.ndarray]) -> dict[int, int]:
        """The track of each face that has one, by the face's place in the list."""
        # Half of the time that importing `kfer analyze` takes, which follows nobody.
        from scipy.optimize import linear_sum_assignment

        numbers = list(self._tracks)
        near, alike = np.zeros((2, len(numbers), len(faces)))
        for row, number in enumerate(numbers):
            track = self._tracks[number]
            box = expected.get(number)
            for column, face in enumerate(faces):
                cosine = track.similarity(face)
                if box is not None:
                    shared = overlap(box, face.box)
                    if shared >= self._least_overlap:
                        # Of faces that cross, the embedding says which is which.
                        near[row, column] = shared + max(cosine or 0.0, 0.0)
                elif cosine is None and overlap(track.face.box, face.box) >= self._least_overlap:
                    alike[row, column] = 1
                if cosine is not None and cosine >= self._least_similarity:
                    alike[row, column] = 2 + cosine
        owners = {}
        for scores in (near, alike):
            for row, column in zip(*linear_sum_assignment(scores, maximize=True), strict=True):
                if scores[row, column] > 0:
                    owners[int(column)] = numbers[row]
                    alike[row], alike[:, column] = 0, 0
        return owners


@dataclass(eq=False)
class _Track:
    """What is known of a face: `best` and the sums are of all frames that showed it."""

    face: Face
    seconds: float = math.nan
    unseen: int = 0
    expressions: dict[str, float] = field(default_factory=dict)
    embedding: np.ndarray | None = None
    total: np.ndarray | None = None
    votes: dict[str, float] = field(default_factory=dict)
    weight: float = 0.0
    best: Face = field(init=False)

    def __post_init__(self) -> None:
        self.best = self.face

    def see(self, face: Face, seconds: float, matches: Sequence[Match], time_constant: float) -> None:
        if math.isnan(self.seconds) or not time_constant:
            share = 1.0
        else:
            share = -math.expm1(-max(seconds - self.seconds, 0.0) / time_constant)
        self.expressions = {
            name: (1 - share) * self.expressions.get(name, new) + share * new
            for name, new in face.expressions.items()
        }
        self.face, self.seconds = face, seconds
        if face.quality.score > self.best.quality.score:
            self.best = face
        if face.embedding is not None:
            weight = max(face.quality.score, _LEAST_WEIGHT)
            self.embedding = face.embedding
            self.total = weight * face.embedding + (0 if self.total is None else self.total)
            self.weight += weight
            for match in matches:
                self.votes[match.name] = self.votes.get(match.name, 0.0) + weight * match.similarity

    def similarity(self, face: Face) -> float | None:
        """The cosine to the mean of the track's embeddings or to its last, whichever is closer."""
        if face.embedding is None or self.embedding is None or self.total is None:
            return None
        length = float(np.linalg.norm(self.total))
        mean = float(self.total @ face.embedding) / length if length else -1.0
        return max(mean, float(self.embedding @ face.embedding))

    def name(self, threshold: float | None) -> tuple[str | None, float | None]:
        """Who it is and how similar; a frame in which somebody is not among the closest counts as 0."""
        if threshold is None or not self.votes:
            return None, None
        name = max(self.votes, key=self.votes.__getitem__)
        similarity = self.votes[name] / self.weight
        return (name, similarity) if similarity >= threshold else (None, None)

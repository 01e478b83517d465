"""What a network of clips says of the faces of a video: each track is a clip."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from kfer import spec
from kfer.inference import alignment
from kfer.inference.analyzer import FaceAnalyzer
from kfer.inference.streaming import State, Stream
from kfer.inference.tracking import TrackedFace


class OverTime:
    """Feeds the faces of tracks to a network of clips, frame by frame.

    A network saw clips of so many frames in training, and a track may be much longer. So each is seen as
    clips of that length that overlap by half, and the answer is that of the one that has seen more.

    Args:
        analyzer: Its model is a network of clips.
    """

    def __init__(self, analyzer: FaceAnalyzer) -> None:
        self._analyzer = analyzer
        self._half = max(analyzer.model.clip_frames // 2, 1)
        self._windows: dict[int, _Windows] = {}

    def update(self, faces: Sequence[TrackedFace], in_sight: Sequence[int]) -> tuple[TrackedFace, ...]:
        """Returns the faces of the next frame with what their tracks express by now.

        Args:
            faces: Those of the frame.
            in_sight: Tracks that have not ended; of others, nothing is kept.
        """
        self._windows = {track: self._windows[track] for track in in_sight if track in self._windows}
        return tuple(self._seen(face) for face in faces)

    def _seen(self, face: TrackedFace) -> TrackedFace:
        with self._analyzer.running() as stream:
            assert isinstance(stream, Stream)
            image = alignment.to_network([face.face.aligned], stream.image_size)
            windows = self._windows.setdefault(face.track, _Windows())
            probabilities = windows.step(stream, image, self._half).get(spec.EXPRESSION)
        if probabilities is None:
            return face
        names = list(face.face.expressions)
        said = {name: float(share) for name, share in zip(names, probabilities[0], strict=True)}
        return dataclasses.replace(face, expressions=said)


@dataclass(eq=False)
class _Windows:
    """Clips of a track that overlap, the oldest first: states, and how many frames each has seen."""

    state: State | None = None
    seen: list[int] = field(default_factory=list)

    def step(self, stream: Stream, image: np.ndarray, half: int) -> dict[str, np.ndarray]:
        """What the oldest says of the next frame, which is looked at once for all."""
        if self.state is None or self.seen[-1] == half:
            begun = stream.start().values
            values = begun if self.state is None else np.concatenate([self.state.values, begun])
            self.state, self.seen = State(values, stream.fingerprint), [*self.seen, 0]
        outputs, following = stream.step(image, self.state)
        self.seen = [seen + 1 for seen in self.seen]
        if self.seen[0] == 2 * half:
            following, self.seen = State(following.values[1:], following.model), self.seen[1:]
        self.state = following
        return outputs

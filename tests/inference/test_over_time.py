"""A network of clips on the tracks of a video: which frames its answers are of."""

import contextlib
from types import SimpleNamespace

import numpy as np

from kfer.inference.over_time import OverTime
from kfer.inference.streaming import Stream
from kfer.inference.tracking import TrackedFace


class Counting(Stream):
    """Says how many frames it has seen, and the mean of their brightness."""

    image_size, output_names, state_size, fingerprint = 8, ("expression",), 2, "c0"

    def _step(self, images, state):
        following = state + np.array([[1.0, images.mean()]], np.float32)
        return {"expression": following / [1.0, following[0, 0]]}, following


def analyzer(frames: int) -> SimpleNamespace:
    stream = Counting()
    return SimpleNamespace(
        model=SimpleNamespace(clip_frames=frames), running=lambda: contextlib.nullcontext(stream)
    )


def tracked(track: int, brightness: int = 90) -> TrackedFace:
    face = SimpleNamespace(
        aligned=np.full((112, 112, 3), brightness, np.uint8), expressions={"seen": 0.0, "mean": 0.0}
    )
    return TrackedFace(track, face, dict(face.expressions), None, None, face)


def test_answers_are_of_at_least_half_a_clip_once_that_was_seen():
    over_time, seen = OverTime(analyzer(6)), []
    for _ in range(14):
        (face,) = over_time.update([tracked(1)], [1])
        seen.append(face.expressions["seen"])
    assert seen == [1, 2, 3, 4, 5, 6, 4, 5, 6, 4, 5, 6, 4, 5]


def test_tracks_are_apart_and_forgotten_when_they_end():
    over_time = OverTime(analyzer(8))
    for _ in range(3):
        dark, light = over_time.update([tracked(1, 10), tracked(2, 200)], [1, 2])
    assert (dark.expressions["mean"], light.expressions["mean"]) == (10, 200)
    # The first is out of sight for a while, the second for good.
    over_time.update([], [1])
    dark, light = over_time.update([tracked(1, 10), tracked(2, 200)], [1, 2])
    assert (dark.expressions["seen"], light.expressions["seen"]) == (4, 1)


def test_a_network_without_expressions_leaves_faces_as_they_are():
    class Nameless(Counting):
        output_names = ("embedding",)

        def _step(self, images, state):
            return {"embedding": state}, state

    made = analyzer(4)
    made.running = lambda: contextlib.nullcontext(Nameless())
    face = tracked(1)
    assert OverTime(made).update([face], [1]) == (face,)

"""Recordings of people whose faces are made up: letters stand for what they show, ten a second."""

from collections.abc import Mapping

from kfer.inference.observations import Observations, ObservedFace, Recording
from kfer.inference.records import RecordedModel

MODEL = RecordedModel("faces/1", "f00d", {"affect": ["valence"]})
LETTERS = {"n": "neutral", "h": "happy", "s": "sad"}


def recording(name: str = "a.jsonl", model: RecordedModel = MODEL, **people: str) -> Recording:
    """A recording: each letter of a person shows its expression for 0.1 s, a dot nobody.

    The expression has the probability 0.8, its valence is the number of the frame. The names of people
    that begin with "track" are not known.
    """
    observations = Observations(model)
    for number in range(max(map(len, people.values()), default=0)):
        faces = [
            _face(track, called, letters[number], float(number))
            for track, (called, letters) in enumerate(people.items(), 1)
            if number < len(letters) and letters[number] != "."
        ]
        observations.add_faces(number, number / 10, faces)
    return observations.recording(name)


def shown(letter: str) -> Mapping[str, float]:
    """The probabilities behind a letter."""
    return {name: 0.8 if name == LETTERS[letter] else 0.1 for name in LETTERS.values()}


def _face(track: int, called: str, letter: str, valence: float) -> ObservedFace:
    named = not called.startswith("track")
    return ObservedFace(
        track,
        called if named else None,
        0.5 if named else None,
        1.0,
        shown(letter),
        {"affect": [valence]},
    )

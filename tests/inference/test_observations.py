import json
import math
import re
from pathlib import Path

import numpy as np
import pytest

from kfer.files import DamagedError
from kfer.inference.analyzer import Face
from kfer.inference.observations import Observations, read
from kfer.inference.quality import Quality
from kfer.inference.records import JsonLines, RecordedModel
from kfer.inference.tracking import TrackedFace
from kfer.inference.video import Frame

IMAGE = np.zeros((8, 8, 3), np.uint8)
MODEL = RecordedModel("faces/1", "f00d", {"affect": ["valence", "arousal"]})


def tracked(track=1, happy=0.75, name=None, similarity=0.5, quality=0.5, affect=(0.5, -0.25)):
    box, measured = np.zeros(4, np.float32), Quality(30, 100, 120, 50, 0, 0, 0, quality)
    outputs = {"affect": np.array(affect, np.float32)}
    face = Face(box, None, 0.9, measured, {"happy": 0.0, "sad": 1.0}, None, outputs, IMAGE)
    shares = {"happy": happy, "sad": 1 - happy}
    return TrackedFace(track, face, shares, name, None if name is None else similarity, face)


FRAMES = (
    Frame(0, 0.0, (tracked(1),), IMAGE, 0),
    Frame(1, 0.04, (tracked(1, 0.5, "Anna"), tracked(2, 0.25, quality=0.75)), IMAGE, 0),
    Frame(2, 0.08, (), IMAGE, 0),
    # Two frames could not be read, and Anna came back.
    Frame(5, 0.2, (tracked(2, 0.125, affect=(math.nan, 1)), tracked(3, 1.0, "Anna")), IMAGE, 2),
    Frame(6, 0.24, (tracked(1, 0.0, "Anna", 0.25), tracked(3, 0.75, "Anna", 0.75)), IMAGE, 2),
)


@pytest.fixture
def path(tmp_path) -> Path:
    with JsonLines(tmp_path / "a.jsonl", MODEL) as records:
        for frame in FRAMES:
            records.write(frame)
    return tmp_path / "a.jsonl"


def taken():
    observations = Observations(MODEL)
    for frame in FRAMES:
        observations.add(frame)
    return observations.recording("live")


@pytest.mark.parametrize("how", ["taken", "read"])
def test_tracks_of_a_name_are_a_person(how, path):
    recording = read(path) if how == "read" else taken()
    assert recording.name == (str(path) if how == "read" else "live")
    assert recording.model == MODEL and recording.expressions == ("happy", "sad")
    assert recording.seconds == pytest.approx(0.28)
    anna, other = recording.people
    assert (anna.name, anna.is_named, other.name, other.is_named) == ("Anna", True, "track 2", False)
    np.testing.assert_allclose(anna.seconds, [0, 0.04, 0.2, 0.24])
    # Of her two faces in the last frame the more similar one counts.
    np.testing.assert_allclose(anna.probabilities, [[0.75, 0.25], [0.5, 0.5], [1, 0], [0.75, 0.25]])
    np.testing.assert_allclose(other.seconds, [0.04, 0.2])
    np.testing.assert_allclose(other.affect["valence"], [0.5, np.nan])
    np.testing.assert_allclose(other.affect["arousal"], [-0.25, 1])
    assert (anna.best_quality, other.best_quality) == (0.5, 0.75)


def test_a_frame_lasts_until_the_next_and_what_could_not_be_read_not_at_all():
    anna, other = taken().people
    np.testing.assert_allclose(anna.lasting, 0.04)
    np.testing.assert_allclose(other.lasting, 0.04)


def test_a_camera_that_stood_still_saw_nothing():
    observations = Observations(MODEL)
    for number, seconds in enumerate([0, 0.1, 0.2, 3600.2, 3600.3]):
        observations.add(Frame(number, seconds, (tracked(),), IMAGE, 0))
    (person,) = observations.recording("a").people
    np.testing.assert_allclose(person.lasting, [0.1, 0.1, 0.5, 0.1, 0.1])


def test_frames_a_second_apart_last_a_second():
    observations = Observations(MODEL)
    for number in range(4):
        observations.add(Frame(number, number, (tracked(),), IMAGE, 0))
    (person,) = observations.recording("a").people
    np.testing.assert_allclose(person.lasting, 1)


def test_nothing_and_one_frame():
    observations = Observations(MODEL)
    assert observations.recording("a").seconds == 0 and observations.recording("a").people == ()
    observations.add(FRAMES[0])
    assert observations.recording("a").people[0].lasting.sum() == pytest.approx(0.04)


@pytest.mark.parametrize(
    "numbers, found",
    [
        ({}, {}),
        ({"valence": []}, {"valence": 0.5}),
        ({"valence": ["valence"]}, {"valence": 0.5}),
        ({"affect": ["arousal", "age", "valence"]}, {"valence": 3.0, "arousal": 1.0}),
        ({"pose": ["yaw"]}, {}),
    ],
)
def test_valence_and_arousal_are_found_by_their_names(numbers, found):
    observations = Observations(RecordedModel("a", "b", numbers))
    face = tracked()
    face.face.outputs.update(affect=np.array([1, 2, 3]), valence=np.array([0.5]), pose=np.array([9]))
    observations.add(Frame(0, 0, (face,), IMAGE, 0))
    (person,) = observations.recording("a").people
    assert {name: values.tolist() for name, values in person.affect.items()} == {
        name: [value] for name, value in found.items()
    }


def changed(path: Path, line: int, change) -> Path:
    lines = path.read_text().splitlines()
    content = json.loads(lines[line - 1])
    lines[line - 1] = change(content) or json.dumps(content)
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize(
    "line, change, message",
    [
        (3, lambda content: "{", "Expecting property name"),
        (2, lambda content: content.pop("faces") and None, "faces is missing"),
        (2, lambda content: content["faces"][0].pop("track") and None, "faces.0.track is missing"),
        (
            2,
            lambda content: content["faces"][0]["expressions"].update(happy=1.5),
            "expressions.happy: expected less than or equal to 1; got 1.5",
        ),
        (
            2,
            lambda content: content["faces"][0].update(quality=math.nan),
            "expected finite numbers; got NaN",
        ),
        (
            2,
            lambda content: content["faces"][0].update(name=3),
            "faces.0.name: expected a valid string; got 3",
        ),
        (
            2,
            lambda content: content["faces"][1].update(expressions={"sad": 1}),
            "the expressions sad; those before have happy, sad",
        ),
        (
            4,
            lambda content: content.update(frame=1),
            "frame 1 at 0.2 s follows frame 2 at 0.08 s",
        ),
        (4, lambda content: content.update(seconds=0.01), "frame 5 at 0.01 s follows"),
        (2, lambda content: content.update(seconds=-1), "seconds: expected greater than or equal to 0"),
        (2, lambda content: content["faces"][0].update(track=-1), "track: expected greater than"),
        (2, lambda content: content["faces"][0].update(similarity=2), "expected a cosine, in [-1, 1]"),
        (2, lambda content: content["faces"][0].update(name="a\x1bb"), "without control characters"),
        (
            2,
            lambda content: content["faces"][0].update(outputs={"affect": []}),
            "expected 2 numbers of outputs.affect; got 0",
        ),
    ],
)
def test_a_damaged_line_is_named_by_its_number(line, change, message, path):
    words = f"line {line} of {path} is damaged ("
    with pytest.raises(DamagedError, match=re.escape(words) + ".*" + re.escape(message)):
        read(changed(path, line, change))


def test_what_is_no_recording_is_refused(path, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no recording .*none\.jsonl: `kfer video FILE --json"):
        read(tmp_path / "none.jsonl")
    with pytest.raises(IsADirectoryError, match="is a folder, not a recording"):
        read(tmp_path)
    other = tmp_path / "other"
    for content in (b"frame,seconds\n", b"\xff\xfe\x00", b"[1]\n", b'{"frame":0}\n', b"null\n"):
        other.write_bytes(content)
        with pytest.raises(ValueError, match="is no recording that says its model in its first line"):
            read(other)
    other.write_bytes(b"")
    with pytest.raises(ValueError, match="other is empty, no recording"):
        read(other)


def test_a_model_without_expressions_has_nothing_to_tell(path):
    for line in (1, 2, 4, 5):
        changed(
            path, line, lambda content: [face.update(expressions={}) for face in content["faces"]][:0]
        )
    with pytest.raises(ValueError, match=r"the model faces/1, which has no expressions"):
        read(path)

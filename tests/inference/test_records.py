import csv
import functools
import json
import re

import numpy as np
import pytest

from kfer.inference.analyzer import Face
from kfer.inference.pushed import Model
from kfer.inference.quality import Quality
from kfer.inference.records import JsonLines, RecordedModel, Summary, Table, is_glimpse
from kfer.inference.tracking import TrackedFace
from kfer.inference.video import Frame

IMAGE = np.zeros((8, 8, 3), np.uint8)
MODEL = RecordedModel("faces/1", "f00d", {"affect": ["valence", "arousal"]})


def tracked(track=1, happy=0.75, name=None, quality=0.5, outputs=None, landmarks=True) -> TrackedFace:
    box = np.array([10.123, 20, 30, 40.5], np.float32)
    points = np.arange(10, dtype=np.float32).reshape(5, 2) if landmarks else None
    measured = Quality(30, 100, 120, 50, 0, 0, 0, quality)
    face = Face(box, points, 0.98765, measured, {"happy": 0.0, "sad": 1.0}, None, outputs or {}, IMAGE)
    shares = {"happy": happy, "sad": 1 - happy}
    return TrackedFace(track, face, shares, name, None if name is None else 0.61234, face)


def frame(number, *faces, skipped=0) -> Frame:
    return Frame(number, number / 4, faces, IMAGE, skipped)


def test_a_line_is_a_frame(tmp_path):
    path = tmp_path / "faces.jsonl"
    with JsonLines(path, MODEL) as records:
        records.write(frame(0))
        records.write(frame(1, tracked(name="Märta"), tracked(2, landmarks=False)))
    text = path.read_text(encoding="utf-8")
    assert "Märta" in text and text.endswith("\n")
    first, second = map(json.loads, text.splitlines())
    model = {
        "name": "faces/1",
        "fingerprint": "f00d",
        "numbers": {"affect": ["valence", "arousal"]},
    }
    assert first == {"model": model, "frame": 0, "seconds": 0.0, "faces": []}
    assert list(second) == ["frame", "seconds", "faces"]
    one, other = second["faces"]
    assert one == {
        "track": 1,
        "box": [10.12, 20.0, 30.0, 40.5],
        "landmarks": [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]],
        "score": 0.9877,
        "quality": 0.5,
        "expression": "happy",
        "expressions": {"happy": 0.75, "sad": 0.25},
        "name": "Märta",
        "similarity": 0.6123,
    }
    assert other["landmarks"] is None and other["name"] is None and other["similarity"] is None


def test_of_a_model_the_names_of_its_numbers_are_recorded(tmp_path):
    tasks = {
        "expression": {"kind": "classes", "names": ["happy", "sad"]},
        "identity": {"kind": "embedding", "names": []},
        "affect": {"kind": "regression", "names": ["valence", "arousal"]},
    }
    assert RecordedModel.of(Model(tmp_path, "faces/1", "f00d", tasks)) == MODEL
    assert RecordedModel.of(Model(tmp_path, "a.tflite", "f00d")).numbers == {}


def test_further_tasks_are_written_too(tmp_path):
    outputs = {"age": np.array([31.25, np.nan], np.float32)}
    with JsonLines(tmp_path / "a.jsonl", MODEL) as records:
        records.write(frame(0, tracked(outputs=outputs)))
    (face,) = json.loads((tmp_path / "a.jsonl").read_text())["faces"]
    assert face["outputs"] == {"age": [31.25, None]}


def test_a_row_is_a_face(tmp_path):
    path = tmp_path / "faces.csv"
    with Table(path) as records:
        records.write(frame(0))
        records.write(frame(3, tracked(name='Ann "A", B'), tracked(2, happy=0.1)))
    with path.open(newline="", encoding="utf-8") as file:
        head, *rows = csv.reader(file)
    assert head == [
        *("frame", "seconds", "track", "ymin", "xmin", "ymax", "xmax", "score", "quality"),
        *("expression", "happy", "sad", "name", "similarity"),
    ]
    assert rows[0] == [
        *("3", "0.75", "1", "10.12", "20.0", "30.0", "40.5", "0.9877", "0.5"),
        *("happy", "0.75", "0.25", 'Ann "A", B', "0.6123"),
    ]
    assert rows[1][2] == "2" and rows[1][9] == "sad" and rows[1][-2:] == ["", ""]


def test_a_table_without_faces_has_a_head(tmp_path):
    for expressions, columns in ((None, 12), (("happy", "sad"), 14)):
        with Table(tmp_path / "a.csv", expressions) as records:
            records.write(frame(0))
        (line,) = (tmp_path / "a.csv").read_text().splitlines()
        assert len(line.split(",")) == columns


def test_a_table_has_the_expressions_of_one_model(tmp_path):
    message = "the expressions happy; a face has happy, sad"
    with pytest.raises(ValueError, match=message), Table(tmp_path / "a.csv", ["happy"]) as records:
        records.write(frame(0, tracked()))


@pytest.mark.parametrize("kind", [functools.partial(JsonLines, model=MODEL), Table])
def test_a_file_is_whole_or_not_there(kind, tmp_path):
    path = tmp_path / "faces"
    path.write_text("before")
    with pytest.raises(RuntimeError, match="camera"), kind(path) as records:
        records.write(frame(0, tracked()))
        raise RuntimeError("the camera is gone")
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]
    with kind(path) as records:
        records.write(frame(0, tracked()))
        assert path.read_text() == "before"
        # All that a killed process leaves.
        (left,) = {*tmp_path.iterdir()} - {path}
        assert left.name.startswith(".kfer-")
    assert path.read_text() != "before"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("kind", [functools.partial(JsonLines, model=MODEL), Table])
def test_wrong_use_is_refused(kind, tmp_path):
    with pytest.raises(ValueError, match=re.escape("a is not open: write it within `with`")):
        kind(tmp_path / "a").write(frame(0, tracked()))
    with pytest.raises(FileNotFoundError), kind(tmp_path / "no" / "a"):
        pass
    with pytest.raises(IsADirectoryError, match="is a folder"), kind(tmp_path):
        pass


def test_lines_are_written_as_they_come(tmp_path):
    with JsonLines(tmp_path / "a.jsonl", MODEL) as records:
        for number in range(1000):
            records.write(frame(number, tracked()))
        (written,) = tmp_path.rglob("a.jsonl")
        assert written.stat().st_size > 100_000


def test_a_summary_of_tracks():
    summary = Summary()
    summary.add(frame(0, tracked(1, 0.9, quality=0.2)))
    summary.add(frame(1, tracked(1, 0.8, quality=0.7), tracked(2, 0.3)))
    summary.add(frame(4, tracked(1, 0.1, name="Anna", quality=0.7), skipped=2))
    summary.add(frame(5, skipped=2))
    one, other = summary.tracks
    assert (one.track, one.first_seconds, one.last_seconds, one.frames) == (1, 0.0, 1.0, 3)
    assert (one.name, one.similarity) == ("Anna", 0.61234)
    assert (one.seconds, other.seconds) == (0.75, 0.25)
    assert not one.is_glimpse and other.is_glimpse
    assert one.expressions == {"happy": pytest.approx(2 / 3), "sad": pytest.approx(1 / 3)}
    assert (one.best_frame, one.best_seconds, one.best_quality) == (1, 0.25, 0.7)
    assert (other.frames, other.name, other.expressions) == (1, None, {"happy": 0.0, "sad": 1.0})


def test_what_is_brief_or_never_clear_is_a_glimpse():
    assert is_glimpse(0.49, 1.0) and is_glimpse(60.0, 0.09)
    assert not is_glimpse(0.5, 0.1)


def test_a_summary_of_nothing():
    assert Summary().tracks == []


def test_names_that_spreadsheets_would_run_are_texts(tmp_path):
    with Table(tmp_path / "a.csv") as records:
        records.write(frame(0, tracked(name="=1+1"), tracked(name="Ada")))
    (heading, first, second) = (tmp_path / "a.csv").read_text().splitlines()
    assert heading.split(",")[-2] == "name"
    assert [row.split(",")[-2] for row in (first, second)] == ["'=1+1", "Ada"]

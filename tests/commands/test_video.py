"""`kfer video` on a video of discs."""

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from disc_faces import Discs, push_model, scene

from kfer import commands
from kfer.inference import detection


@pytest.fixture
def user(tmp_path, monkeypatch) -> Path:
    push_model(tmp_path / "saved_models")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(detection, "load", lambda *arguments, **settings: Discs())
    code = cv2.VideoWriter.fourcc(*"MJPG")
    # Without grain a disc has the quality 0.
    grain = np.random.default_rng(0).integers(-40, 41, (200, 300, 1))
    for name in ("red.avi", "brief.avi", "flat.avi", "nobody.avi"):
        writer = cv2.VideoWriter(name, code, 10, (300, 200))
        for number in range(12):
            faces = [] if name == "nobody.avi" else [("red", 100, 90 + 4 * number, 30)]
            if name == "brief.avi" and number >= 10:
                faces.append(("green", 100, 240, 30))
            picture = (scene(*faces) + grain * (name != "flat.avi")).clip(0, 255).astype(np.uint8)
            writer.write(np.ascontiguousarray(picture[..., ::-1]))
        writer.release()
    return tmp_path


def test_a_video_is_told_written_and_drawn(user, capsys):
    outputs = ["--json", "out.jsonl", "--csv", "out.csv", "--draw", "out.mp4", "--timeline", "out.png"]
    assert commands.run("video", ["red.avi", *outputs, "--detect-every", "1"]) == 0
    model, heading, row = capsys.readouterr().out.splitlines()
    assert model == "discs/1 (float32), the last pushed to saved_models"
    assert heading.split()[:2] == ["face", "name"]
    assert row.split() == ["1", "0.0", "1.1", "12", "red", "100%"]
    frames = [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]
    assert [frame["frame"] for frame in frames] == list(range(12))
    assert frames[0]["model"] == {"name": "discs/1", "fingerprint": "d15c", "numbers": {}}
    with Path("out.csv").open() as file:
        assert [row["expression"] for row in csv.DictReader(file)] == ["red"] * 12
    drawn = cv2.VideoCapture("out.mp4")
    assert drawn.get(cv2.CAP_PROP_FRAME_COUNT) == 12 and drawn.get(cv2.CAP_PROP_FPS) == 10
    assert Path("out.png").read_bytes().startswith(b"\x89PNG")
    assert not list(user.glob(".kfer-*"))


class Unwritten:
    """OpenCV's writer on a disk that is full: it says nothing."""

    fourcc = cv2.VideoWriter.fourcc

    def __init__(self, path: str, *_: object) -> None:
        Path(path).write_bytes(b"half")

    def isOpened(self) -> bool:
        return True

    def write(self, picture: np.ndarray) -> None:
        pass

    def release(self) -> None:
        pass


def test_a_video_that_is_not_written_whole_is_an_error(user, monkeypatch, capsys):
    monkeypatch.setattr(cv2, "VideoWriter", Unwritten)
    outputs = ["--json", "out.jsonl", "--draw", "out.mp4"]
    assert commands.run("video", ["red.avi", *outputs]) == 2
    assert "kfer video: out.mp4 cannot be written: 0 of 12 frames were\n" in capsys.readouterr().err
    assert not list(user.glob("out.*")) + list(user.glob(".kfer-*"))


def test_glimpses_are_counted_and_kept_in_the_files(user, capsys):
    words = "left out, seen for less than half a second or never well enough (--json and --csv have them)"
    assert commands.run("video", ["brief.avi", "--json", "out.jsonl", "--detect-every", "1"]) == 0
    _, _, row, left_out = capsys.readouterr().out.splitlines()
    assert row.split()[-2:] == ["red", "100%"] and left_out == f"1 face {words}"
    assert len(json.loads(Path("out.jsonl").read_text().splitlines()[-1])["faces"]) == 2
    assert commands.run("video", ["flat.avi", "--timeline", "out.png", "--detect-every", "1"]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == [f"1 face {words}"]
    assert Path("out.png").exists()


def test_a_video_without_faces(user, capsys):
    assert commands.run("video", ["nobody.avi", "--timeline", "out.png"]) == 1
    assert capsys.readouterr().out.splitlines()[1:] == ["no face"]
    assert not Path("out.png").exists()


def test_what_cannot_be_done_is_said_before_it_is_begun(user, capsys):
    Path("out.csv").write_text("mine")
    assert commands.run("video", ["red.avi", "--csv", "out.csv"]) == 2
    assert commands.run("video", ["red.avi", "--draw", "out.gif"]) == 2
    assert commands.run("video", ["gone.avi"]) == 2
    assert commands.run("camera", ["97"]) == 2
    errors = capsys.readouterr().err
    for words in ("out.csv exists", "must end in .mp4", "gone.avi", "camera 97"):
        assert words in errors
    assert Path("out.csv").read_text() == "mine"

"""`kfer timeline` on made-up recordings, and on a video of drawn faces."""

import csv
import importlib.util
import io
import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
import tensorflow as tf
from seen_people import shown

from kfer import commands
from kfer.datasets.drawing import draw_clip

needs_matplotlib = pytest.mark.skipif(
    importlib.util.find_spec("matplotlib") is None, reason="matplotlib is not installed"
)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(name: str, fingerprint: str = "f00d", **people: str) -> str:
    """Lines of people as `seen_people.recording` takes them, with the valence -0.5."""
    lines = []
    for number in range(max(map(len, people.values()), default=3)):
        faces = [
            {
                "track": track,
                "quality": 1.0,
                "expressions": shown(letters[number]),
                "name": None if called.startswith("track") else called,
                "similarity": 0.5,
                "outputs": {"affect": [-0.5]},
            }
            for track, (called, letters) in enumerate(people.items(), 1)
            if number < len(letters) and letters[number] != "."
        ]
        lines.append({"frame": number, "seconds": number / 10, "faces": faces})
    lines[0]["model"] = {
        "name": "faces/1",
        "fingerprint": fingerprint,
        "numbers": {"affect": ["valence"]},
    }
    Path(name).write_text("".join(json.dumps(line) + "\n" for line in lines))
    return name


def rows(path: str) -> list[dict[str, str]]:
    with Path(path).open(newline="") as file:
        return list(csv.DictReader(file))


def test_one_recording_is_a_table_a_person(capsys):
    one = write("a.jsonl", Anna="n" * 10 + "h" * 30, track2="." * 10 + "s" * 20, track3="...h")
    assert commands.run("timeline", [one]) == 0
    _, heading, anna, other, left_out, *episodes = capsys.readouterr().out.splitlines()
    assert heading.split()[:3] == ["person", "recording", "from"]
    assert anna.split() == [
        *("Anna", "a.jsonl", "0:00.0", "0:04.0", "0:04.0", "1", "15.0", "happy", "75%,", "neutral"),
        *("25%", "-0.50", "(sd", "0.00,", "+0.00", "a", "minute)"),
    ]
    assert other.split()[:6] == ["track", "2", "a.jsonl", "0:01.0", "0:03.0", "0:02.0"]
    assert left_out.startswith("1 face left out, seen for less than half a second")
    assert [line.split() for line in episodes[1:5]] == [
        ["Anna", "in", "a.jsonl"],
        ["from", "to", "seconds", "expression"],
        ["0:00.0", "0:01.0", "1.0", "neutral", "80%"],
        ["0:01.0", "0:04.0", "3.0", "happy", "80%"],
    ]


def test_where_there_is_only_a_glimpse_it_is_told(capsys):
    assert commands.run("timeline", [write("a.jsonl", Anna="hh")]) == 0
    out = capsys.readouterr().out
    assert "Anna" in out and "left out" not in out


def test_of_many_episodes_the_longest_are_printed(capsys):
    one = write("a.jsonl", Anna="nnhh" * 12 + "nnn")
    assert commands.run("timeline", [one, "--episodes", "all.csv"]) == 0
    out = capsys.readouterr().out
    assert "Anna in a.jsonl, the 20 longest of 25 (--episodes writes all)" in out
    assert len(rows("all.csv")) == 25 and "0:04.8  0:05.1      0.3  neutral" in out


def test_json_and_tables_have_the_same_figures(capsys):
    files = [write("a.jsonl", Anna="n" * 10 + "h" * 10), write("b.jsonl", Anna="h" * 60, Ben="s" * 60)]
    assert commands.run("timeline", [*files, "--json", "--csv", "a.csv", "--episodes", "b.csv"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["model"]["fingerprint"] == "f00d"
    assert [each["seconds"] for each in told["recordings"]] == [2.0, 6.0]
    people = [(each["person"], each["recording"]) for each in told["people"]]
    assert people == [("Anna", "a.jsonl"), ("Anna", "b.jsonl"), ("Ben", "b.jsonl")]
    anna, ben = told["over_recordings"]
    assert (anna["person"], anna["num_recordings"], anna["seconds"]) == ("Anna", 2, 8.0)
    assert anna["shares"] == {"neutral": 0.125, "happy": 0.875, "sad": 0.0}
    # Of 0.5 and 1.
    assert anna["share_deviations"]["happy"] == pytest.approx(math.sqrt(0.125), abs=1e-4)
    assert ben["num_recordings"] == 1 and ben["share_deviations"]["sad"] is None
    table = rows("a.csv")
    assert [(row["person"], row["recording"]) for row in table] == [
        *people,
        ("Anna", "all"),
        ("Ben", "all"),
    ]
    assert [row["shares_happy"] for row in table] == ["0.5", "1.0", "0.0", "0.875", "0.0"]
    assert {row["affect_valence_mean"] for row in table} == {"-0.5"}
    assert rows("b.csv")[1] == {
        "person": "Anna",
        "recording": "a.jsonl",
        "expression": "happy",
        "start": "1.0",
        "end": "2.0",
        "seconds": "1.0",
        "probability": "0.8",
    }


def test_several_recordings_are_a_row_each_and_one_for_all(capsys):
    files = [write("a.jsonl", Anna="n" * 10, track2="h" * 9), write("b.jsonl", Anna="h" * 30)]
    assert commands.run("timeline", files) == 0
    out, err = capsys.readouterr()
    assert [line.split()[:2] for line in out.splitlines()[2:5]] == [
        ["Anna", "a.jsonl"],
        ["Anna", "b.jsonl"],
        ["Anna", "all"],
    ]
    assert "happy 75%, neutral 25%" in out.splitlines()[4]
    assert "Anna: standard deviation of the shares between recordings: neutral 71%, happy 71%" in out
    assert "1 track without a name left out: only names join recordings" in err


def test_one_person_of_many(capsys):
    one = write("a.jsonl", Anna="n" * 10, Ben="h" * 10, track3="s" * 10)
    for person in ("Ben", "track 3"):
        assert commands.run("timeline", [one, "--person", person, "--json"]) == 0
        (found,) = json.loads(capsys.readouterr().out)["people"]
        assert found["person"] == person
    assert commands.run("timeline", [one, "--person", "Cleo"]) == 1
    out, err = capsys.readouterr()
    assert out == "faces/1\nnobody is seen\n" and "Cleo is not seen; seen are Anna, Ben, track 3" in err


def test_nobody(capsys):
    outputs = ["--csv", "a.csv", "--draw", "a.png"]
    assert commands.run("timeline", [write("a.jsonl"), *outputs]) == 1
    assert capsys.readouterr().out == "faces/1\nnobody is seen\n"
    assert commands.run("timeline", ["a.jsonl", write("b.jsonl"), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["people"] == []
    assert not Path("a.csv").exists() and not Path("a.png").exists()


@needs_matplotlib
def test_a_picture(capsys):
    files = [write("a.jsonl", Anna="n" * 10), write("b.jsonl", Anna="h" * 30)]
    assert commands.run("timeline", [*files, "--draw", "a.png"]) == 0
    assert Path("a.png").read_bytes().startswith(b"\x89PNG")


class Full(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError("standard output cannot be written")


@pytest.mark.parametrize(("more", "code"), [(["--draw", "a.png"], 0), (["--csv", "a.csv"], 0), ([], 2)])
def test_what_cannot_be_printed_was_done_all_the_same(more, code, monkeypatch):
    write("a.jsonl", Anna="n" * 10)
    monkeypatch.setattr("sys.stdout", Full())
    assert code == (commands.run("timeline", ["a.jsonl", *more]))
    assert not more or Path(more[1]).exists()


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["none.jsonl"], "there is no recording none.jsonl"),
        (["empty.jsonl"], "empty.jsonl is empty"),
        (["text.jsonl"], "text.jsonl is no recording"),
        (["cut.jsonl"], "line 3 of cut.jsonl is damaged"),
        (
            ["a.jsonl", "other.jsonl"],
            "a.jsonl is of the model faces/1 (f00d), other.jsonl of faces/1 (beef",
        ),
        (
            ["t.jsonl", "u.jsonl"],
            "no face of these recordings has a name, and only names join recordings",
        ),
        (["a.jsonl", "a.jsonl"], "a recording is given twice"),
        (["a.jsonl", "--least-lead", "-1"], "--least-lead must be at least 0"),
        (["a.jsonl", "--csv", "text.jsonl"], "must end in .csv"),
        (["a.jsonl", "--draw", "there.png"], "there.png exists"),
    ],
)
def test_what_cannot_be_told(arguments, words, capsys):
    for name in ("a.jsonl", "cut.jsonl"):
        write(name, Anna="nnnn")
    for name in ("t.jsonl", "u.jsonl"):
        write(name, track1="nnnn")
    write("other.jsonl", "beef", Anna="nnnn")
    cut = Path("cut.jsonl").read_text().splitlines(keepends=True)
    Path("cut.jsonl").write_text("".join(cut[:2]) + cut[2][:40])
    Path("empty.jsonl").touch()
    Path("there.png").touch()
    Path("text.jsonl").write_text("no lines of JSON\n")
    assert commands.run("timeline", arguments) == 2
    out, err = capsys.readouterr()
    assert words in err and out == ""


def push_comparer(faces: dict[str, np.ndarray]) -> str:
    """Writes a model that says which of these faces a picture resembles."""
    size = len(next(iter(faces.values())))
    known = tf.constant(np.stack(list(faces.values())), tf.float32)

    def predict(images: tf.Tensor) -> dict[str, tf.Tensor]:
        images = tf.image.resize(tf.cast(images, tf.float32), (size, size))
        distances = tf.reduce_mean((images[:, None] - known) ** 2, axis=(2, 3, 4))
        return {"expression": tf.nn.softmax(-distances / 10)}

    module = tf.Module()
    module.predict = tf.function(
        predict, input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8, "images")]
    )
    tf.saved_model.save(module, "comparer/1", {"image_tensor": module.predict})
    description = {
        "name": "comparer",
        "weights": "c0de",
        "tasks": {"expression": {"kind": "classes", "names": list(faces)}},
    }
    Path("comparer/1/model.json").write_text(json.dumps(description))
    return "comparer"


@needs_matplotlib
def test_a_smile_that_comes_and_goes_in_a_video_of_a_drawn_face(capsys):
    comes = draw_clip(1, "smile_comes", 1, num_frames=40, size=112).frames
    model = push_comparer({"neutral": comes[0], "happy": comes[-1]})
    writer = cv2.VideoWriter("smile.mkv", cv2.VideoWriter.fourcc(*"FFV1"), 25, (112, 112))
    for frame in np.concatenate([comes, comes[::-1]]):
        writer.write(np.ascontiguousarray(frame[..., ::-1]))
    writer.release()
    asked = ["--model", model, "--detector", "none", "--json", "smile.jsonl", "--timeline", "a.png"]
    assert commands.run("video", ["smile.mkv", *asked]) == 0
    assert commands.run("timeline", ["smile.jsonl", "--draw", "b.png", "--episodes", "e.csv"]) == 0
    episodes = rows("e.csv")
    assert [each["expression"] for each in episodes] == ["neutral", "happy", "neutral"]
    assert float(episodes[-1]["end"]) == pytest.approx(3.2)
    # The same picture, but for its title's name of the recording and the rounding of the lines.
    one, other = (cv2.imread(name).astype(int) for name in ("a.png", "b.png"))
    assert one.shape == other.shape and (np.abs(one - other).max(axis=-1) > 32).mean() < 0.01

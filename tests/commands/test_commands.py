"""The commands on faces, as scripts and people use them: what is printed, written and returned."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from disc_faces import COLOURS, Discs, push_model, scene
from PIL import Image

from kfer import commands
from kfer.commands import COMMANDS
from kfer.inference import detection

# The first line of each answer.
MODEL = "discs/1 (float32), the last pushed to saved_models"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder of a user: pushed models, and pictures."""
    place = tmp_path_factory.mktemp("user")
    push_model(place / "saved_models")
    return place


@pytest.fixture
def user(folder, tmp_path, monkeypatch) -> Path:
    """The same, and the process works there."""
    (tmp_path / "saved_models").symlink_to(folder / "saved_models")
    pictures = {
        "red": scene(("red", 100, 100, 30)),
        "red2": scene(("red", 90, 180, 40)),
        "green": scene(("green", 100, 100, 30)),
        "two": scene(("blue", 110, 90, 40), ("red", 100, 220, 25)),
        "nobody": scene(),
    }
    for name, pixels in pictures.items():
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    (tmp_path / "text.jpg").write_text("no picture")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(detection, "load", lambda *arguments, **settings: Discs())
    return tmp_path


def ship(version: Path, folder: Path) -> None:
    """Lets a copy of a version be the model `faces` that ships with kfer."""
    place = folder / "faces" / "1"
    place.mkdir(parents=True)
    (place / "int8.tflite").write_bytes((version / "float32.tflite").read_bytes())
    described = json.loads((version / "model.json").read_text()) | {"name": "faces", "files": {}}
    (place / "model.json").write_text(json.dumps(described))


def run(capsys, command: str, *arguments: str) -> tuple[int, str, str]:
    code = commands.run(command, arguments)
    said = capsys.readouterr()
    return code, said.out, said.err


def test_every_command_has_its_help():
    for name in COMMANDS:
        process = subprocess.run(
            [sys.executable, "-m", "kfer", name, "--help"], capture_output=True, text=True, check=True
        )
        assert process.stdout.startswith(f"usage: kfer {name}") and not process.stderr


def test_analyze_prints_a_table(user, capsys):
    code, said, errors = run(capsys, "analyze", "two.png", "nobody.png")
    assert (code, errors) == (0, "")
    model, *lines = said.splitlines()
    assert model == MODEL
    assert lines[0].split() == ["image", "face", "expression", "quality", "x,y", "size", "notes"]
    assert lines[1].startswith("two.png        1  blue ") and "50,70 80x80" in lines[1]
    assert lines[2].startswith("               2  red ")
    assert lines[3].split() == ["nobody.png", "no", "face"]


def test_analyze_prints_json(user, capsys):
    code, said, _ = run(capsys, "analyze", "two.png", "nobody.png", "--json", "--embeddings")
    assert code == 0
    found = json.loads(said)
    assert (found["model"], found["export"]) == ("discs/1", "float32") and found["failures"] == []
    assert found["origin"] == "the last pushed to saved_models"
    first, second = found["images"]
    assert first["image"] == "two.png" and second == {"image": "nobody.png", "faces": []}
    blue, red = first["faces"]
    assert (blue["expression"], red["expression"]) == ("blue", "red")
    assert set(blue["expressions"]) == set(COLOURS) and len(blue["landmarks"]) == 5
    assert np.linalg.norm(blue["embedding"]) == pytest.approx(1, abs=1e-5)
    assert (
        "embedding"
        not in json.loads(run(capsys, "analyze", "two.png", "--json")[1])["images"][0]["faces"][0]
    )


def test_analyze_goes_on_after_what_is_no_picture(user, capsys):
    code, said, errors = run(capsys, "analyze", "text.jpg", "red.png", "gone.png")
    assert code == 2 and "red.png" in said
    assert "text.jpg is no picture" in errors and "gone.png" in errors
    found = json.loads(run(capsys, "analyze", "text.jpg", "red.png", "--json")[1])
    assert [failure["image"] for failure in found["failures"]] == ["text.jpg"]


def test_analyze_draws(user, capsys):
    assert run(capsys, "analyze", "red.png", "--draw", "out.png")[0] == 0
    drawn = np.asarray(Image.open("out.png"))
    assert drawn.shape == (200, 300, 3) and (drawn != scene(("red", 100, 100, 30))).any()
    code, _, errors = run(capsys, "analyze", "red.png", "--draw", "out.png")
    assert code == 2 and "out.png exists; name another file" in errors
    assert run(capsys, "analyze", "red.png", "two.png", "--draw", "drawn")[0] == 0
    assert sorted(path.name for path in Path("drawn").iterdir()) == ["red.png", "two.png"]
    code, _, errors = run(capsys, "analyze", "red.png", "two.png", "--draw", "one.png")
    assert code == 2 and "--draw must be a folder for 2 pictures" in errors


def test_analyze_that_has_drawn_is_done_whatever_can_be_printed(user, monkeypatch):
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError("standard output cannot be written")

    monkeypatch.setattr("sys.stdout", Full())
    assert commands.run("analyze", ["red.png", "--draw", "out.png"]) == 0
    assert Path("out.png").exists()


def test_analyze_prints_and_draws_dense_landmarks(user, capsys, monkeypatch):
    from kfer.datasets import drawing
    from kfer.inference.detection import whole

    def face_of(*arguments: str) -> dict:
        return json.loads(run(capsys, "analyze", *arguments, "--json")[1])["images"][0]["faces"][0]

    dense = ("--landmarks", "dense")
    assert face_of("red.png", *dense, "--points")["dense_landmarks"] is None
    monkeypatch.setattr(detection, "load", lambda *arguments, **settings: whole.make())
    Image.fromarray(drawing.draw(0, "happy", 0, 192).image).save("face.png")
    assert face_of("face.png", "--draw", "usual.png")["landmarks"] is None
    assert "dense_landmarks" not in face_of("face.png", "--draw", "dotted.png", *dense)
    points = face_of("face.png", *dense, "--points")["dense_landmarks"]
    assert np.shape(points) == (468, 3)
    usual, dotted = (np.asarray(Image.open(f"{name}.png")).astype(int) for name in ("usual", "dotted"))
    # The bars are drawn over the chin of a face that is the whole picture.
    shown = [np.abs(dotted - usual)[round(y), round(x)].any() for y, x, _ in points]
    assert np.mean(shown) > 0.8
    code, _, errors = run(capsys, "analyze", "face.png", "--json", "--points")
    assert code == 2 and "--points prints dense landmarks: give --landmarks dense as well" in errors


def test_a_folder_is_all_pictures_in_it(user, capsys):
    Path("album/day").mkdir(parents=True)
    for name in ("red", "green"):
        Path(f"{name}.png").rename(f"album/day/{name}.png")
    Path("album/notes.txt").write_text("no picture, and not taken for one")
    code, said, errors = run(capsys, "analyze", "album")
    assert (code, errors) == (0, "kfer analyze: left out of album: 1 .txt (notes.txt)\n")
    assert [line.split()[0] for line in said.splitlines()[2:]] == [
        "album/day/green.png",
        "album/day/red.png",
    ]


def test_hidden_files_of_a_folder_are_passed_over_and_links_followed(user, capsys):
    Path("album/.thumbnails").mkdir(parents=True)
    Path("disk").mkdir()
    Path("red.png").rename("album/red.PNG")
    Path("green.png").rename("disk/green.png")
    Path("album/._red.png").write_bytes(b"no picture")
    Path("album/.thumbnails/red.png").write_bytes(b"no picture")
    Path("album/linked").symlink_to("../disk")
    code, said, errors = run(capsys, "analyze", "album")
    assert (code, errors) == (0, "")
    found = [line.split()[0] for line in said.splitlines()[2:]]
    assert found == ["album/linked/green.png", "album/red.PNG"]


def test_pictures_of_a_folder_that_are_not_read_are_named(user, capsys):
    Path("album").mkdir()
    Path("red.png").rename("album/red.png")
    Path("album/IMG_1.AVIF").write_bytes(b"x")
    Path("album/gone.png").symlink_to("nowhere.png")
    os.mkfifo("album/pipe.png")
    code, said, errors = run(capsys, "analyze", "album", "--json")
    assert code == 0 and len(json.loads(said)["images"]) == 1
    assert errors == (
        "kfer analyze: left out of album: 1 .avif, a format that is not read (IMG_1.AVIF), "
        "1 broken link (gone.png), 1 pipe, socket or device (pipe.png)\n"
    )


def test_a_folder_without_pictures_is_an_error(user, capsys):
    Path("album/.hidden").mkdir(parents=True)
    Path("album/.hidden/1.png").write_bytes(b"x")
    assert run(capsys, "analyze", "album") == (2, "", "kfer analyze: there is no picture in album\n")
    Path("album/1.avif").write_bytes(b"x")
    code, _, errors = run(capsys, "analyze", "red.png", "album")
    assert code == 2 and "no picture in album; left out: 1 hidden (.hidden), 1 .avif, a format" in errors


@pytest.mark.parametrize(
    ("pair", "code", "words"),
    [
        (("red.png", "red2.png"), 0, "the same person: similarity 1.000, threshold 0.800, which 2.00%"),
        (("red.png", "green.png"), 1, "different people: similarity "),
        (("red.png", "two.png"), 1, "different people: similarity "),
    ],
)
def test_verify_answers_by_its_exit_code(user, capsys, pair, code, words):
    found, said, _ = run(capsys, "verify", *pair)
    assert found == code and said.startswith(f"{MODEL}\n{words}")
    answer = json.loads(run(capsys, "verify", *pair, "--json")[1])
    assert answer["verified"] is (code == 0) and len(answer["faces"]) == 2


def test_verify_says_what_it_could_not_find_out(user, capsys):
    assert "nobody.png shows no face" in run(capsys, "verify", "red.png", "nobody.png")[2]
    code, said, errors = run(capsys, "verify", "red.png", "two.png", "--strict")
    assert (code, said) == (2, "") and "two.png shows 2 faces; one is expected" in errors
    assert "two.png shows 2 faces; the largest is taken" in run(capsys, "verify", "red.png", "two.png")[2]
    assert run(capsys, "verify", "red.png", "text.jpg")[0] == 2
    assert run(capsys, "verify", "red.png", "green.png", "--threshold", "-1")[0] == 0


def test_people_are_enrolled_identified_and_deleted(user, capsys):
    assert run(capsys, "enroll", "Ada", "red.png", "red2.png", "--least-quality", "0")[1] == (
        f"{MODEL}\nAda: 2 templates; faces.gallery: 1 person\n"
    )
    assert run(capsys, "enroll", "Zoë 😀", "green.png", "--least-quality", "0")[0] == 0
    assert json.loads(run(capsys, "gallery", "--json")[1])["people"] == {"Ada": 2, "Zoë 😀": 1}
    code, said, _ = run(capsys, "identify", "two.png", "--draw", "who.png")
    assert code == 0 and Path("who.png").is_file()
    assert [line.split()[-2:] for line in said.splitlines()[2:]] == [
        ["80x80", "unknown"],
        ["Ada", "1.000"],
    ]
    found = json.loads(run(capsys, "identify", "green.png", "--json", "--threshold", "-1", "-k", "1")[1])
    assert [match["name"] for match in found["faces"][0]["matches"]] == ["Zoë 😀"]
    assert run(capsys, "identify", "nobody.png")[:2] == (1, f"{MODEL}\nnobody.png shows no face\n")
    assert run(capsys, "gallery", "--remove", "Ada")[:2] == (0, "Ada: 2 templates deleted\n")
    assert run(capsys, "identify", "red.png")[0] == 1
    code, _, errors = run(capsys, "gallery", "--remove", "Zoe")
    assert code == 2 and "nobody named 'Zoe' is among" in errors


def test_explain_says_where_each_face_is_told_by(user, capsys):
    code, said, errors = run(capsys, "explain", "two.png")
    assert (code, errors) == (0, "")
    rows = [line.split() for line in said.splitlines()[1:]]
    assert rows[0] == ["face", "x,y", "size", "expression", "eyes", "nose", "mouth"]
    assert [row[3] for row in rows[1:]] == ["blue", "red"] and all(len(row) == 8 for row in rows[1:])
    assert run(capsys, "explain", "nobody.png")[:2] == (1, f"{MODEL}\nnobody.png shows no face\n")


@pytest.mark.parametrize("method", ["gradcam", "occlusion"])
def test_explain_prints_json_and_draws(user, capsys, method):
    code, said, errors = run(
        capsys, "explain", "two.png", "--json", "--method", method, "--draw", f"{method}.png"
    )
    assert (code, errors) == (0, "")
    found = json.loads(said)
    assert found["model"] == "discs/1"
    blue, red = found["faces"]
    assert (blue["expression"], red["expression"]) == ("blue", "red")
    for face in (blue, red):
        assert face["method"] == method and 0.9 < face["probability"] <= 1 and len(face["box"]) == 4
        # A disc fills the face from its middle.
        assert face["centre"] == pytest.approx([55.5, 55.5], abs=6)
        assert 0 < sum(face["shares"].values()) < 1
    drawn = np.asarray(Image.open(f"{method}.png")).astype(int)
    assert drawn.shape == (200, 300, 3)
    # A disc is of its mean colour: that it is covered changes nothing.
    changed = np.abs(drawn[115, 90] - COLOURS["blue"]).max()
    assert changed > 30 if method == "gradcam" else changed < 10


def test_explain_takes_an_expression_that_the_model_knows(user, capsys):
    found = json.loads(run(capsys, "explain", "red.png", "--expression", "green", "--json")[1])
    assert found["faces"][0]["expression"] == "green" and found["faces"][0]["probability"] < 0.1
    code, said, errors = run(capsys, "explain", "red.png", "--expression", "happy")
    assert (code, said) == (2, "")
    assert errors == "kfer explain: the expression must be among red, green, blue; got 'happy'\n"


def test_explain_says_what_gradcam_needs(user, capsys):
    alone = Path("alone.tflite")
    alone.write_bytes(Path("saved_models/discs/1/float32.tflite").read_bytes())
    code, _, errors = run(capsys, "explain", "red.png", "--model", str(alone), "--method", "gradcam")
    assert code == 2 and "Grad-CAM needs the gradients of a SavedModel (--variant saved_model)" in errors
    assert run(capsys, "explain", "red.png", "--model", str(alone))[0] == 0


def test_a_picture_is_refused_before_anything_is_done(user, capsys):
    for command in ("identify", "analyze", "explain"):
        code, _, errors = run(capsys, command, "red.png", "--draw", "red.png")
        assert code == 2 and "red.png exists; name another file" in errors
    code, _, errors = run(capsys, "identify", "red.png", "--draw", "out.txt")
    assert code == 2 and "a picture's name must end in .png, .jpg, .jpeg; got out.txt" in errors


def test_numbers_that_are_none_are_null(user, capsys, monkeypatch):
    monkeypatch.setattr("kfer.inference.runtime.Runner.__call__", spoiled)
    found = json.loads(run(capsys, "analyze", "red.png", "--json")[1])
    assert found["images"][0]["faces"][0]["outputs"] == {"sizes": [None, 1.0]}


def spoiled(runner, images):
    return {"sizes": np.array([[np.nan, 1.0]] * len(images), np.float32)}


def test_a_doubt_is_told_in_words_alone(user, capsys):
    code, _, errors = run(capsys, "enroll", "Ada", "two.png", "--least-quality", "0")
    assert (code, errors) == (0, "kfer enroll: two.png shows 2 faces; the largest is taken\n")


def test_a_name_like_another_ones_is_told(user, capsys):
    assert run(capsys, "enroll", "Ann", "red.png", "--least-quality", "0")[0] == 0
    code, _, errors = run(capsys, "enroll", "ann", "green.png", "--least-quality", "0")
    assert (code, errors) == (
        0,
        "kfer enroll: faces.gallery has 'Ann' already; 'ann' is another person\n",
    )
    assert run(capsys, "enroll", "ann", "green.png", "--least-quality", "0")[2] == ""


def test_a_poor_picture_is_not_enrolled(user, capsys):
    code, _, errors = run(capsys, "enroll", "Ada", "red.png")
    assert code == 2
    assert (
        "the face in red.png has a quality of 0.00 (blurred, flat), less than --least-quality 0.3"
        in errors
    )
    assert not Path("faces.gallery").exists()
    assert "shows no face" in run(capsys, "enroll", "Ada", "nobody.png")[2]


def test_a_gallery_of_another_model_is_refused(user, capsys, tmp_path):
    assert run(capsys, "enroll", "Ada", "red.png", "--least-quality", "0")[0] == 0
    other = Path("other.tflite")
    other.write_bytes(Path("saved_models/discs/1/float32.tflite").read_bytes())
    code, _, errors = run(capsys, "identify", "red.png", "--model", str(other), "--threshold", "0.5")
    assert code == 2 and "holds embeddings of the model 'd15c', not of" in errors
    Path("faces.gallery").write_bytes(Path("faces.gallery").read_bytes()[:-1])
    assert run(capsys, "identify", "red.png")[0] == 2


def test_models_are_listed(user, capsys):
    code, said, _ = run(capsys, "models")
    assert code == 0 and said.splitlines()[1].split()[0] == "discs/1"
    assert json.loads(run(capsys, "models", "--json")[1])[0]["exports"] == ["saved_model", "float32"]
    code, said, _ = run(capsys, "models", "elsewhere")
    assert code == 1 and said.startswith("no model in elsewhere: `python -m kfer.pipeline SETTINGS")


def test_shipped_models_are_listed_and_answer_where_nothing_was_pushed(user, capsys, shipped_models):
    ship(user / "saved_models" / "discs" / "1", shipped_models)
    listed = json.loads(run(capsys, "models", "--json")[1])
    assert [(each["model"], each["shipped"], each["default"]) for each in listed] == [
        ("discs/1", False, True),
        ("faces/1", True, False),
    ]
    Path("saved_models").unlink()
    code, said, _ = run(capsys, "models")
    assert code == 0 and said.splitlines()[1].endswith("shipped with kfer; the default")
    code, said, _ = run(capsys, "analyze", "red.png")
    assert code == 0 and said.startswith("faces/1 (int8), shipped with kfer\n")
    assert run(capsys, "report")[1].startswith("faces/1 (int8), shipped with kfer\n")


def test_a_model_without_the_task_that_is_asked_for_says_so(user, capsys):
    for task, commands_ in (
        ("identity", (["explain", "red.png"],)),
        (
            "expression",
            (
                ["analyze", "red.png", "--json", "--embeddings"],
                ["verify", "red.png", "red2.png"],
                ["enroll", "Ada", "red.png"],
                ["identify", "red.png"],
                ["calibrate", "pairs.csv"],
            ),
        ),
    ):
        only = Path("only") / task
        shutil.copytree(user / "saved_models" / "discs" / "1", only)
        described = json.loads((only / "model.json").read_text())
        described["tasks"] = {task: described["tasks"][task]}
        (only / "model.json").write_text(json.dumps(described))
        missing = "expression" if task == "identity" else "embedding"
        for command in commands_:
            code, said, errors = run(capsys, *command, "--model", str(only))
            words = f"kfer {command[0]}: discs/{task} gives no {missing}: its tasks are {task}\n"
            assert (code, said, errors) == (2, "", words)


def test_without_a_model_the_way_to_one_is_said(user, capsys):
    Path("saved_models").unlink()
    code, said, errors = run(capsys, "analyze", "red.png")
    assert (code, said) == (2, "")
    assert errors.startswith("kfer analyze: there is no model in saved_models: `python -m kfer.pipeline")


def test_faces_of_a_folder_are_aligned(user, capsys):
    for name, kind in (("red", "Ada"), ("green", "Bo"), ("nobody", "Bo")):
        Path(f"raw/{kind}").mkdir(parents=True, exist_ok=True)
        Path(f"{name}.png").rename(f"raw/{kind}/{name}.png")
    Path("raw/broken.jpg").write_text("no picture")
    arguments = ["raw", "faces", "--workers", "1", "--margin", "0.1"]
    code, said, _ = run(capsys, "align", *arguments)
    assert (code, said) == (0, "2 faces in faces; 2 pictures without: not_found.csv\n")
    faces = {str(path.relative_to("faces")) for path in Path("faces").rglob("*.png")}
    assert faces == {"Ada/red.png", "Bo/green.png"}
    assert np.asarray(Image.open("faces/Ada/red.png")).shape == (112, 112, 3)
    with Path("faces/not_found.csv").open() as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["picture", "reason"] and rows[1] == ["Bo/nobody.png", "no face"]
    assert rows[2][0] == "broken.jpg" and "is no picture" in rows[2][1]
    # It goes on where it was, and makes nothing twice.
    Path("faces/Ada/red.png").unlink()
    kept = Path("faces/Bo/green.png").stat().st_mtime_ns
    assert run(capsys, "align", *arguments)[1].startswith("2 faces in faces; 2 pictures")
    assert Path("faces/Ada/red.png").exists() and Path("faces/Bo/green.png").stat().st_mtime_ns == kept
    code, _, errors = run(capsys, "align", *arguments[:-1], "0.2")
    assert code == 2 and "the faces in faces were cut with another crop: take another folder" in errors


def test_pictures_that_are_not_read_are_among_those_without_a_face(user, capsys):
    Path("raw/.thumbnails").mkdir(parents=True)
    Path("red.png").rename("raw/red.png")
    for name in (".thumbnails/red.png", "IMG_1.AVIF", "notes.txt"):
        (Path("raw") / name).write_bytes(b"x")
    code, said, _ = run(capsys, "align", "raw", "faces", "--workers", "1")
    assert (code, said) == (0, "1 face in faces; 1 picture without: not_found.csv\n")
    rows = Path("faces/not_found.csv").read_text().splitlines()
    assert rows[1:] == ['IMG_1.AVIF,"left out: .avif, a format that is not read"']
    assert not Path("faces/.thumbnails").exists()


def test_one_picture_whose_face_cannot_be_written_does_not_stop_the_others(user, capsys):
    for name in ("red", "green"):
        Path(f"raw/{name}").mkdir(parents=True)
        Path(f"{name}.png").rename(f"raw/{name}/=1 {name}.png")
    Path("faces").mkdir()
    Path("faces/red").write_text("no folder")
    code, said, _ = run(capsys, "align", "raw", "faces", "--workers", "1")
    assert (code, said) == (0, "1 face in faces; 1 picture without: not_found.csv\n")
    with Path("faces/not_found.csv").open() as file:
        ((_, _), (picture, reason)) = csv.reader(file)
    assert picture == "red/=1 red.png" and reason.startswith("the face cannot be written: [Errno")


def test_faces_of_a_folder_are_aligned_by_dense_landmarks(user, capsys, monkeypatch):
    from kfer.datasets import drawing
    from kfer.inference.detection import whole

    monkeypatch.setattr(detection, "load", lambda *arguments, **settings: whole.make())
    Path("raw").mkdir()
    Image.fromarray(drawing.draw(0, "happy", 0, 192).image).save("raw/face.png")
    dense = ["--workers", "1", "--landmarks", "dense"]
    for target, further in (("five", dense[:2]), ("dense", dense)):
        assert run(capsys, "align", "raw", target, *further)[:2] == (0, f"1 face in {target}\n")
    faces = [np.asarray(Image.open(f"{target}/face.png")) for target in ("five", "dense")]
    assert (faces[0] != faces[1]).any()
    assert json.loads(Path("dense/alignment.json").read_text())["landmarks"] == "dense"
    # As kfer wrote it before it knew dense landmarks.
    known = json.loads(Path("five/alignment.json").read_text())
    assert known.pop("landmarks") == "detector"
    Path("five/alignment.json").write_text(json.dumps(known))
    assert run(capsys, "align", "raw", "five", *dense[:2])[0] == 0
    code, _, errors = run(capsys, "align", "raw", "five", *dense)
    assert code == 2 and "the faces in five were cut with another landmarks" in errors
    Path("five/alignment.json").write_text(json.dumps({**known, "size": "112"}))
    code, _, errors = run(capsys, "align", "raw", "five", *dense[:2])
    assert code == 2 and "alignment.json is damaged (size: expected" in errors


def test_what_cannot_be_aligned_is_said(user, capsys):
    assert "there is no folder nowhere" in run(capsys, "align", "nowhere", "faces")[2]
    Path("raw").mkdir()
    assert "there is no picture in raw" in run(capsys, "align", "raw", "faces")[2]
    for name in ("a.png", "a.bmp"):
        Image.fromarray(scene()).save(Path("raw") / name)
    assert "raw/faces is within raw" in run(capsys, "align", "raw", "raw/faces")[2]
    assert "a.bmp and a.png would give one face's file" in run(capsys, "align", "raw", "faces")[2]
    assert "--workers must be at least 1" in run(capsys, "align", "raw", "faces", "--workers", "0")[2]
    assert "margin must be in [-0.3, 2]" in run(capsys, "align", "raw", "faces", "--margin", "9")[2]


def test_several_processes_align_real_faces(tmp_path):
    from kfer import spec
    from kfer.datasets import drawing

    for number in range(9):
        face = drawing.draw(number, spec.EXPRESSIONS[number % 7], number, 192).image
        place = tmp_path / "raw" / f"{number % 2}"
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.pad(face, ((60, 60), (90, 90), (0, 0)), constant_values=128)).save(
            place / f"{number}.jpg"
        )
    command = [sys.executable, "-m", "kfer", "align", "raw", "faces", "--detector", "blazeface"]
    process = subprocess.run(
        [*command, "--workers", "2"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert process.stdout == "9 faces in faces\n"
    # A bar, and nothing that a library says.
    assert "9picture" in process.stderr and "INFO" not in process.stderr
    assert len(list((tmp_path / "faces").rglob("*.png"))) == 9
    assert not list((tmp_path / "faces").rglob(".kfer-*"))


def test_commands_say_that_a_model_has_seen_drawn_faces_alone(user, capsys):
    # The exports are shared between tests.
    pushed = Path("saved_models").resolve()
    Path("saved_models").unlink()
    shutil.copytree(pushed, "saved_models")
    path = next(Path("saved_models").glob("*/1/model.json"))
    described = json.loads(path.read_text())
    described |= {"training_images": {"synthetic": 9}, "datasets": {"synthetic": "kfer_synthetic/1.1.0"}}
    path.write_text(json.dumps(described))
    words = "discs/1 was trained on drawn faces alone: what it says of photographs means nothing"
    for command in (
        ["analyze", "red.png"],
        ["verify", "red.png", "red2.png"],
        ["enroll", "Ada", "red.png", "--least-quality", "0", "--gallery", "own.gallery"],
        ["identify", "red2.png", "--gallery", "own.gallery"],
    ):
        code, _, errors = run(capsys, *command)
        assert (code, errors.count(f"kfer {command[0]}: {words}\n")) == (0, 1), command
        if command[0] != "enroll":
            content = json.loads(run(capsys, *command, "--json")[1])
            assert (content["trained_on"], content["warning"]) == ({"drawn": 1.0}, words)
    assert "it was trained on drawn faces alone" in run(capsys, "report")[1]

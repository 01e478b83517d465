"""`kfer calibrate`: thresholds from a user's own pairs, and what other commands make of them."""

import csv
import json
import unicodedata
from pathlib import Path

import pytest
from disc_faces import COLOURS, Discs, push_model, scene
from PIL import Image

from kfer import commands
from kfer.commands.pair_list import read_pairs
from kfer.inference import detection, pushed, shipped, thresholds

PEOPLE = ("red", "green", "blue")


@pytest.fixture
def user(tmp_path, monkeypatch) -> Path:
    """A folder with a model, and one with three pictures a person."""
    push_model(tmp_path / "saved_models")
    for person in PEOPLE:
        (tmp_path / "people" / person).mkdir(parents=True)
        for number in range(3):
            pixels = scene((person, 100, 100 + 20 * number, 30 + number))
            Image.fromarray(pixels).save(tmp_path / "people" / person / f"{number}.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(detection, "load", lambda *arguments, **settings: Discs())
    return tmp_path


def run(capsys, command: str, *arguments: str) -> tuple[int, str, str]:
    code = commands.run(command, arguments)
    said = capsys.readouterr()
    return code, said.out, said.err


def write_pairs(rows, path="people/pairs.csv", columns=("first", "second", "same")) -> str:
    with Path(path).open("w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    return path


def test_thresholds_of_a_folder_of_people(user, capsys):
    place = user / "saved_models" / "discs" / "1"
    code, said, errors = run(capsys, "calibrate", "people", "--false-accept-rates", "0.2", "0.5")
    assert code == 0, errors
    # Three pictures of three people: 9 pairs of one person, and as many of two as are drawn.
    assert said.startswith(
        "discs/1 (float32), the last pushed to saved_models\n9 pairs of one person, 9 of two\n"
        "accuracy over 9 folds 1.0000 (standard error 0.0000), AUC 1.000"
    )
    assert "unsure: needs 50 pairs of two people" in said and str(place.relative_to(user)) in said
    model = pushed.find()
    assert [each.chosen_for for each in model.thresholds] == [0.2, 0.5, None]
    assert model.threshold == model.thresholds[0]
    # Nobody is taken for another, and the threshold lies between what was seen of both kinds.
    content = json.loads((place / thresholds.FILE).read_text())
    first = content["thresholds"][0]
    assert first["true_accept_rate"]["value"] == 1.0 and not first["reliable"]
    assert model.threshold.false_accept_rate <= 0.2 and -1 < model.threshold.similarity < 1
    assert (content["weights"], content["detector"], content["num_left_out"]) == ("d15c", "mtcnn", 0)


def test_pairs_keep_the_folds_of_their_list(user, capsys):
    for person in PEOPLE:
        for number in range(3):
            path = Path("people") / person / f"{number}.png"
            path.rename(path.with_name(f"{person}_{number + 1:04d}.jpg"))
    rows = ["red\t1\t2", "green\t1\t2", "red\t1\tgreen\t1", "red\t2\tblue\t1"]
    rows += ["blue\t1\t2", "blue\t2\t3", "red\t3\tgreen\t3", "green\t2\tblue\t1"]
    Path("pairs.txt").write_text("\n".join(["2\t2", *rows]) + "\n")
    assert [pair.fold for pair in read_pairs(Path("pairs.txt"), Path("people"), 0, 0)] == [0] * 4 + [
        1
    ] * 4
    code, said, errors = run(capsys, "calibrate", "pairs.txt", "--images", "people", "--json")
    assert code == 0, errors
    content = json.loads(said)
    assert (content["num_folds"], content["accuracy"], content["accuracy_standard_error"]) == (2, 1, 0)


def test_the_main_face_is_large_and_near_the_middle(user, capsys):
    # Beside each person stands somebody larger, at the edge.
    for person, other in zip(PEOPLE, (*PEOPLE[1:], PEOPLE[0]), strict=True):
        for number in range(3):
            pixels = scene((person, 100, 150, 30), (other, 120, 250, 40))
            Image.fromarray(pixels).save(user / "people" / person / f"{number}.png")
    code, said, errors = run(capsys, "calibrate", "people", "--json")
    assert code == 0, errors
    assert json.loads(said)["accuracy"] == 1
    found = json.loads(run(capsys, "verify", "people/red/0.png", "people/green/0.png", "--json")[1])
    assert not found["verified"]


def test_how_often_people_are_identified(user, capsys):
    Path("people/cyan").mkdir()
    pixels = scene(("blue", 100, 100, 30))
    pixels[(pixels == COLOURS["blue"]).all(axis=-1)] = (40, 210, 230)
    Image.fromarray(pixels).save("people/cyan/0.png")
    arguments = ("people", "--identification", "--false-accept-rates", "0.5")
    code, said, errors = run(capsys, "calibrate", *arguments)
    assert code == 0, errors
    assert "identification of 3 people by one picture each, 1 strangers" in said
    path = pushed.find().folder / thresholds.FILE
    found = json.loads(path.read_text())["identification"]
    assert (found["num_enrolled"], found["num_probes"], found["num_strangers"]) == (3, 6, 1)
    assert found["rank1"]["value"] == 1
    assert [(each["pictures"], each["num_probes"]) for each in found["by_pictures"]] == [("3 to 5", 6)]
    (at_rate,) = found["open_set"]
    assert at_rate["false_positive_rate"]["value"] == 0 and at_rate["true_positive_rate"]["value"] == 1
    code, _, errors = run(
        capsys, "calibrate", write_pairs([("red/0.png", "red/1.png", 1)]), *arguments[1:], "--replace"
    )
    assert code == 2 and "--identification needs a folder of people; people/pairs.csv is none" in errors


def test_other_commands_take_them(user, capsys):
    run(capsys, "calibrate", "people", "--false-accept-rates", "0.2", "0.9")
    strict, loose = (each.similarity for each in pushed.find().thresholds[:2])
    pair = ("people/red/0.png", "people/green/0.png", "--json")
    found = json.loads(run(capsys, "verify", *pair)[1])
    assert (found["threshold"], found["verified"]) == (strict, False)
    code, said, _ = run(capsys, "verify", *pair, "--false-accept-rate", "0.9")
    assert json.loads(said)["threshold"] == loose < strict
    code, _, errors = run(capsys, "verify", *pair, "--false-accept-rate", "0.3")
    assert code == 2 and "no threshold for a false accept rate of 0.3, but for 0.2, 0.9" in errors


def test_what_is_there_is_not_replaced_unless_asked(user, capsys):
    assert run(capsys, "calibrate", "people")[0] == 0
    path = pushed.find().folder / thresholds.FILE
    before = path.read_text()
    code, said, errors = run(capsys, "calibrate", "people", "--false-accept-rates", "0.3")
    assert code == 2 and "thresholds.json exists: --replace makes it anew" in errors
    code, said, _ = run(
        capsys, "calibrate", "people", "--false-accept-rates", "0.3", "--dry-run", "--json"
    )
    assert code == 0 and json.loads(said)["thresholds"][0]["false_accept_rate"] == 0.3
    assert path.read_text() == before
    assert run(capsys, "calibrate", "people", "--false-accept-rates", "0.3", "--replace")[0] == 0
    assert pushed.find().threshold.chosen_for == 0.3


def test_pairs_of_a_csv_whose_pictures_cannot_all_be_used(user, capsys):
    Image.fromarray(scene()).save("people/nobody.png")
    Path("people/text.jpg").write_text("no picture")
    both = [f"red/{n}.png" for n in range(3)], [f"green/{n}.png" for n in range(3)]
    rows = [(a, b, 1) for own in both for a, b in (own[:2], own[1:])]
    rows += [(a, b, "no") for a, b in zip(*both, strict=True)]
    rows += [("red/0.png", "nobody.png", 0), ("text.jpg", "red/1.png", 0)]
    code, said, errors = run(capsys, "calibrate", write_pairs(rows))
    assert code == 0 and "4 pairs of one person, 3 of two; 2 left out" in said
    assert "people/nobody.png shows no face" in errors and "people/text.jpg is no picture" in errors


def test_pairs_in_the_format_of_lfw(user):
    for person in PEOPLE:
        folder = Path("lfw") / person
        folder.mkdir(parents=True)
        for number in range(2):
            # As `kfer align` writes them.
            Image.fromarray(scene()).save(folder / f"{person}_{number + 1:04d}.png")
    Path("pairs.txt").write_text("2\nred\t1\t2\ngreen\t1\t2\nred\t1\tblue\t2\nblue\t1\tgreen\t1\n")
    found = read_pairs(Path("pairs.txt"), Path("lfw"), 0, 0)
    assert [pair.same for pair in found] == [True, True, False, False]
    assert {pair.fold for pair in found} == {-1}
    assert found[2].second == Path("lfw/blue/blue_0002.png")


@pytest.mark.parametrize(
    ("rows", "columns", "words"),
    [
        ([("red/0.png", "red/1.png", "perhaps")], None, "line 2: same must be 1 or 0; got 'perhaps'"),
        ([("red/0.png", "red/9.png", "1")], None, "red/9.png, which is not there"),
        ([("red/0.png", "red/1.png", "1")], None, "1 are of one person, 0 of two"),
        (
            [("red/0.png", "red/1.png")],
            ("a", "b"),
            r"no column first, second, same; it has ['a', 'b']. Pairs",
        ),
    ],
)
def test_pairs_that_cannot_be_used(user, capsys, rows, columns, words):
    code, _, errors = run(
        capsys, "calibrate", write_pairs(rows, columns=columns or ("first", "second", "same"))
    )
    assert code == 2 and words in errors
    assert not (pushed.find().folder / thresholds.FILE).exists()


def test_other_arguments_that_are_wrong(user, capsys):
    assert (
        "must be in (0, 1); got 1" in run(capsys, "calibrate", "people", "--false-accept-rates", "1")[2]
    )
    Path("pairs.txt").write_text("1\n")
    assert "--images is not given" in run(capsys, "calibrate", "pairs.txt")[2]
    Path("empty").mkdir()
    assert "there is no picture in the folders of empty" in run(capsys, "calibrate", "empty")[2]


def test_thresholds_that_are_damaged_or_another_models(user):
    path = pushed.find().folder / thresholds.FILE
    for content in ("{", "[]", '{"weights": "d15c"}', '{"weights": "d15c", "thresholds": []}'):
        path.write_text(content)
        with pytest.raises(ValueError, match=r"thresholds\.json is damaged"):
            pushed.find()
    share = {"value": 0.5}
    threshold = {"threshold": share, "true_accept_rate": share, "measured_false_accept_rate": share}
    path.write_text(
        json.dumps({"weights": "other", "thresholds": [{**threshold, "false_accept_rate": 0.1}]})
    )
    with pytest.raises(ValueError, match="the thresholds of another model: delete it"):
        pushed.find()


def test_hidden_folders_are_nobody_and_two_unicode_forms_one_person(user):
    before = read_pairs(Path("people"), None, 100, 0)
    Path("people/.ipynb_checkpoints").mkdir()
    Image.fromarray(scene()).save("people/.ipynb_checkpoints/0-checkpoint.png")
    assert read_pairs(Path("people"), None, 100, 0) == before
    for form in ("NFC", "NFD"):
        folder = Path("one") / unicodedata.normalize(form, "Jos\u00e9")
        folder.mkdir(parents=True)
        Image.fromarray(scene()).save(folder / "0.png")
    Path("people/red").rename("one/red")
    same = [pair for pair in read_pairs(Path("one"), None, 100, 0) if pair.same]
    assert any("Jos" in str(pair.first) for pair in same)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("red/2019/1.png", "has .* and red/2019/1.png, which do not lie equally deep.*a folder of pic"),
        ("1.png", "has 1.png and .*, which do not lie equally deep"),
    ],
)
def test_folders_within_people_are_refused(user, name, words):
    path = Path("people") / name
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(scene()).save(path)
    with pytest.raises(ValueError, match=words):
        read_pairs(Path("people"), None, 100, 0)


def test_pictures_that_lie_in_no_persons_folder(user):
    with pytest.raises(ValueError, match=r"red has 0\.png, which lies in no person's folder"):
        read_pairs(Path("people/red"), None, 100, 0)


def test_pairs_of_a_spreadsheet(user):
    Path("people/Jose\u0301.png").write_bytes(b"x")
    rows = "First;Second;Same\r\nred\\0.png;red/1.png;1,0\r\nred/0.png;Jos\u00e9.png;FALSE\r\n;;\r\n"
    Path("people/pairs.csv").write_bytes(rows.encode("utf-16"))
    found = read_pairs(Path("people/pairs.csv"), None, 0, 0)
    assert [(pair.second.name, pair.same) for pair in found] == [
        ("1.png", True),
        ("Jose\u0301.png", False),
    ]


def test_pairs_that_come_twice(user):
    write_pairs([("red/0.png", "red/1.png", 1), ("red/1.png", "red/0.png", 1)])
    with pytest.warns(UserWarning, match="has 1 pairs more than once; each counts once"):
        assert len(read_pairs(Path("people/pairs.csv"), None, 0, 0)) == 1
    write_pairs([("red/0.png", "red/1.png", 1), ("red/1.png", "red/0.png", 0)])
    with pytest.raises(ValueError, match=r"the same and that they are not, in lines 2 and 3"):
        read_pairs(Path("people/pairs.csv"), None, 0, 0)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("first,second,same\n", "has no pairs"),
        ("first,second,same\nred/0.png,,1\n", "line 2: it has no second picture"),
        ('"first,second,same\n' + "red/0.png,red/1.png,1\n" * 10_000, "pairs.csv, line 1: the row that"),
    ],
)
def test_lists_of_pairs_that_cannot_be_read(user, content, words):
    Path("people/pairs.csv").write_text(content)
    with pytest.raises(ValueError, match=words):
        read_pairs(Path("people/pairs.csv"), None, 0, 0)


def test_people_whose_names_look_alike_are_told(user):
    Path("people/green").rename("people/Red")
    with pytest.warns(UserWarning, match="people has the people 'Red' and 'red': rename one of them"):
        read_pairs(Path("people"), None, 100, 0)


def test_the_thresholds_of_an_installed_package_are_not_changed(
    user, capsys, monkeypatch, shipped_models
):
    Path("saved_models/discs").rename("saved_models/faces")
    Path("saved_models").rename(shipped_models)
    monkeypatch.setattr(shipped, "is_packaged", lambda: True)
    code, _, errors = run(capsys, "calibrate", "people")
    assert code == 2 and "discs/1 is part of the installed package: copy " in errors
    assert run(capsys, "calibrate", "people", "--dry-run")[0] == 0

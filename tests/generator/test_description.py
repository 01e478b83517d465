"""Finding generators, and reading what describes them."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from kfer import generator


@pytest.fixture
def folder(toy_generators, tmp_path):
    """A folder of generators whose second version of "grey" is not the one that was pushed last."""
    place = tmp_path / "saved_models"
    for number, version in enumerate(("grey/1", "grey/2", "grey/10", "colour/1")):
        (place / version).mkdir(parents=True)
        file = place / version / "generator.json"
        shutil.copy(toy_generators / version.split("/")[0] / "1" / "generator.json", file)
        os.utime(file, (number, number))
    (place / "reader" / "1").mkdir(parents=True)
    (place / "reader" / "1" / "model.json").write_text("{}")
    return place


def test_a_generator_is_found_by_path_by_name_and_as_the_last_that_was_pushed(folder):
    assert generator.find(None, folder) == folder / "colour" / "1"
    assert generator.find("grey", folder) == folder / "grey"
    assert generator.find("grey/2", folder) == generator.find(folder / "grey" / "2", folder)
    assert generator.read(folder / "grey").place == folder / "grey" / "10"
    assert generator.read(folder / "grey" / "2").place == folder / "grey" / "2"


def test_a_generator_that_is_not_there_is_told_with_those_that_are(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no generator 'gray', .*, which has colour, grey$"):
        generator.find("gray", folder)
    with pytest.raises(FileNotFoundError, match=r"there is no generator in .*empty: `python -m"):
        generator.find(None, tmp_path / "empty")
    with pytest.raises(FileNotFoundError, match=r"there is no generator at .*gone"):
        generator.read(tmp_path / "gone")


@pytest.mark.parametrize("place", ["reader", "reader/1", "reader/1/float32.tflite"])
def test_a_network_that_reads_faces_is_told_so(folder, place):
    (folder / "reader" / "1" / "float32.tflite").touch()
    with pytest.raises(ValueError, match="is a network that reads faces; `kfer analyze` takes it"):
        generator.read(folder / place)


def test_a_place_that_nothing_describes_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"is no generator: expected a generator.json in"):
        generator.read(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_size": "48"}, r"image_size: expected a valid integer; got '48'"),
        ({"channels": 2}, "channels: expected 1 or 3; got 2"),
        (
            {"classes": {"expression": "happy"}},
            r"classes\.expression: expected a valid list; got 'happy'",
        ),
        ({"classes": 3}, "is damaged"),
        ({"classes": {"expression": ["sad", "sad"]}}, "expected names that differ; got 'sad' twice"),
        ({"files": ["a"]}, "is damaged"),
        (None, "is damaged .*: copy the generator's whole folder again"),
    ],
)
def test_a_damaged_description_is_told(folder, changes, message):
    file = folder / "colour" / "1" / "generator.json"
    known = file.read_text()
    file.write_text(json.dumps({**json.loads(known), **changes}) if changes else known[:99])
    with pytest.raises(ValueError, match=message):
        generator.read(folder / "colour")


def test_importing_and_describing_loads_nothing_heavy(folder):
    code = (
        "import sys; from kfer import generator; "
        f"generator.read({str(folder / 'grey')!r}); print(*sys.modules)"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in process.stdout.split()}
    assert loaded.isdisjoint({"tensorflow", "keras", "ai_edge_litert", "cv2", "PIL"})

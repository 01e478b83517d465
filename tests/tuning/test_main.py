"""The whole command, on a few drawn faces; its workers are real processes."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kfer.tuning import __main__ as command
from kfer.tuning import command as tuning_command
from kfer.tuning import study as tuning_study

STUDY = """
from kfer.settings import *
from kfer.tuning import TuningStudySettings

people = {
    "num_identities": 4,
    "num_heldout_identities": 4,
    "examples_per_identity": 12,
    "heldout_examples_per_identity": 6,
    "image_size": 32,
}
settings = TuningStudySettings(
    name="toy",
    base=PipelineSettings(
        data=DataSettings(sources=(SourceSettings("synthetic", arguments=people),), image_size=32),
        model=ModelSettings(backbone_arguments={"widths": (4, 8), "blocks": 1}, embedding_size=8),
        training=TrainingSettings(epochs=1, batch_size=16),
        tuning=TuningSettings(
            trials=3,
            space={
                "tasks.*.weight": ParameterSettings(scale="simplex"),
                "training.learning_rate": ParameterSettings(low=1e-3, high=1e-1, scale="log"),
                "model.dropout": ParameterSettings(values=("0.1", "0.3")),
            },
        ),
    ),
    seeds=(0,),
)
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study's file, beside the folder of a study that is done."""
    file = tmp_path_factory.mktemp("tuning") / "toy.py"
    file.write_text(STUDY)
    process = run(file)
    assert process.returncode == 0, process.stderr
    return file


def run(file: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    arguments = (sys.executable, "-m", "kfer.tuning", str(file), *arguments)
    return subprocess.run(arguments, cwd=file.parent, capture_output=True, text=True, timeout=600)


def trials(folder: Path) -> list[dict[str, str]]:
    with (folder / "trials.csv").open(newline="") as rows:
        return [{**row, "seconds": "", "ended": "", "worker": ""} for row in csv.DictReader(rows)]


def test_a_study_leaves_trials_a_page_and_the_best_values(study: Path) -> None:
    folder = study.with_name("toy")
    assert (folder / "study.html").exists()
    assert len(trials(folder)) == 3
    found = json.loads((study.parent / "toy.json").read_text())
    weights = [found["best"]["values"][f"tasks.{task}.weight"] for task in ("expression", "identity")]
    assert sum(weights) == pytest.approx(1.0, abs=1e-5)
    assert found["trials"] == {"asked_for": 3, "ended": 3, "failed": 0}
    assert found["data"] == ["kfer_synthetic/" + found["data"][0].split("/", 1)[1]]
    assert found["objective"] == "mean of val_expression_accuracy, val_verification_accuracy"
    assert found["best"]["score"] >= found["as_set"]["score"]
    assert set(found["made"]) >= {"command", "versions", "machine"}


def test_two_workers_find_the_same_trials(study: Path, tmp_path: Path) -> None:
    process = run(study, "--output-dir", str(tmp_path / "toy"), "--workers", "2")
    assert process.returncode == 0, process.stderr
    assert "worker 1: trial" in process.stdout + process.stderr
    expected = {row["trial"]: row for row in trials(study.with_name("toy"))}
    for row in trials(tmp_path / "toy"):
        for name, value in expected[row["trial"]].items():
            try:
                assert float(row[name]) == pytest.approx(float(value), rel=1e-3, abs=1e-4), name
            except ValueError:
                assert row[name] == value, name


@pytest.mark.slow
def test_the_best_values_are_trained_again_and_a_pipeline_takes_them(study: Path) -> None:
    process = run(study, "--report-only", "--retrain")
    assert process.returncode == 0, process.stderr
    found = json.loads((study.parent / "toy.json").read_text())
    assert set(found["retrained"]) == {"as_set", "best"}
    assert found["seeds"]["retrained"] == [0]


def test_another_space_is_refused_with_the_difference(study: Path) -> None:
    process = run(study, "--tuning.space.training.learning_rate.high", "0.05")
    assert process.returncode == 2
    assert "tuning.space.training.learning_rate.high was 0.1 and is 0.05" in process.stderr


def test_a_name_and_its_folder_belong_together(study: Path, tmp_path: Path) -> None:
    shutil.copytree(study.with_name("toy"), tmp_path / "toy")
    process = run(study, "--output-dir", str(tmp_path / "toy"), "--name", "other", "--report-only")
    assert process.returncode == 2
    assert "holds the study 'toy', this one is 'other'" in process.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--chief", "--worker", "a"], "the --chief or a --worker"),
        (["--chief", "--address", "here"], r"--address must be HOST:PORT, .* got 'here'"),
        (["--gpus", "0,1", "--workers", "3"], "as many as --gpus names; got 3 and 2"),
        (["--tuning.trials", "0"], "base.tuning.trials must be at least 1"),
        (
            ["--worker", "a", "--chief_timeout_s", "0.5", "--address", "127.0.0.1:9"],
            "no chief answers at",
        ),
        (["--tuning.space.training.learning_rate.low", "1"], "a lower number and a higher one"),
        (["--tuning.objective", "{'val_loss': {}}"], "a metric and no loss"),
        (["--tuning.trails", "9"], "did you mean --base.tuning.trials|tuning.trails"),
    ],
)
def test_wrong_usage_is_answered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    file = tmp_path / "toy.py"
    file.write_text(STUDY)
    assert command.main([str(file), *arguments]) == 2
    error = capsys.readouterr().err
    assert re.search(message, error), error


def test_each_worker_sees_its_gpu_alone(monkeypatch) -> None:
    seen = []
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "all")
    monkeypatch.setattr(tuning_study, "_work", lambda *_: seen.append(os.environ["CUDA_VISIBLE_DEVICES"]))
    for worker in range(2):
        tuning_study._work_beside(None, Path(), "", str(worker), ("3", "5")[worker], worker, 2)  # type: ignore[arg-type]
    assert seen == ["3", "5"]


def test_a_study_of_which_all_trials_fail_has_a_page_with_the_reasons(tmp_path: Path) -> None:
    file = tmp_path / "toy.py"
    losses = '"tasks.identity.loss": ParameterSettings(values=("triplet_hard", "triplet_semihard"))'
    mixed = '"augmentation.mixup": ParameterSettings(values=("0.5", "0.6"))'
    searched = '"model.dropout": ParameterSettings(values=("0.1", "0.3"))'
    assert searched in STUDY
    file.write_text(STUDY.replace(searched, f"{losses}, {mixed}"))
    process = run(file, "--tuning.trials", "2", "--retrain", "--data-dir", str(tmp_path))
    assert process.returncode == 1
    assert "failed:\n  all 2 trials failed; the last: " in process.stderr
    page = (tmp_path / "toy" / "study.html").read_text()
    assert "a mixed face is half a person" in page
    assert "--retrain --data-dir DIR" in page


def test_keras_tuners_own_variables_name_chief_and_workers(monkeypatch) -> None:
    monkeypatch.setenv("KERASTUNER_TUNER_ID", "chief")
    monkeypatch.setenv("KERASTUNER_ORACLE_IP", "10.0.0.1")
    monkeypatch.setenv("KERASTUNER_ORACLE_PORT", "8000")
    options, _ = tuning_command._parse(["study.py"])
    assert (options.chief, options.worker, options.address) == (True, None, "10.0.0.1:8000")
    monkeypatch.setenv("KERASTUNER_TUNER_ID", "tuner3")
    options, _ = tuning_command._parse(["study.py"])
    assert (options.chief, options.worker, options.address) == (False, "tuner3", "10.0.0.1:8000")

import csv
import dataclasses
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import filelock
import numpy as np
import pytest
from html_page import Page, words

from kfer.comparison import __main__ as command
from kfer.comparison import costs, runs, study
from kfer.processes import Ending

PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory, three_classes, write_study):
    """A study's folder with its report, and the figures in it."""
    folder = tmp_path_factory.mktemp("written")
    write_study(folder)
    settings = dataclasses.replace(three_classes, references={"a well known paper": 0.534})
    return folder, study.report(settings, "", folder, "python -m kfer.comparison toy.py")


def test_the_page_says_what_was_found(written):
    folder, figures = written
    said = words(folder / study.PAGE)
    for run in figures.finished:
        for score in (run.score, run.score_without_duplicates):
            for interval in (score.accuracy, score.macro_f1):
                assert f"{interval.value:.1%} {interval.low:.1%} to {interval.high:.1%}" in said
    assert "squeezing for 80.0%" in said and "plain for 50.0%" in said
    assert "The difference between squeezing and plain is more than chance explains" in said
    assert "p = 0.0039)" in said
    assert "from scratch, trained on 20 images of 48 x 48 px in grey for 2 epochs" in said
    assert "1 of the 30 test images (3.3%) are in the training or validation split too" in said
    assert "One seed each." in said
    assert "5.6 M" in said and "12.5 ms" in said and "0.45 ms" in said and "-10.00" in said
    assert "Not measured: squeezing." in said
    assert "a well known paper" in said and "53.4%" in said
    assert "python -m kfer.comparison toy.py" in said
    assert "training.batch_size" in said and "candidates.squeezing.backbone_arguments" in said
    assert re.search(r"tensorflow 2\.\d+\.\d+, keras 3\.", said)


def test_the_page_stands_alone_and_its_drawings_do_not_mix(written):
    folder, _ = written
    page = Page(folder / study.PAGE)
    assert page.outside == []
    assert len(page.ids) == len(set(page.ids)) > 50
    assert set(page.references) <= set(page.ids)
    text = (folder / study.PAGE).read_text()
    # Dark pages change the drawings' colours too.
    assert "fill: var(--blue)" in text and "stroke: var(--orange)" in text
    assert not re.search(r"(?:fill|stroke): #(?!000000|ffffff)", text)


def test_pictures_have_content(written):
    folder, _ = written
    for name in ("curves", "confusion", "accuracy"):
        picture = cv2.imread(str(folder / f"{name}.png"))
        assert min(picture.shape[:2]) > 200
        assert picture.std() > 10


def test_two_seeds_have_a_row_of_their_mean(tmp_path: Path, three_classes, write_study):
    write_study(tmp_path)
    runs.folder(tmp_path, "plain", 0).rename(runs.folder(tmp_path, "squeezing", 1))
    figures = study.report(dataclasses.replace(three_classes, seeds=(0, 1)), "", tmp_path, "command")
    said = words(tmp_path / study.PAGE)
    mean = figures.over_seeds["squeezing"]
    assert f"mean of 2 {mean.value:.1%} {mean.low:.1%} to {mean.high:.1%}" in said
    assert "mean of 2 seeds" in said
    assert "plain, seed 0: not started" in said


def test_a_failed_candidate_is_on_the_page_with_its_reason(tmp_path: Path, three_classes, write_study):
    write_study(tmp_path)
    failed = runs.folder(tmp_path, "plain", 0)
    (failed / "result.json").unlink()
    runs.note_failure(failed, "FloatingPointError: the loss is nan in epoch 1, step 3")
    study.report(three_classes, "", tmp_path, "command")
    said = words(tmp_path / study.PAGE)
    assert "plain, seed 0: failed after 2 of 2 epochs. FloatingPointError: the loss is nan" in said
    assert "squeezing for 80.0%" in said


def test_a_study_without_any_result_has_a_page(tmp_path: Path, three_classes):
    (tmp_path / "duplicates.json").write_text(json.dumps({"num_test_images": 30, "matches": []}))
    study.report(three_classes, "", tmp_path, "command")
    assert "No candidate has finished yet." in words(tmp_path / study.PAGE)


def test_without_matplotlib_nothing_starts(tmp_path: Path, settings, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'kfer\[plots\]'"):
        study.check(settings, tmp_path)


def test_an_unknown_candidate_is_refused(tmp_path: Path, settings):
    with pytest.raises(ValueError, match="there is no candidate plane; toy has plain, squeezing"):
        study.check(settings, tmp_path, ["plane"])


def test_nothing_is_timed_beside_a_training(tmp_path: Path, three_classes, write_study):
    write_study(tmp_path)
    lock = runs.folder(tmp_path, "plain", 0) / runs.LOCK
    lock.touch()
    assert not costs.is_training(tmp_path)
    with filelock.FileLock(lock):
        (refused,) = study.measure(three_classes, "", tmp_path)
    assert "the costs of squeezing: a candidate is in training" in refused


def test_a_killed_process_leaves_its_reason(tmp_path: Path, settings, monkeypatch):
    runs.folder(tmp_path, "plain", 0).mkdir(parents=True)
    killed = Ending(-signal.SIGKILL, "its process was ended by SIGKILL; was memory too short?")
    monkeypatch.setattr(study, "run_apart", lambda *arguments: killed)
    (failed,) = study.train(settings, "", tmp_path, ["plain"])
    assert failed == "plain, seed 0: its process was ended by SIGKILL; was memory too short?"
    assert runs.failure(runs.folder(tmp_path, "plain", 0)) in failed


SETTINGS_FILE = """
from kfer.comparison import ComparisonSettings
from kfer.settings import DataSettings, ModelSettings, SourceSettings, TaskSettings, TrainingSettings

settings = ComparisonSettings(
    name="toy",
    candidates={"plain": ModelSettings(), "squeezing": ModelSettings()},
    data=DataSettings((SourceSettings("synthetic"),)),
    expression=TaskSettings(names=("angry", "happy", "sad")),
    training=TrainingSettings(),
)
"""


@pytest.fixture
def settings_file(tmp_path: Path) -> Path:
    path = tmp_path / "toy.py"
    path.write_text(SETTINGS_FILE)
    return path


def test_the_command_reports_what_is_finished(tmp_path: Path, settings_file, write_study, capsys):
    write_study(tmp_path / "out")
    arguments = [str(settings_file), "--output-dir", str(tmp_path / "out"), "--report-only"]
    assert command.main([*arguments, "--resamples", "50"]) == 0
    out = capsys.readouterr().out
    assert "squeezing  0     80.0% (" in out
    assert str(tmp_path / "out" / study.PAGE) in out
    assert "50 bootstrap resamples" in words(tmp_path / "out" / study.PAGE)
    assert "--report-only --resamples 50" in words(tmp_path / "out" / study.PAGE)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "plane"], "there is no candidate plane"),
        (["--training.epoch", "3"], "did you mean training.epochs?"),
        (["--seed", "3"], "there is no option --seed; did you mean --seeds?"),
        (["--candidates.plain", "0"], "candidates.plain is a group of settings"),
        (["--name", "another"], "holds the comparison 'toy', this one is 'another'"),
    ],
)
def test_the_command_says_what_is_wrong(tmp_path, settings_file, write_study, capsys, arguments, message):
    write_study(tmp_path / "out")
    (tmp_path / "out" / "study.json").write_text('{"name": "toy"}')
    given = [str(settings_file), "--output-dir", str(tmp_path / "out"), "--report-only"]
    assert command.main([*given, *arguments]) == 2
    assert message in capsys.readouterr().err


def test_weights_that_do_not_exist_are_refused_before_anything_runs(tmp_path, settings_file, capsys):
    out, missing = tmp_path / "out", "nowhere.weights.h5"
    text = settings_file.read_text()
    settings_file.write_text(
        text.replace('"squeezing": ModelSettings()', f'"squeezing": ModelSettings(weights="{missing}")')
    )
    assert command.main([str(settings_file), "--output-dir", str(out)]) == 2
    told = f"candidates.squeezing.weights: there is no file of weights {missing}"
    assert told in capsys.readouterr().err
    assert not out.exists()


TOY = """
import dataclasses, sys
sys.path.insert(0, {conftest!r})
from conftest import make_settings
from kfer.settings import ModelSettings

settings = make_settings(seeds=(0, 1))
broken = ModelSettings(weights={damaged!r})
settings = dataclasses.replace(settings, candidates={{**settings.candidates, "broken": broken}})
"""


@pytest.mark.slow
def test_a_study_from_end_to_end(tmp_path: Path):
    file, out = tmp_path / "toy.py", tmp_path / "out"
    # Only the training reads it.
    damaged = tmp_path / "damaged.weights.h5"
    damaged.write_bytes(b"no HDF5")
    file.write_text(TOY.format(conftest=str(Path(__file__).parent), damaged=str(damaged)))
    typed = [sys.executable, "-m", "kfer.comparison", str(file), "--output-dir", str(out)]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*typed, *arguments], capture_output=True, text=True, env=environment, cwd=PROJECT
        )

    # Killed after an epoch of the first candidate.
    started = subprocess.Popen(
        [*typed, "--training.epochs", "30"],
        env=environment,
        cwd=PROJECT,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    history = out / "runs" / "plain-seed0" / "work" / "history.csv"
    while not history.exists():
        assert started.poll() is None
        time.sleep(0.05)
    started.kill()  # the process that trains must end with its parent, and free the lock
    started.wait()
    before = history.read_text().splitlines()[1]

    changed = run("--training.epochs", "2")
    assert changed.returncode == 2
    assert "training.epochs was 30 and is 2" in changed.stderr

    done = run("--training.epochs", "30", "--only", "plain", "--seeds", "0")
    assert done.returncode == 0, done.stderr
    assert history.read_text().splitlines()[1] == before
    assert "squeezing, seed 0: not started" in words(out / study.PAGE)
    assert costs.load(out, "plain")["parameters"] > 0
    shutil.rmtree(out / "runs" / "plain-seed0")
    assert costs.load(out, "plain") == {}

    done = run()
    assert done.returncode == 1
    assert "broken, seed 0: DamagedError" in done.stderr
    said = words(out / study.PAGE)
    assert "broken, seed 1: failed. DamagedError" in said
    with (out / "comparison.csv").open(newline="") as table:
        rows = {(row["candidate"], row["seed"]): row for row in csv.DictReader(table)}
    assert len(rows) == 6
    for name in ("plain", "squeezing"):
        for seed in ("0", "1"):
            with np.load(out / "runs" / f"{name}-seed{seed}" / "test.npz") as stored:
                accuracy = np.mean(stored["probabilities"].argmax(1) == stored["labels"])
            assert float(rows[name, seed]["test_accuracy"]) == pytest.approx(accuracy)
        measured = costs.load(out, name)
        assert measured["parameters"] > measured["trainable_parameters"] > 0
        assert measured["multiply_adds"] > 10_000
        assert measured["training_step_ms"] > 0 and measured["training_memory_mb"] > 100
        assert 0 < measured["int8_mb"] < measured["saved_model_mb"]
        assert measured["int8_ms"] > 0 and measured["saved_model_ms"] > 0
        assert abs(measured["int8_accuracy"] - measured["keras_accuracy"]) <= 0.3

    written = {path: path.stat().st_mtime_ns for path in out.glob("*/*/result.json")}
    assert len(written) == 4
    again = run("--only", "plain")
    assert again.returncode == 0
    assert "plain, seed 1: finished before" in again.stdout
    assert {path: path.stat().st_mtime_ns for path in out.glob("*/*/result.json")} == written

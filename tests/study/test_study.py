import csv
import dataclasses
import importlib.util
import os
import re
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

from kfer.comparison import runs
from kfer.pipeline import config
from kfer.pipeline.artifacts import TransformedExamples
from kfer.pipeline.components.learning import Learning
from kfer.pipeline.metadata import MetadataStore
from kfer.processes import Ending
from kfer.settings import AugmentationSettings
from kfer.study import StudySettings, study, variant
from kfer.study import __main__ as command

PROJECT = Path(__file__).parents[2]


def points(value: float) -> str:
    return f"{round(100 * value, 2) + 0.0:+.2f}"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory, settings, write_study):
    """A study's folder with its report, and what the report says."""
    folder = tmp_path_factory.mktemp("written")
    write_study(folder)
    return folder, study.report(settings, folder, "python -m kfer.study toy.py")


def test_the_page_says_what_was_found(written):
    folder, found = written
    said = words(folder / study.PAGE)
    for row in found.rows:
        for interval in row.figures.values():
            assert f"{interval.value:.1%} {interval.low:.1%} to {interval.high:.1%}" in said
        for difference in row.differences.values():
            told = difference.over_examples
            ends = f"{points(told.low)} to {points(told.high)}"
            assert f"{points(told.value)} points {ends}" in said
    assert "Of 2 other variants that learn it with another task" in said
    assert "--tasks.identity.weight 0" in said and "python -m kfer.study toy.py" in said
    assert "base.training.batch_size" in said and "over seeds" not in said
    assert re.search(r"tensorflow 2\.\d+\.\d+, keras 3\.", said)


def test_the_page_marks_what_is_more_than_chance(written):
    folder, found = written
    text = (folder / study.PAGE).read_text()
    signs = [told.sign for row in found.rows for told in row.differences.values()]
    assert 1 in signs and -1 in signs and 0 in signs
    for sign, mark in ((1, "difference better"), (-1, "difference worse"), (0, "difference")):
        assert text.count(f'<span class="{mark}">') == signs.count(sign)


def test_the_page_stands_alone_and_its_drawings_do_not_mix(written):
    folder, _ = written
    page = Page(folder / study.PAGE)
    assert page.outside == []
    assert len(page.ids) == len(set(page.ids)) > 50
    text = (folder / study.PAGE).read_text()
    assert "fill: var(--blue)" in text and "stroke: var(--orange)" in text
    assert not re.search(r"(?:fill|stroke): #(?!000000|ffffff)", text)


def test_pictures_have_content(written):
    folder, _ = written
    for name in ("figures", "weights"):
        picture = cv2.imread(str(folder / f"{name}.png"))
        assert min(picture.shape[:2]) > 200
        assert picture.std() > 10


def test_seeds_have_intervals_of_both_kinds(tmp_path: Path, settings, write_study):
    write_study(tmp_path, 0, 1)
    found = study.report(dataclasses.replace(settings, seeds=(0, 1)), tmp_path, "command")
    said = words(tmp_path / study.PAGE)
    told = found.rows[2].differences["expression_accuracy"]
    assert f"{points(told.over_seeds.low)} to {points(told.over_seeds.high)} seeds" in said
    assert f"{points(told.over_examples.low)} to {points(told.over_examples.high)} images" in said
    assert "Means over seeds with 95% intervals" in said


def test_recalls_have_a_table_of_their_own(tmp_path: Path, settings, write_study):
    write_study(tmp_path)
    found = study.report(settings, tmp_path, "command")
    table = words(tmp_path / study.PAGE).partition("Recall of each expression")[2]
    labels = np.load(next(tmp_path.glob("pipeline/Transform/*/1/Split-test/expression.npy")))
    assert "exact, and takes images for independent. expressionexpression_onlyfixeduncertainty" in table
    for index, figure in enumerate(found.recalls):
        single = found.rows[0].figures[figure.name]
        assert (
            f"{figure.title.removeprefix('recall of ')}{(labels == index).sum()} images "
            f"{single.value:.1%} {single.low:.1%} to {single.high:.1%}the task alone"
        ) in table


def test_the_page_names_the_baseline(tmp_path: Path, settings, write_study):
    write_study(tmp_path)
    study.report(dataclasses.replace(settings, baseline="fixed"), tmp_path, "command")
    said = words(tmp_path / study.PAGE)
    assert "toy: variants compared" in said and "task alone" not in said
    assert "points more or less than the baseline, fixed, on the same images or pairs" in said
    assert "Square and dashed line: the baseline (fixed)." in said


def test_a_failed_run_is_on_the_page_with_its_reason(tmp_path: Path, settings, write_study):
    write_study(tmp_path)
    failed = runs.folder(tmp_path, "fixed", 0)
    (failed / runs.RESULT).unlink()
    runs.note_failure(failed, "ComponentError: Trainer failed: the loss is nan")
    study.report(settings, tmp_path, "command")
    said = words(tmp_path / study.PAGE)
    assert "fixed, seed 0: failed (ComponentError: Trainer failed: the loss is nan)" in said
    assert "uncertainty differs by" in said


def test_a_study_without_any_result_has_a_page(tmp_path: Path, settings):
    study.report(settings, tmp_path, "command")
    assert "No run has finished yet." in words(tmp_path / study.PAGE)
    assert not (tmp_path / "figures.png").exists()


def test_without_matplotlib_nothing_starts(tmp_path: Path, settings, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'kfer\[plots\]'"):
        study.check(settings, tmp_path)


def test_a_failure_ends_only_its_own_run(tmp_path: Path, settings, monkeypatch):
    killed = Ending(-signal.SIGKILL, "its process was ended by SIGKILL; was memory too short?")
    done = []

    def run_apart(function, *arguments) -> Ending:
        if function is variant.prepare:
            return Ending(0, "")
        done.append(arguments[1:3])
        return killed if arguments[1] == "fixed" else Ending(0, "")

    monkeypatch.setattr(study, "run_apart", run_apart)
    two = dataclasses.replace(settings, seeds=(0, 1))
    failed = study.train(two, tmp_path, ["uncertainty", "fixed"])
    assert done == [("fixed", 0), ("uncertainty", 0), ("fixed", 1), ("uncertainty", 1)]
    assert failed == [f"fixed, seed {seed}: {killed.reason}" for seed in (0, 1)]
    assert runs.failure(runs.folder(tmp_path, "fixed", 0)) == killed.reason
    assert runs.failure(runs.folder(tmp_path, "uncertainty", 0)) == ""
    # What fails no more has no reason left.
    monkeypatch.setattr(study, "run_apart", lambda *arguments: Ending(0, ""))
    assert study.train(settings, tmp_path) == []
    assert runs.failure(runs.folder(tmp_path, "fixed", 0)) == ""


def test_examples_that_cannot_be_prepared_stop_the_study(tmp_path: Path, settings, monkeypatch):
    monkeypatch.setattr(study, "run_apart", lambda *arguments: Ending(1, "ComponentError: no such file"))
    with pytest.raises(RuntimeError, match="the examples cannot be prepared: ComponentError: no such"):
        study.train(settings, tmp_path)


def test_a_folder_is_studied_by_one_process_at_a_time(tmp_path: Path, settings):
    with (
        filelock.FileLock(tmp_path / ".lock"),
        pytest.raises(RuntimeError, match=f"another process runs the study in {tmp_path}.*--output-dir"),
    ):
        study.train(settings, tmp_path)


def test_the_command_loads_nothing_heavy():
    # A run's memory would count it.
    code = "import sys, kfer.study.command; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names = {name.partition(".")[0] for name in loaded.stdout.split()}
    assert names.isdisjoint({"tensorflow", "keras", "numpy", "scipy", "matplotlib", "cv2"})


SETTINGS_FILE = """
from kfer.settings import *
from kfer.study import StudySettings

settings = StudySettings(
    name="toy",
    base=PipelineSettings(
        tasks={
            "expression": TaskSettings(names=("angry", "happy", "sad")),
            "identity": TaskSettings("embedding", weight=0.1),
        },
        data=DataSettings((SourceSettings("synthetic"),)),
        training=TrainingSettings(batch_size=16),
        tuning=TuningSettings(trials=0),
    ),
    variants={"alone": {"tasks.identity.weight": "0"}, "fixed": {}},
)
"""


@pytest.fixture
def settings_file(tmp_path: Path) -> Path:
    path = tmp_path / "toy.py"
    path.write_text(SETTINGS_FILE)
    return path


def test_the_command_takes_the_pipelines_settings_and_its_own(tmp_path, settings_file, monkeypatch):
    given = []
    monkeypatch.setattr(study, "train", lambda settings, output_dir, only: given.append((settings, only)))
    arguments = [str(settings_file), "--output-dir", str(tmp_path / "out"), "--data-dir", "faces"]
    arguments += ["--training.epochs", "3", "--base.training.batch_size", "8", "--seeds", "4,5"]
    assert command.main([*arguments, "--only", "alone"]) == 0
    ((settings, only),) = given
    training = settings.variant("alone", 4).training
    assert (training.epochs, training.batch_size, training.seed) == (3, 8, 4)
    assert (settings.seeds, settings.base.data_dir, only) == ((4, 5), "faces", ["alone"])


def test_the_command_says_what_failed(tmp_path, settings_file, monkeypatch, capsys):
    monkeypatch.setattr(study, "train", lambda *arguments: ["fixed, seed 0: MemoryError: too much"])
    assert command.main([str(settings_file), "--output-dir", str(tmp_path / "out")]) == 1
    shown = capsys.readouterr()
    assert "fixed, seed 0: MemoryError: too much" in shown.err
    assert str(tmp_path / "out" / study.PAGE) in shown.out and "not finished" in shown.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "fixd"], "there is no variant fixd; toy has alone, fixed"),
        (["--training.epoch", "3"], "did you mean base.training.epochs?"),
        (["--seed", "3"], "there is no option --seed; did you mean --seeds?"),
        (["--tuning.trials", "3"], "base.tuning.trials must be 0"),
        (["--name", "another"], "holds the study 'toy', this one is 'another'"),
    ],
)
def test_the_command_says_what_is_wrong(tmp_path, settings_file, capsys, arguments, message):
    (tmp_path / "study.json").write_text('{"name": "toy"}')
    given = [str(settings_file), "--output-dir", str(tmp_path), "--report-only"]
    assert command.main([*given, *arguments]) == 2
    assert message in capsys.readouterr().err


def test_weights_that_do_not_exist_are_refused_before_anything_runs(tmp_path, settings_file, capsys):
    out, missing = tmp_path / "out", "nowhere.weights.h5"
    text = settings_file.read_text()
    settings_file.write_text(text.replace('"fixed": {}', f'"fixed": {{"model.weights": "{missing}"}}'))
    assert command.main([str(settings_file), "--output-dir", str(out)]) == 2
    assert f"model.weights: there is no file of weights {missing}" in capsys.readouterr().err
    assert not out.exists()


def test_the_studies_of_the_project_can_be_read():
    found = {
        path.stem: config.load_settings(path, StudySettings)
        for path in (PROJECT / "pipelines").glob("multitask_study*.py")
    }
    assert sorted(found) == ["multitask_study", "multitask_study_cmu"]
    for name, settings in found.items():
        assert settings.name == name
        assert settings.reference("expression") and settings.reference("identity")


TOY = """
import dataclasses, sys
sys.path.insert(0, {folder!r})
from conftest import make_settings

settings = make_settings(
    variants={{
        "expression_only": {{"tasks.identity.weight": "0"}},
        "fixed": {{}},
        "broken": {{"model.weights": {damaged!r}}},
    }}
)
"""


TWO_SOURCES = """
import sys
sys.path.insert(0, {folder!r})
from conftest import make_two_sources

settings = make_two_sources()
"""


@pytest.mark.slow
def test_a_study_of_a_second_source(tmp_path: Path, two_sources):
    file, out = tmp_path / "toy.py", tmp_path / "out"
    file.write_text(TWO_SOURCES.format(folder=str(Path(__file__).parent)))
    assert command.main([str(file), "--output-dir", str(out)]) == 0
    (folder,) = (out / "pipeline/Transform/transformed_examples").glob("[0-9]*")
    examples = TransformedExamples(folder)
    still, steps, shares = AugmentationSettings(0, 0, 0, 0, 0, 0, 0), {}, {}
    for name in two_sources.variants:
        chosen = two_sources.variant(name, 0)
        learning = Learning(examples, chosen.data, still, chosen.model, chosen.tasks)
        steps[name] = learning.steps_per_epoch(chosen.training)
        decoded = learning.examples
        second = {image.tobytes() for image in decoded.images[decoded.source == 1]}
        batches = learning.batches(chosen.training)(0).take(steps[name])
        seen = [image.astype(np.uint8).tobytes() for images, _ in batches for image in images.numpy()]
        shares[name] = np.mean([image in second for image in seen])
    assert shares == {"real": 0, "mixed": 0.5}
    assert steps["real"] == steps["mixed"] == -(-len(decoded) // 16)
    with (out / "summary.csv").open(newline="") as table:
        rows = {row["variant"]: row for row in csv.DictReader(table)}
    for name in two_sources.base.tasks["expression"].names:
        column = f"expression_recall_{name}"
        expected = float(rows["mixed"][column]) - float(rows["real"][column])
        assert float(rows["mixed"][f"{column}_difference"]) == pytest.approx(expected)
        assert rows["real"][f"{column}_difference"] == ""
    assert "the baseline, real" in words(out / study.PAGE)


@pytest.mark.slow
def test_a_study_from_end_to_end(tmp_path: Path):
    file, out = tmp_path / "toy.py", tmp_path / "out"
    # Only the training reads it.
    damaged = tmp_path / "damaged.weights.h5"
    damaged.write_bytes(b"no HDF5")
    file.write_text(TOY.format(folder=str(Path(__file__).parent), damaged=str(damaged)))
    typed = [sys.executable, "-m", "kfer.study", str(file), "--output-dir", str(out)]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}

    # Killed after an epoch of the first run.
    started = subprocess.Popen(
        typed, env=environment, cwd=PROJECT, stdout=subprocess.DEVNULL, start_new_session=True
    )
    while not list(out.glob("pipeline/Trainer/.work/*/history.csv")):
        assert started.poll() is None
        time.sleep(0.05)
    started.kill()  # the process that trains must end with its parent, and free the lock
    started.wait()

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*typed, *arguments], capture_output=True, text=True, env=environment, cwd=PROJECT
        )

    done = run()
    assert done.returncode == 1
    assert "broken, seed 0: ComponentError: Trainer failed" in done.stderr
    assert "broken, seed 0: failed (ComponentError" in words(out / study.PAGE)
    with (out / "runs.csv").open(newline="") as table:
        rows = {row["variant"]: row for row in csv.DictReader(table)}
    for name in ("expression_only", "fixed"):
        assert rows[name]["state"] == "finished" and float(rows[name]["minutes"]) > 0
        assert float(rows[name]["memory_gb"]) > 0.1
    assert rows["fixed"]["verification_accuracy"] and not rows["expression_only"]["verification_accuracy"]
    with (out / "summary.csv").open(newline="") as table:
        summary = {row["variant"]: row for row in csv.DictReader(table)}
    difference = float(rows["fixed"]["expression_accuracy"])
    difference -= float(rows["expression_only"]["expression_accuracy"])
    found = float(summary["fixed"]["expression_accuracy_difference"])
    assert found == pytest.approx(difference)

    store = MetadataStore(out / "pipeline")
    made = [
        (execution.component, execution.state)
        for number in store.runs()
        for execution in store.executions(number.id)
    ]
    assert made.count(("Transform", "COMPLETE")) == made.count(("ExampleGen", "COMPLETE")) == 1
    assert made.count(("Trainer", "COMPLETE")) == made.count(("Evaluator", "COMPLETE")) == 2

    before = (out / "runs.csv").read_text()
    again = run("--only", "fixed", "--only", "expression_only")
    assert again.returncode == 0, again.stderr
    assert "Component Trainer is running" not in again.stdout
    assert (out / "runs.csv").read_text() == before
    assert np.isfinite(found)

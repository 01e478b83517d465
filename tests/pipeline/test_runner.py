import errno
import logging
import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from kfer.pipeline import runner
from kfer.pipeline.artifacts import Examples, Model, ModelBlessing, ModelEvaluation
from kfer.pipeline.component import Input, LatestBlessed, Node, Output, Work, component
from kfer.pipeline.metadata import MetadataStore


@component(fingerprint=lambda values: Path(values["outside"]).read_text())
def example_gen(examples: Output[Examples], outside: str, number: int) -> str:
    (examples.path / "number").write_text(str(number))
    return f"number {number}"


@component()
def trainer(examples: Input[Examples], model: Output[Model], work: Work, fault: str) -> str:
    steps = work / "steps"
    done = int(steps.read_text()) if steps.exists() else 0
    for step in range(done, 3):
        steps.write_text(str(step + 1))
        if fault == "kill" and step == 1:
            (model.path / "half").write_text("written")
            os.kill(os.getpid(), signal.SIGKILL)
        if fault == "full":
            raise OSError(errno.ENOSPC, "No space left on device")
        if fault == "slow":
            time.sleep(60)
    number = (examples.path / "number").read_text()
    (model.path / "model").write_text(f"{number}, resumed at {done}")
    return "trained"


@component()
def evaluator(
    model: Input[Model],
    baseline: Input[ModelEvaluation] | None,
    evaluation: Output[ModelEvaluation],
    blessing: Output[ModelBlessing],
) -> str:
    earlier = (baseline.path / "said").read_text() if baseline else "nothing"
    (evaluation.path / "said").write_text((model.path / "model").read_text())
    (blessing.path / "BLESSED").touch()
    return f"compared with {earlier}"


def graph(outside: Path, number: int = 1, fault: str = "") -> list[Node]:
    examples = example_gen(outside=str(outside), number=number)
    trained = trainer(examples=examples["examples"], fault=fault)
    baseline = LatestBlessed("Evaluator", "evaluation", "blessing", "model")
    return [examples, trained, evaluator(model=trained["model"], baseline=baseline)]


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    file = tmp_path / "raw_data"
    file.write_text("raw")
    return file


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


def run(root: Path, nodes: list[Node], **options) -> runner.RunResult:
    store = MetadataStore(root)
    try:
        return runner.run(nodes, store, name="toy", settings="{}", **options)
    finally:
        store.close()


def run_in_process(root: Path, outside: Path, fault: str) -> None:
    with runner.exclusive(root):
        run(root, graph(outside, fault=fault))


def files(root: Path) -> dict[str, str]:
    """Every artifact's files, whatever the number of their execution."""
    return {
        "/".join(part for part in path.relative_to(root).parts if not part.isdecimal()): path.read_text()
        for path in root.rglob("*")
        if path.is_file() and path.parent != root
    }


def test_a_second_run_is_all_cached(root, outside):
    first, second = run(root, graph(outside)), run(root, graph(outside))
    assert not first.all_cached
    assert second.all_cached
    assert second.outputs == first.outputs


def test_a_changed_value_runs_what_depends_on_it(root, outside):
    run(root, graph(outside))
    assert run(root, graph(outside, fault="none")).states == {
        "ExampleGen": "CACHED",
        "Trainer": "COMPLETE",
        "Evaluator": "COMPLETE",
    }


def test_changed_data_outside_the_pipeline_runs_again(root, outside):
    run(root, graph(outside))
    outside.write_text("other raw data")
    assert run(root, graph(outside)).states["ExampleGen"] == "COMPLETE"


def test_no_cache_runs_everything(root, outside):
    run(root, graph(outside))
    again = run(root, graph(outside), use_cache=False)
    assert set(again.states.values()) == {"COMPLETE"}


def test_an_artifact_that_somebody_deleted_is_made_again(root, outside):
    first = run(root, graph(outside))
    model = first.outputs["Trainer"]["model"].path
    (model / "model").unlink()
    model.rmdir()
    assert run(root, graph(outside)).states["Trainer"] == "COMPLETE"


def test_partial_runs_take_the_newest_outputs_of_the_others(root, outside):
    first = run(root, graph(outside))
    partial = run(root, graph(outside, number=2), from_node="Trainer")
    assert set(partial.states) == {"Trainer", "Evaluator"}
    assert partial.outputs["ExampleGen"] == first.outputs["ExampleGen"]
    until = run(root, graph(outside), to_node="Trainer")
    assert set(until.states) == set(until.outputs) == {"ExampleGen", "Trainer"}


def test_a_partial_run_needs_earlier_outputs(root, outside):
    with pytest.raises(ValueError, match="ExampleGen has no finished execution"):
        run(root, graph(outside), from_node="Trainer")


def test_an_unknown_node_is_named_with_those_there_are(root, outside):
    with pytest.raises(ValueError, match="no component 'Trainr'; there are ExampleGen, Trainer"):
        run(root, graph(outside), from_node="Trainr")


def test_the_baseline_is_the_latest_blessed_other_model(root, outside, caplog):
    caplog.set_level(logging.INFO)
    run(root, graph(outside, number=1))
    run(root, graph(outside, number=2))
    assert "compared with nothing" in caplog.text
    assert "compared with 1, resumed at 0" in caplog.text
    assert run(root, graph(outside, number=2)).all_cached


def test_killed_in_the_middle_it_resumes_and_ends_with_the_same_artifacts(root, outside, tmp_path):
    process = multiprocessing.get_context("spawn").Process(
        target=run_in_process, args=(root, outside, "kill")
    )
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    half = list((root / "Trainer" / "model").iterdir())
    assert [path.name for path in half] == [".partial-2"]

    with runner.exclusive(root):
        result = run(root, graph(outside, fault="kill"))
    assert result.states["ExampleGen"] == "CACHED"
    undisturbed = tmp_path / "undisturbed"
    run(undisturbed, graph(outside))
    resumed, whole = files(root), files(undisturbed)
    assert resumed.pop("Trainer/model/model") == "1, resumed at 2"
    assert whole.pop("Trainer/model/model") == "1, resumed at 0"
    resumed.pop("Evaluator/evaluation/said"), whole.pop("Evaluator/evaluation/said")
    assert resumed == whole


def test_a_full_disk_keeps_what_was_finished(root, outside):
    # The error is raised by hand: filling a real disk needs rights that tests do not have.
    with pytest.raises(runner.ComponentError, match=r"Trainer failed: the disk is full.*--pipeline-root"):
        run(root, graph(outside, fault="full"))
    assert list((root / "Trainer" / "model").iterdir()) == []
    after = run(root, graph(outside))
    assert after.states["ExampleGen"] == "CACHED"


def test_a_root_that_another_run_holds_is_refused(root, outside):
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=run_in_process, args=(root, outside, "slow"))
    process.start()
    try:
        deadline = time.monotonic() + 120
        while not (root / "Trainer" / ".work").exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        with (
            pytest.raises(RuntimeError, match=f"another run holds .* \\(process {process.pid} on "),
            runner.exclusive(root),
        ):
            pass
    finally:
        process.kill()
        process.join()
    with runner.exclusive(root):  # the lock of a killed process does not stay
        assert run(root, graph(outside)).states["ExampleGen"] == "CACHED"


def test_arguments_are_checked_when_the_graph_is_built(outside):
    with pytest.raises(TypeError, match="Trainer takes"):
        trainer(fault="")
    with pytest.raises(TypeError, match="must be another component's output"):
        trainer(examples="path", fault="")
    with pytest.raises(KeyError, match="no output 'example'"):
        example_gen(outside="", number=1)["example"]

import csv
import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from kfer import metrics
from kfer.comparison import runs
from kfer.study import results, tables, variant


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def evaluation_of(output_dir: Path, number: str) -> Path:
    return variant.pipeline_root(output_dir) / "Evaluator" / "evaluation" / number


def row_of(found: results.Results, name: str) -> results.Row:
    (row,) = [row for row in found.rows if row.variant == name]
    return row


def test_one_seed_has_the_evaluators_intervals(tmp_path: Path, settings, write_study):
    write_study(tmp_path)
    found = results.collect(settings, tmp_path)
    assert [row.variant for row in found.rows] == list(settings.variants)
    report = json.loads((evaluation_of(tmp_path, "fixed-0") / "evaluation.json").read_text())
    accuracy = report["tasks"]["expression"]["intervals"]["accuracy"]
    assert vars(row_of(found, "fixed").figures["expression_accuracy"]) == accuracy
    rate = report["tasks"]["identity"]["intervals"]["tar_at_far_0.01"]
    assert vars(row_of(found, "fixed").figures["tar_at_far_0.01"]) == rate
    assert "verification_accuracy" not in row_of(found, "expression_only").figures


def test_differences_are_to_the_variant_that_learns_the_task_alone(tmp_path: Path, settings, write_study):
    write_study(tmp_path)
    found = results.collect(settings, tmp_path)
    fixed, single = row_of(found, "fixed"), row_of(found, "expression_only")
    assert single.differences == row_of(found, "identity_only").differences == {}
    for name in ("expression_accuracy", "expression_macro_f1"):
        difference = fixed.differences[name]
        expected = fixed.figures[name].value - single.figures[name].value
        assert difference.over_examples.value == pytest.approx(expected)
        assert difference.over_seeds is None
    # Fixed is right about 15 % more images, and far worse at telling people.
    assert fixed.differences["expression_accuracy"].sign == 1
    assert fixed.differences["verification_accuracy"].sign == -1
    assert row_of(found, "uncertainty").differences["expression_accuracy"].sign == 0


def test_several_seeds_have_a_mean_and_intervals_over_them(tmp_path: Path, settings, write_study):
    write_study(tmp_path, 0, 1, 2)
    found = results.collect(dataclasses.replace(settings, seeds=(0, 1, 2)), tmp_path)
    fixed, single = row_of(found, "fixed"), row_of(found, "expression_only")
    values = [run.figures["expression_accuracy"].value for run in fixed.runs]
    # Student's t with two degrees of freedom.
    reach = 4.302653 * np.std(values, ddof=1) / 3**0.5
    interval = fixed.figures["expression_accuracy"]
    assert vars(interval) == pytest.approx(
        {"value": np.mean(values), "low": np.mean(values) - reach, "high": np.mean(values) + reach}
    )
    each = np.subtract(values, [run.figures["expression_accuracy"].value for run in single.runs])
    difference = fixed.differences["expression_accuracy"]
    assert difference.over_seeds.value == pytest.approx(np.mean(each))
    assert difference.over_examples.value == pytest.approx(np.mean(each))
    spread = difference.over_seeds.high - difference.over_seeds.value
    assert spread == pytest.approx(4.302653 * np.std(each, ddof=1) / 3**0.5)


def test_seeds_that_only_one_has_are_not_compared(tmp_path: Path, settings, write_study):
    write_study(tmp_path, 0, 1)
    (runs.folder(tmp_path, "expression_only", 1) / runs.RESULT).unlink()
    found = results.collect(dataclasses.replace(settings, seeds=(0, 1)), tmp_path)
    fixed, single = row_of(found, "fixed"), row_of(found, "expression_only")
    expected = fixed.runs[0].figures["expression_accuracy"].value
    expected -= single.runs[0].figures["expression_accuracy"].value
    difference = fixed.differences["expression_accuracy"]
    assert difference.over_examples.value == pytest.approx(expected)
    assert difference.over_seeds is None


def test_a_figure_that_one_lacks_has_no_difference(tmp_path: Path, settings, write_study):
    write_study(tmp_path)
    path = evaluation_of(tmp_path, "fixed-0") / "evaluation.json"
    report = json.loads(path.read_text())
    del report["tasks"]["expression"]["intervals"]["macro_f1"]
    path.write_text(json.dumps(report))
    fixed = row_of(results.collect(settings, tmp_path), "fixed")
    assert "expression_accuracy" in fixed.differences
    assert "expression_macro_f1" not in fixed.differences and "expression_macro_f1" not in fixed.figures


def test_a_baseline_is_what_others_are_compared_with(tmp_path: Path, settings, write_study):
    write_study(tmp_path)
    found = results.collect(dataclasses.replace(settings, baseline="fixed"), tmp_path)
    fixed, single = row_of(found, "fixed"), row_of(found, "expression_only")
    assert fixed.differences == {}
    expected = single.figures["expression_accuracy"].value - fixed.figures["expression_accuracy"].value
    assert single.differences["expression_accuracy"].over_examples.value == pytest.approx(expected)
    assert set(row_of(found, "identity_only").differences) == {"verification_accuracy", "tar_at_far_0.01"}


def test_recalls_have_intervals_and_differences_as_accuracy_has_them(
    tmp_path: Path, settings, write_study
):
    write_study(tmp_path, 0, 1)
    found = results.collect(dataclasses.replace(settings, seeds=(0, 1)), tmp_path)
    names = [f"expression_recall_{name}" for name in ("angry", "happy", "sad")]
    assert [figure.name for figure in found.recalls] == names
    assert not set(names) & {figure.name for figure in found.figures}
    fixed, single = row_of(found, "fixed"), row_of(found, "expression_only")
    for index, name in enumerate(names):
        recalls = {row.variant: [recall(run, index) for run in row.runs] for row in (fixed, single)}
        assert fixed.figures[name].value == pytest.approx(np.mean(recalls["fixed"]))
        each = np.subtract(recalls["fixed"], recalls["expression_only"])
        difference = fixed.differences[name]
        assert difference.over_examples.value == pytest.approx(np.mean(each))
        assert difference.over_examples.low < np.mean(each) < difference.over_examples.high
        assert difference.over_seeds.value == pytest.approx(np.mean(each))
    assert not set(names) & set(row_of(found, "identity_only").figures)


def recall(run: results.FinishedRun, index: int) -> float:
    told = run.expressions.predictions[run.expressions.labels == index]
    return float(np.mean(told == index))


def test_a_class_that_the_test_split_lacks_has_no_recall(tmp_path: Path, settings, write_study):
    folder = variant.pipeline_root(tmp_path) / "Transform" / "transformed_examples" / "1"
    write_study(tmp_path)
    labels = np.load(folder / "Split-test" / "expression.npy")
    np.save(folder / "Split-test" / "expression.npy", np.where(labels == 1, -1, labels))
    found = results.collect(settings, tmp_path)
    fixed = row_of(found, "fixed")
    assert [figure.title for figure in found.recalls] == ["recall of angry", "recall of sad"]
    assert "expression_recall_happy" not in fixed.differences
    assert "expression_recall_sad" in fixed.differences
    assert tables.summary_row(found, fixed)["expression_recall_happy"] == ""


def interval(low: float, high: float) -> metrics.Interval:
    return metrics.Interval((low + high) / 2, low, high)


@pytest.mark.parametrize(
    ("over_examples", "over_seeds", "sign"),
    [
        (interval(0.01, 0.02), None, 1),
        (interval(-0.02, -0.01), None, -1),
        (interval(-0.01, 0.02), None, 0),
        (interval(0.01, 0.02), interval(-0.1, 0.13), 0),
        (interval(0.01, 0.02), interval(0.005, 0.025), 1),
        (interval(-0.02, 0.0), interval(-0.02, -0.001), 0),
        (interval(float("nan"), float("nan")), None, 0),
    ],
)
def test_a_difference_is_more_than_chance_where_every_interval_says_so(over_examples, over_seeds, sign):
    assert results.Difference(over_examples, over_seeds).sign == sign


def test_time_is_that_of_the_epochs_and_memory_that_of_the_process(tmp_path: Path, settings, write_study):
    write_study(tmp_path)
    # 1,000 examples are 63 batches of 16, 1,008 images: at 100.8 and 50.4 a second 10 and 20 s.
    row = row_of(results.collect(settings, tmp_path), "fixed")
    assert row.minutes == pytest.approx(30 / 60)
    assert row.step_ms == pytest.approx(1000 * 15 / 63)
    assert row.memory_gb == 1.25


def test_what_is_not_finished_says_why(tmp_path: Path, settings, write_study):
    write_study(tmp_path)
    failed = runs.folder(tmp_path, "fixed", 0)
    (failed / runs.RESULT).unlink()
    runs.note_failure(failed, "its process was ended by SIGKILL; was memory too short?")
    changed = dataclasses.replace(settings.base.training, epochs=9)
    base = dataclasses.replace(settings.base, training=changed)
    found = results.collect(dataclasses.replace(settings, base=base, seeds=(0, 5)), tmp_path)
    states = {(run.variant, run.seed): (run.state, run.reason) for run in found.runs}
    reason = "its process was ended by SIGKILL; was memory too short?"
    assert states["fixed", 0] == ("failed", reason)
    assert states["fixed", 5] == ("not finished", "")
    state, reason = states["uncertainty", 0]
    assert state == "not finished"
    assert reason == "the results that are there are of other settings: training.epochs was 2 and is 9"
    assert found.rows == [] and found.examples is None


def test_artifacts_that_are_gone_are_no_results(tmp_path: Path, settings, write_study):
    write_study(tmp_path)
    folder = evaluation_of(tmp_path, "fixed-0")
    folder.rename(tmp_path / "elsewhere")
    found = results.collect(settings, tmp_path)
    (run,) = [run for run in found.runs if run.variant == "fixed"]
    assert (run.state, run.reason) == ("not finished", f"{folder} is gone")


def test_pairs_that_differ_are_not_compared(tmp_path: Path, settings, write_study):
    write_study(tmp_path)
    path = evaluation_of(tmp_path, "fixed-0") / "predictions.npz"
    with np.load(path) as stored:
        said = dict(stored)
    np.savez(path, **{**said, "same": ~said["same"]})
    with pytest.raises(ValueError, match="judged on the same pairs; they differ"):
        results.collect(settings, tmp_path)


def test_runs_whose_data_changed_in_between_are_not_compared(tmp_path: Path, settings, write_study):
    write_study(tmp_path)
    own = variant.pipeline_root(tmp_path) / "Transform" / "transformed_examples" / "1"
    labels = json.loads((own / "labels.json").read_text())
    (own / "labels.json").write_text(json.dumps({**labels, "digest": "a"}))
    other = shutil.copytree(own, own.with_name("2"))
    path = runs.folder(tmp_path, "uncertainty", 0) / runs.RESULT
    result = json.loads(path.read_text())
    result["artifacts"]["transformed_examples"] = "Transform/transformed_examples/2"
    path.write_text(json.dumps(result))
    results.collect(settings, tmp_path)  # prepared again, of the same data
    (other / "labels.json").write_text(json.dumps({**labels, "digest": "b"}))
    with pytest.raises(ValueError, match=r"the data changed between .* and uncertainty, seed 0: run the"):
        results.collect(settings, tmp_path)


@pytest.mark.parametrize(("num_identities", "known"), [(50, False), (51, True)])
def test_test_people_who_are_trained_on_are_noticed(
    tmp_path: Path, settings, write_study, num_identities, known
):
    write_study(tmp_path)
    path = variant.pipeline_root(tmp_path) / "Transform" / "transformed_examples" / "1" / "labels.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "num_identities": num_identities}))
    examples = results.collect(settings, tmp_path).examples
    assert examples.test_people_are_trained_on == known
    assert (examples.num_pairs, examples.num_impostors, examples.num_test_people) == (400, 200, 7)


def test_tables_hold_the_figures(tmp_path: Path, settings, write_study):
    write_study(tmp_path, 0, 1)
    (runs.folder(tmp_path, "fixed", 1) / runs.RESULT).unlink()
    found = results.collect(dataclasses.replace(settings, seeds=(0, 1)), tmp_path)
    assert all(path.is_file() for path in tables.write(found, tmp_path))
    by_run = {(row["variant"], row["seed"]): row for row in read(tmp_path / "runs.csv")}
    assert len(by_run) == 8
    assert by_run["fixed", "1"]["state"] == "not finished" and by_run["fixed", "1"]["minutes"] == ""
    fixed = by_run["fixed", "0"]
    own = row_of(found, "fixed").runs[0].figures["expression_accuracy"]
    assert float(fixed["expression_accuracy"]) == own.value
    assert float(fixed["expression_accuracy_low"]) == own.low
    assert (fixed["minutes"], fixed["step_ms"], fixed["memory_gb"]) == ("0.5", "238.1", "1.25")
    assert by_run["expression_only", "0"]["settings"] == "'--tasks.identity.weight 0"
    assert by_run["expression_only", "0"]["tar_at_far_0.01"] == ""
    summary = {row["variant"]: row for row in read(tmp_path / "summary.csv")}
    assert summary["fixed"]["intervals"] == "over test images or pairs"
    assert summary["uncertainty"]["intervals"] == "over seeds"
    told = row_of(found, "uncertainty").differences["expression_accuracy"]
    row = summary["uncertainty"]
    assert float(row["expression_accuracy_difference"]) == told.over_examples.value
    assert float(row["expression_accuracy_difference_high"]) == told.over_examples.high
    assert float(row["expression_accuracy_difference_over_seeds_low"]) == told.over_seeds.low
    assert "expression_accuracy_difference_over_seeds" not in row
    assert summary["expression_only"]["expression_accuracy_difference"] == ""
    told = row_of(found, "uncertainty").differences["expression_recall_sad"]
    assert float(row["expression_recall_sad_difference_low"]) == told.over_examples.low
    assert float(row["expression_recall_sad_difference_over_seeds_high"]) == told.over_seeds.high
    own = row_of(found, "fixed").runs[0].figures["expression_recall_sad"]
    assert float(fixed["expression_recall_sad_high"]) == own.high
    epochs = [row for row in read(tmp_path / "epochs.csv") if row["variant"] == "uncertainty"]
    weights = [(row["seed"], row["epoch"], row["identity_weight"]) for row in epochs]
    assert weights == [("0", "1", "0.1"), ("0", "2", "0.2"), ("1", "1", "0.1"), ("1", "2", "0.2")]


def test_the_console_has_a_row_a_variant(tmp_path: Path, settings, write_study):
    write_study(tmp_path)
    (runs.folder(tmp_path, "fixed", 0) / runs.RESULT).unlink()
    found = results.collect(settings, tmp_path)
    titles, *rows = tables.console(found)
    assert {len(row) for row in rows} == {len(titles)}
    by_name = {row[0]: row for row in rows}
    assert list(by_name) == list(settings.variants)
    assert "not finished" in by_name["fixed"]
    own = row_of(found, "uncertainty")
    assert not any("recall" in title for title in titles)
    accuracy, points = by_name["uncertainty"][2:4]
    assert accuracy.startswith(f"{own.figures['expression_accuracy'].value:.1%} (")
    difference = own.differences["expression_accuracy"].over_examples.value
    assert points == f"{100 * difference:+.2f}"

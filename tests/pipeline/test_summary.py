import dataclasses
import json

import pytest
from toy_run import FURTHER, make_run, settings_with, write

from kfer.pipeline.artifacts import ModelEvaluation
from kfer.pipeline.summary import summary_rows


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    settings = settings_with(**FURTHER)
    return settings, make_run(tmp_path_factory.mktemp("run"), settings, "Evaluator")


def test_each_task_has_a_line(run):
    settings, result = run
    report = json.loads((result.outputs["Evaluator"]["evaluation"].path / "evaluation.json").read_text())
    rows = dict(summary_rows(settings, result))
    assert list(rows) == ["Trained", "Expression", "Identity", "Action units", "Angles", "Age"]
    angles = report["tasks"]["angles"]
    assert rows["Angles"] == (
        f"mean absolute error {angles['mean_absolute_error']:.3f}, "
        f"concordance {angles['concordance']:.3f} on {angles['num_examples']} test images"
    )
    units = report["tasks"]["action_units"]
    assert rows["Action units"] == f"macro F1 {units['macro_f1']:.3f} on 210 test images"


def test_a_task_that_is_not_judged_says_so(run, tmp_path):
    settings, result = run
    judged = result.outputs["Evaluator"]["evaluation"]
    report = json.loads((judged.path / "evaluation.json").read_text())
    report["expression"] = report["tasks"]["expression"] = None
    report["tasks"]["age"]["intervals"]["macro_f1"]["value"] = None
    other = ModelEvaluation(tmp_path)
    write(other, "evaluation.json", report)
    changed = dataclasses.replace(result, outputs={"Evaluator": {"evaluation": other}})
    rows = dict(summary_rows(settings, changed))
    assert rows["Expression"] == "no test image has a label for it"
    assert rows["Age"].startswith("accuracy 0.") and "macro F1" not in rows["Age"]

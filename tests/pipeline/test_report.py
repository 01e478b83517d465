import json
import pickle
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_run import FURTHER, SIZES, make_run, settings_with, write

from kfer import spec
from kfer.pipeline import report
from kfer.pipeline.dag import build
from kfer.pipeline.report.page import render
from kfer.pipeline.runner import RunResult
from kfer.settings import PipelineSettings


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[PipelineSettings, Path, RunResult]:
    root, settings = tmp_path_factory.mktemp("whole"), settings_with(**FURTHER)
    return settings, root, make_run(root, settings)


def read_evaluation(result: RunResult) -> dict[str, Any]:
    return json.loads((result.outputs["Evaluator"]["evaluation"].path / "evaluation.json").read_text())


class Page(HTMLParser):
    """What a page consists of."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.text = path.read_text(encoding="utf-8")
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    @property
    def sections(self) -> list[str | None]:
        return [attributes.get("id") for tag, attributes in self.tags if tag == "section"]


SECTIONS = ["faces", "data", "anomalies", "trials", "training", "expression", "identity", "tasks"]
SECTIONS += ["slices", "confidence", "examples", "exports", "checks", "lineage", "settings"]


def test_whole_run_has_every_section_and_its_figures(whole):
    settings, root, result = whole
    path = report.update(settings, root, result)
    assert path == root / "report.html"
    page = Page(path)
    assert page.sections == SECTIONS
    judged = read_evaluation(result)
    assert f"<b>{100 * judged['expression']['accuracy']:.1f}%</b>" in page.text
    assert f"<b>{100 * judged['verification']['accuracy']:.1f}%</b>" in page.text
    assert "2,812,345 parameters" in page.text
    assert "Blessed and pushed" in page.text and "/models/synthetic/1" in page.text
    assert "what Trainer said" in page.text and "Trainer/model_run/7" in page.text
    assert page.text.count("<td>★ best</td>") == 1
    assert re.search(r'class="best"><td>★ best</td><td>1</td><td>0.0041</td><td>0.78</td>', page.text)
    titles = re.findall(r"<h3>(.*?)</h3>", page.text)
    for title in (
        "Loss",
        "Loss weights",
        "Learning rate",
        "Confusion matrix",
        "Which component fed which",
    ):
        assert title in titles
    assert "Stage" not in titles and "Trainable parameters" not in titles
    cells = re.search(r"<td>2</td><td>8</td>.*?</tr>", page.text)
    assert cells and "heads, layer3, layer4</td><td>0.1</td><td>4,321</td><td>0</td>" in cells[0]
    readings = re.findall(r"<figure.*?</figure>", page.text, re.DOTALL)
    drawn = [figure for figure in readings if "<svg" in figure]
    assert len(drawn) >= 9 and all('class="reading"' in figure for figure in drawn)
    assert page.text.count("<svg") == len(drawn)


def section(page: Page, name: str) -> str:
    return page.text.partition(f'<section id="{name}">')[2].partition("</section>")[0]


def test_every_further_task_is_shown_with_its_intervals(whole):
    page = Page(report.update(*whole))
    judged = read_evaluation(whole[2])
    shown = section(page, "tasks")
    titles = re.findall('<h3 class="task">(.*?)</h3>', shown)
    assert titles == ["Action units", "Angles", "Age"]
    angles = judged["tasks"]["angles"]
    error = angles["intervals"]["mean_absolute_error"]
    card = f"<b>{error['value']:.4g}</b><span>mean absolute error</span>"
    assert f"{card}<small>{error['low']:.4g} to {error['high']:.4g}</small>" in shown
    assert f"drawing {angles['num_drawn']} people 100 times" in shown
    for name in ("jaw drop", "pitch", "elderly"):
        assert f"<td>{name}</td>" in shown
    assert f"{judged['tasks']['age']['votes']['agreement']:.1%}</b><span>votes that agree" in shown
    accuracy = judged["tasks"]["expression"]["intervals"]["accuracy"]
    between = f"{accuracy['low']:.1%} to {accuracy['high']:.1%}"
    assert f"<small>{between}</small>" in page.text.partition("<nav>")[0]
    assert between in section(page, "expression")
    accepted = judged["tasks"]["identity"]["intervals"]["tar_at_far_0.1"]
    assert f"{accepted['low']:.1%} to {accepted['high']:.1%}" in section(page, "identity")
    assert "2.8 of 52.5" in section(page, "exports")


def test_slices_are_counted_and_the_small_and_the_worst_are_marked(whole):
    page = Page(report.update(*whole))
    judged = read_evaluation(whole[2])
    shown = section(page, "slices")
    attributes = ["source", "expression", "pose", "eyes"]
    assert re.findall("<summary>By (.*?)</summary>", shown) == attributes
    assert {row["attribute"] for row in judged["slices"]} == {*attributes}
    small = [row for row in judged["slices"] if row["small"]]
    assert small and shown.count("<small>under 30</small>") == shown.count('class="few"') == len(small)
    assert shown.count("<em>worst</em>") == shown.count('class="worst"') == len(judged["worst_slices"])
    in_sunglasses = next(
        row for row in judged["slices"] if row["task"] == "expression" and row["slice"] == "sunglasses"
    )
    value = f"{in_sunglasses['figures']['accuracy']['value']:.1%}"
    row = f'<td>sunglasses</td><td class="right">{in_sunglasses["num_examples"]}</td><td class="worst">'
    assert re.search(f'{row}\\s*<div class="said">{value} <em>worst</em>', shown)


def test_what_sources_hold_and_datasets_do_not_is_shown(whole):
    settings, root, result = whole
    assert "Left out" not in Page(report.update(*whole)).text
    examples = result.outputs["Transform"]["transformed_examples"]
    labels = examples.labels()
    avif = ".avif, a format that is not read"
    row = {"source": "mine", "reason": avif, "count": 1234, "names": ["<a>"]}
    hidden = {"source": "mine", "reason": "hidden", "count": 1, "names": [".DS_Store"]}
    examples.write_labels(labels | {"left_out": [hidden, row]})
    try:
        page = render(settings, root, build(settings, root), result.outputs)
    finally:
        examples.write_labels(labels)
    cells = re.search(r"<td>mine</td>.*?</tr>", page, re.DOTALL)
    assert cells and ">1,234<" in cells[0] and "&lt;a&gt;" in cells[0] and ".DS_Store" not in page


def test_temperatures_are_shown_with_what_they_change(whole):
    shown = section(Page(report.update(*whole)), "confidence")
    calibration = read_evaluation(whole[2])["calibration"]
    assert list(calibration) == ["expression", "action_units", "age"]
    for name, found in calibration.items():
        cells = [f"{found['temperature']:.4g}", f"{found['ece_before']:.1%}", f"{found['ece_after']:.1%}"]
        title = name.capitalize().replace("_", " ")
        expected = [f"<td>{title}</td>", *(f'<td class="right">{cell}</td>' for cell in cells)]
        assert "".join(expected) in shown


def test_without_further_tasks_there_is_no_section_of_them(tmp_path):
    settings = settings_with()
    page = Page(report.update(settings, tmp_path, make_run(tmp_path, settings)))
    assert page.sections == [name for name in SECTIONS if name != "tasks"]
    assert "Loss weights" not in page.text and "further task" not in page.text


def test_page_is_one_small_file(whole):
    page = Page(report.update(*whole))
    addresses = [
        value
        for _, attributes in page.tags
        for name, value in attributes.items()
        if name in ("src", "href")
    ]
    assert addresses and all(value.startswith(("data:image/png;base64,", "#")) for value in addresses)
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in page.tags}
    assert "url(" not in page.text and "@import" not in page.text
    assert len(page.text.encode()) < 3e6
    assert "nan" not in re.sub(r'"data:[^"]*"', "", page.text).lower().split()


def test_names_are_escaped(tmp_path):
    settings = settings_with(("<script>alert(1)</script>", *spec.EXPRESSIONS[1:]))
    page = Page(report.update(settings, tmp_path, make_run(tmp_path, settings)))
    assert "<script" not in page.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.text
    assert "no label in &lt;validation&gt;" in page.text


@pytest.mark.parametrize(
    ("last", "sections"),
    [
        ("ExampleGen", ["lineage", "settings"]),
        ("Transform", ["faces", "data", "anomalies", "lineage", "settings"]),
        ("Trainer", ["faces", "data", "anomalies", "trials", "training", "lineage", "settings"]),
    ],
)
def test_partial_run_leaves_out_what_is_not_there(tmp_path, last, sections):
    settings = settings_with()
    page = Page(report.update(settings, tmp_path, make_run(tmp_path, settings, last)))
    assert page.sections == sections
    assert "Not judged yet" in page.text


def test_failed_checks_say_why_nothing_was_pushed(tmp_path):
    settings = settings_with()
    result = make_run(tmp_path, settings)
    reason = "expression_accuracy is 0.2; expected at least 0.5"
    write(result.outputs["Evaluator"]["blessing"], "checks.json", {"reasons": [reason], "checks": []})
    write(result.outputs["Pusher"]["pushed_model"], "pushed.json", {"path": None, "reasons": ["no"]})
    page = Page(report.update(settings, tmp_path, result))
    assert "Not pushed" in page.text and reason in page.text and "Blessed and pushed" not in page.text


def test_tasks_that_are_off_have_no_section(tmp_path):
    settings = settings_with()
    result = make_run(tmp_path, settings)
    judged = result.outputs["Evaluator"]["evaluation"]
    content = json.loads((judged.path / "evaluation.json").read_text())
    content |= {"expression": None, "identification": None, "threshold": None}
    del content["tasks"]["expression"]
    for name in ("slices", "worst_slices"):
        content[name] = [row for row in content[name] if row["task"] != "expression"]
    write(judged, "evaluation.json", content)
    page = Page(report.update(settings, tmp_path, result))
    assert "expression" not in page.sections and "examples" not in page.sections
    assert "identity" in page.sections and "Threshold for use" not in page.text


def test_examples_without_expressions_are_shown_by_person(tmp_path):
    settings = settings_with()
    result = make_run(tmp_path, settings, "Transform")
    examples = result.outputs["Transform"]["transformed_examples"]
    for split, count in SIZES.items():
        np.save(examples.path / f"Split-{split}" / "expression.npy", np.full(count, -1, np.int32))
    page = Page(report.update(settings, tmp_path, result))
    faces = page.text[page.text.index('id="faces"') : page.text.index('id="data"')]
    assert "<b>person 1</b>" in faces and "<b>happy</b>" not in faces
    assert "Class balance" not in page.text and "Images per person, training split" in page.text


def test_written_once_and_found_again_without_heavy_imports(tmp_path):
    settings = settings_with()
    result = make_run(tmp_path, settings)
    newest = report.update(settings, tmp_path, result)
    (kept,) = (tmp_path / "reports").iterdir()
    assert re.fullmatch(r"[0-9a-f]{12}\.html", kept.name)
    assert kept.read_bytes() == newest.read_bytes()
    newest.unlink()
    times = kept.stat().st_mtime_ns
    program = f"""
import pickle, sys
from pathlib import Path
from kfer.pipeline import report
from kfer.pipeline.dag import build
from kfer.pipeline.runner import RunResult
root = Path({str(tmp_path)!r})
settings = pickle.loads({pickle.dumps(settings)!r})
outputs = {{
    node.name: {{
        name: kind(next((root / node.name / name).iterdir()))
        for name, kind in node.component.outputs.items()
    }}
    for node in build(settings, root)
}}
assert report.update(settings, root, RunResult(2, outputs, dict.fromkeys(outputs, "CACHED")))
heavy = {{"numpy", "cv2", "jinja2", "matplotlib", "tensorflow"}} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", program], check=True)
    assert newest.exists()
    assert [kept] == list((tmp_path / "reports").iterdir()) and kept.stat().st_mtime_ns == times

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest

from kfer import evaluation, spec
from kfer.pipeline import artifacts, report
from kfer.pipeline.dag import build
from kfer.pipeline.metadata import MetadataStore
from kfer.pipeline.runner import RunResult
from kfer.settings import DataSettings, EvaluationSettings, PipelineSettings, SourceSettings

SIZE = 48
SIZES = {"train": 420, "validation": 120, "test": 210}
MOUTHS = {"happy": 9, "sad": -8, "angry": -5, "disgust": -4, "fear": 3, "surprise": 6, "neutral": 0}


def draw(expression: int, identity: int, rng: np.random.Generator) -> np.ndarray:
    """A plain face, uint8 [SIZE, SIZE, 1]."""
    name = spec.EXPRESSIONS[expression] if expression >= 0 else "neutral"
    skin, width = 120 + identity * 17 % 110, 14 + identity % 5
    image = np.full((SIZE, SIZE), 30 + identity * 23 % 90, np.uint8)
    cv2.ellipse(image, (24, 25), (width, 20), 0, 0, 360, skin, -1, cv2.LINE_AA)
    cv2.ellipse(image, (24, 10), (width, 8), 0, 180, 360, 20 + identity * 31 % 80, -1, cv2.LINE_AA)
    open_eye = 4 if name in ("surprise", "fear") else 2
    for x in (17, 31):
        cv2.ellipse(image, (x, 22), (4, open_eye), 0, 0, 360, 245, -1, cv2.LINE_AA)
        cv2.circle(image, (x, 22), 2, 20, -1, cv2.LINE_AA)
        tilt = (4 if x < 24 else -4) if name in ("angry", "disgust") else 0
        cv2.line(image, (x - 4, 16 - tilt // 2), (x + 4, 16 + tilt // 2), 25, 1, cv2.LINE_AA)
    curve = [(x, int(36 + MOUTHS[name] * (1 - ((x - 24) / 8) ** 2) / 2)) for x in range(16, 33)]
    cv2.polylines(image, [np.array(curve)], name == "surprise", 40, 2, cv2.LINE_AA)
    return np.clip(image + rng.normal(0, 5, image.shape), 0, 255).astype(np.uint8)[..., None]


def write(artifact: artifacts.Artifact, name: str, value: object) -> None:
    (artifact.path / name).write_text(value if isinstance(value, str) else json.dumps(value))


def fill_transform(made: dict[str, artifacts.Artifact], rng: np.random.Generator) -> None:
    examples = made["transformed_examples"]
    assert isinstance(examples, artifacts.TransformedExamples)
    examples.write_labels(
        {
            "expressions": list(spec.EXPRESSIONS),
            "sources": ["faces", "people"],
            "num_identities": 40,
            "num_examples": SIZES,
            "num_pairs": 0,
        }
    )
    for split, count in SIZES.items():
        folder = examples.split(split)
        folder.mkdir()
        source = (np.arange(count) % 3 == 2).astype(np.int32)
        shares = np.array([4, 1, 3, 7, 5, 4, 3]) / 27
        expression = np.where(source == 0, rng.choice(7, count, p=shares), -1).astype(np.int32)
        start, people = (0, 40) if split == "train" else (40, 12)
        identity = start + np.minimum(rng.geometric(0.08, count) - 1, people - 1).astype(np.int32)
        identity[(source == 0) & (np.arange(count) % 2 == 0)] = -1
        images = [draw(int(e), max(int(i), 0), rng) for e, i in zip(expression, identity, strict=True)]
        np.save(folder / "images.npy", np.stack(images))
        for name, values in (("expression", expression), ("identity", identity), ("source", source)):
            np.save(folder / f"{name}.npy", values)
        np.save(folder / "filename.npy", np.array([f"{index}.png" for index in range(count)]))


def judge(made: dict[str, artifacts.Artifact], test: Path, names: tuple[str, ...], rng) -> None:
    labels = np.load(test / "expression.npy")
    logits = rng.normal(0, 1, (len(labels), 7)) + 3.2 * np.eye(7)[np.maximum(labels, 0)]
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    same = np.arange(3000) % 2 == 0
    similarities = np.clip(rng.normal(np.where(same, 0.55, 0.1), 0.16), -1, 1)
    expression = evaluation.expression_report(labels, probabilities, names)
    verification = evaluation.verification_report(similarities, same, None, 10, (0.1, 0.01, 0.001))
    figures = {
        "expression_accuracy": expression["accuracy"],
        "verification_accuracy": verification["accuracy"],
    }
    content = {
        "expression": expression,
        "verification": verification,
        "identification": {"num_people": 12, "num_distractors": 2, "num_probes": 90, "rank1": 0.81},
        "threshold": evaluation.choose_threshold(similarities, same, 0.01),
        "metrics": figures,
        "examples": evaluation.examples_to_show(labels, probabilities, 24),
        "judged_on": "3",
    }
    write(made["evaluation"], "evaluation.json", content)
    np.savez(made["evaluation"].path / "predictions.npz", probabilities=probabilities)
    verdict = evaluation.bless(figures, EvaluationSettings(min_expression_accuracy=0.5), figures)
    write(made["blessing"], "checks.json", {"reasons": verdict.reasons, "checks": verdict.checks})


def fill(name: str, made: dict[str, artifacts.Artifact], root: Path, names: tuple[str, ...]) -> str:
    rng = np.random.default_rng(7)
    if name == "ExampleValidator":
        found = [
            {
                "feature": "expression",
                "severity": "ERROR",
                "short": "No labels",
                "description": "no label in <validation>",
            },
            {
                "feature": "image",
                "severity": "WARNING",
                "short": "Training images in the test split",
                "description": "3 test images are training images: 1.png, 2.png, 3.png",
            },
        ]
        write(made["anomalies"], "anomalies.json", found)
    elif name == "Transform":
        fill_transform(made, rng)
    elif name == "Tuner":
        trials = [
            {
                "trial": str(i),
                "values": {"learning_rate": rate},
                "score": score,
                # The rate that the schedule ended with must not stand for the trial's.
                "metrics": {"epoch": 1.0, "learning_rate": 0.0, "val_expression_accuracy": score},
            }
            for i, (rate, score) in enumerate([(0.002, 0.71), (0.0041, 0.78), (0.0007, 0.64)])
        ]
        write(made["tuner_results"], "trials.json", trials)
        write(made["best_hyperparameters"], "best_values.json", {"learning_rate": 0.0041})
    elif name == "Trainer":
        names_of_figures = (
            "stage",
            "trainable_parameters",
            "loss",
            "expression_loss",
            "identity_loss",
            "expression_accuracy",
        )
        names_of_figures += ("learning_rate", "images_per_second", "val_expression_accuracy")
        names_of_figures += ("val_expression_macro_f1", "val_verification_accuracy")
        lines = [",".join(("epoch", *names_of_figures))]
        for epoch in range(1, 13):
            fall = 0.8**epoch
            lines.append(
                f"{epoch},{1 + (epoch > 4)},{4321 if epoch > 4 else 321},"
                f"{2 + 9 * fall},{0.4 + 1.5 * fall},{1 + 12 * fall},{0.8 - 0.6 * fall},"
                f"{0.0041 * np.cos(epoch / 8)},{900 + 50 * np.sin(epoch)},"
                f"{0.75 - 0.5 * fall if epoch > 1 else ''},{0.7 - 0.5 * fall},{0.9 - 0.4 * fall}"
            )
        write(made["model_run"], "history.csv", "\n".join(lines) + "\n")
        facts = {"backbone": "compact", "num_parameters": 2812345, "num_examples": 420}
        facts |= {"num_identities": 40, "epochs": 12, "values": {"learning_rate": 0.0041}}
        facts["stages"] = [
            {
                "epochs": epochs,
                "unfreeze": unfreeze,
                "learning_rate_factor": factor,
                "trainable_parameters": 4321 - frozen,
                "frozen_parameters": frozen,
            }
            for epochs, unfreeze, factor, frozen in (
                (4, [], 1.0, 4000),
                (8, ["layer3", "layer4"], 0.1, 0),
            )
        ]
        write(made["model_run"], "training.json", facts)
    elif name == "Evaluator":
        judge(made, root / "Transform" / "transformed_examples" / "5" / "Split-test", names, rng)
    elif name == "InfraValidator":
        parity = {
            variant: {
                "num_images": 200,
                "max_probability_difference": difference,
                "top_class_agreement": 1 - difference / 4,
                "accuracy_change": None if variant == "float16" else -difference / 20,
                "embedding_cosine_min": 1 - difference / 10,
            }
            for variant, difference in (
                ("saved_model", 2e-7),
                ("float32", 3e-6),
                ("float16", 4e-4),
                ("int8", 0.07),
            )
        }
        write(made["infra_blessing"], "parity.json", {"parity": parity, "reasons": []})
        for variant, size in (("float32", 112000), ("float16", 56000), ("int8", 29700)):
            (made["serving_model"].path / f"{variant}.tflite").write_bytes(bytes(size))
        (made["serving_model"].path / "saved_model.pb").write_bytes(bytes(140000))
    elif name == "Pusher":
        write(made["pushed_model"], "pushed.json", {"path": "/models/synthetic/1", "reasons": []})
    return f"what {name} said"


def settings_with(expressions: tuple[str, ...] = spec.EXPRESSIONS) -> PipelineSettings:
    sources = (SourceSettings("faces"), SourceSettings("people"))
    return PipelineSettings(name="toy", data=DataSettings(sources=sources, expressions=expressions))


def make_run(root: Path, settings: PipelineSettings, last: str = "Pusher") -> RunResult:
    """A run whose components up to `last` left plausible artifacts."""
    store, outputs = MetadataStore(root), {}
    number = store.start_run(settings.name, "{}")
    for node in build(settings, root):
        execution = store.start_execution(number, node.name, "key", {})
        outputs[node.name] = {
            name: kind(root / node.name / name / str(execution))
            for name, kind in node.component.outputs.items()
        }
        for artifact in outputs[node.name].values():
            artifact.path.mkdir(parents=True)
        said = fill(node.name, outputs[node.name], root, settings.data.expressions)
        store.complete_execution(execution, outputs[node.name], said)
        if node.name == last:
            break
    store.close()
    return RunResult(number, outputs, dict.fromkeys(outputs, "COMPLETE"), dict.fromkeys(outputs, 1.0))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[PipelineSettings, Path, RunResult]:
    root, settings = tmp_path_factory.mktemp("whole"), settings_with()
    return settings, root, make_run(root, settings)


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


SECTIONS = ["faces", "data", "anomalies", "trials", "training", "expression", "identity", "examples"]
SECTIONS += ["exports", "checks", "lineage", "settings"]


def test_whole_run_has_every_section_and_its_figures(whole):
    settings, root, result = whole
    path = report.update(settings, root, result)
    assert path == root / "report.html"
    page = Page(path)
    assert page.sections == SECTIONS
    judged = json.loads((result.outputs["Evaluator"]["evaluation"].path / "evaluation.json").read_text())
    assert f"<b>{100 * judged['expression']['accuracy']:.1f}%</b>" in page.text
    assert f"<b>{100 * judged['verification']['accuracy']:.1f}%</b>" in page.text
    assert "2,812,345 parameters" in page.text
    assert "Blessed and pushed" in page.text and "/models/synthetic/1" in page.text
    assert "what Trainer said" in page.text and "Trainer/model_run/7" in page.text
    assert page.text.count("<td>★ best</td>") == 1
    assert re.search(r'class="best"><td>★ best</td><td>1</td><td>0.0041</td><td>0.78</td>', page.text)
    titles = re.findall(r"<h3>(.*?)</h3>", page.text)
    for title in ("Loss", "Learning rate", "Confusion matrix", "Which component fed which"):
        assert title in titles
    assert "Stage" not in titles and "Trainable parameters" not in titles
    cells = re.search(r"<td>2</td><td>8</td>.*?</tr>", page.text)
    assert cells and "heads, layer3, layer4</td><td>0.1</td><td>4,321</td><td>0</td>" in cells[0]
    readings = re.findall(r"<figure.*?</figure>", page.text, re.DOTALL)
    drawn = [figure for figure in readings if "<svg" in figure]
    assert len(drawn) >= 9 and all('class="reading"' in figure for figure in drawn)
    assert page.text.count("<svg") == len(drawn)


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
import sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent)!r})
from kfer.pipeline import artifacts, report
from kfer.pipeline.dag import build
from kfer.pipeline.runner import RunResult
from kfer.settings import DataSettings, PipelineSettings, SourceSettings
root = Path({str(tmp_path)!r})
sources = (SourceSettings("faces"), SourceSettings("people"))
settings = PipelineSettings(name="toy", data=DataSettings(sources=sources))
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

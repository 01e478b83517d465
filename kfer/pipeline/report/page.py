"""What the report says: an artifact's files as the values that the page's template shows."""

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import kfer
from kfer import knowledge, listing, spec
from kfer.files import read_csv, saved_model_bytes
from kfer.pipeline.artifacts import Artifact, PushedModel, TransformedExamples
from kfer.pipeline.component import Node
from kfer.pipeline.metadata import COMPLETE, MetadataStore
from kfer.pipeline.report import charts, figures, templates
from kfer.pipeline.report.clips import over_time
from kfer.pipeline.report.faces import Face, Split, images_per_person
from kfer.settings import PipelineSettings, dotted

_SHOWN, _MIX_UPS = 18, 8
Outputs = Mapping[str, Mapping[str, Artifact]]


def render(settings: PipelineSettings, root: Path, nodes: Sequence[Node], outputs: Outputs) -> str:
    """The page as HTML. A section whose artifacts are missing is left out.

    Args:
        settings: The run's settings.
        root: The pipeline root, whose metadata say when each artifact was made.
        nodes: The graph.
        outputs: For each component that the report is about, its outputs by name.
    """
    evaluation = _read(outputs, "Evaluator", "evaluation", "evaluation.json")
    splits = _splits(outputs, settings)
    tasks = figures.judged_tasks(evaluation, settings.evaluation.resamples)
    return (
        templates.environment()
        .get_template("page.html")
        .render(
            name=settings.name,
            version=kfer.__version__,
            written=time.strftime("%Y-%m-%d %H:%M"),
            palette=charts.PALETTE,
            training=_read(outputs, "Trainer", "model_run", "training.json"),
            evaluation=evaluation,
            verdict=_verdict(outputs),
            sample=splits["train"].sample() if "train" in splits else [],
            data=_data(splits),
            left_out=_left_out(outputs),
            anomalies=_read(outputs, "ExampleValidator", "anomalies", "anomalies.json"),
            curves=_curves(outputs),
            trials=_trials(outputs),
            expression=_expression(evaluation, tasks),
            verification=_verification(evaluation, tasks),
            tasks=tasks,
            further=figures.further_tasks(tasks, evaluation),
            slices=figures.slice_tables(evaluation),
            min_slice=settings.evaluation.min_slice_examples,
            calibrations=figures.calibrations(evaluation),
            clips=over_time(evaluation, splits.get("test")),
            examples=_examples(outputs, evaluation, splits),
            exports=_exports(outputs),
            lineage=_lineage(root, nodes, outputs),
            settings=[
                (name, dotted.as_text(value), text) for name, value, text in dotted.describe(settings)
            ],
        )
    )


def _read(outputs: Outputs, component: str, output: str, file: str) -> Any:
    """The JSON that an artifact holds; None where there is none."""
    artifact = outputs.get(component, {}).get(output)
    if artifact is None or not (artifact.path / file).is_file():
        return None
    return artifact.read(file)


def _splits(outputs: Outputs, settings: PipelineSettings) -> dict[str, Split]:
    examples = outputs.get("Transform", {}).get("transformed_examples")
    if not isinstance(examples, TransformedExamples):
        return {}
    names = examples.names()
    return {
        split: Split(examples.split(split), names.get(spec.EXPRESSION, ()), names[spec.SOURCE])
        for split in spec.SPLITS
        if (examples.split(split) / "images.npy").is_file()
    }


def _left_out(outputs: Outputs) -> list[dict[str, Any]]:
    """What the sources' folders hold and the datasets do not; hidden files are nothing to tell of."""
    examples = outputs.get("Transform", {}).get("transformed_examples")
    if not isinstance(examples, TransformedExamples):
        return []
    rows = examples.labels().get(listing.LEFT_OUT, [])
    return [row for row in rows if row["reason"] != listing.Reason.HIDDEN.value]


def _verdict(outputs: Outputs) -> dict[str, Any]:
    """Whether the model was blessed and pushed, and why not."""
    checks = _read(outputs, "Evaluator", "blessing", "checks.json")
    parity = _read(outputs, "InfraValidator", "infra_blessing", "parity.json")
    artifact = outputs.get("Pusher", {}).get("pushed_model")
    pushed = None
    if isinstance(artifact, PushedModel) and (artifact.path / "pushed.json").is_file():
        pushed = artifact.record()
    described = _read(outputs, "InfraValidator", "serving_model", "model.json") or {}
    reasons = [*(checks or {}).get("reasons", []), *(parity or {}).get("reasons", [])]
    if pushed and pushed.path:
        state, words = "good", "Blessed and pushed"
    elif pushed:
        state, words = "bad", "Not pushed"
        reasons = reasons or pushed.reasons
    elif reasons:
        state, words = "bad", "Not blessed"
    elif checks:
        state, words = "good", "Blessed, not pushed yet"
    else:
        state, words = "open", "Not judged yet"
    return {
        "state": state,
        "words": words,
        "reasons": reasons,
        "path": pushed and pushed.path,
        "limits": knowledge.warning("It", described.get("trained_on", {})),
        "checks": (checks or {}).get("checks", []),
    }


def _data(splits: Mapping[str, Split]) -> dict[str, Any] | None:
    """Class balance and people of each split."""
    if not splits:
        return None
    balance: list[dict[str, Any]] = []
    widest = 0.0
    for name, split in splits.items():
        counts = split.class_counts()
        labelled = int(counts.sum())
        if labelled:
            shares = counts / labelled
            widest = max(widest, float(shares.sum(axis=1).max()))
            rows = zip(split.expressions, counts.sum(axis=1).tolist(), shares.tolist(), strict=True)
            part = {"split": name, "labelled": labelled, "images": len(split.source)}
            balance.append({**part, "rows": list(rows)})
    trained = images_per_person(splits["train"].identity).tolist() if "train" in splits else []
    return {
        "sources": next(iter(splits.values())).sources,
        "balance": balance,
        "widest": widest,
        "people": [(name, row) for name, split in splits.items() for row in split.people()],
        "histogram": charts.people_histogram(trained) if trained else None,
    }


def _curves(outputs: Outputs) -> list[charts.Chart]:
    artifact = outputs.get("Trainer", {}).get("model_run")
    if artifact is None or not (artifact.path / "history.csv").is_file():
        return []
    rows = read_csv(artifact.path / "history.csv")
    if not rows:
        return []
    return charts.training_curves({name: [_float(row[name]) for row in rows] for name in rows[0]})


def _float(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return math.nan


def _trials(outputs: Outputs) -> dict[str, Any] | None:
    trials = _read(outputs, "Tuner", "tuner_results", "trials.json")
    if not trials:
        return None
    best = _read(outputs, "Tuner", "best_hyperparameters", "best_values.json") or {}
    rows = [_flat(trial) for trial in trials]
    return {
        "columns": list(dict.fromkeys(name for row in rows for name in row)),
        "rows": rows,
        "best": [
            bool(best) and all(_same(row.get(name), value) for name, value in best.items())
            for row in rows
        ],
    }


def _flat(trial: Mapping[str, Any]) -> dict[str, Any]:
    """A trial's values, its score, and the figures that tell how good it was."""
    figures = {name: value for name, value in trial["figures"].items() if name.startswith("val_")}
    figures.pop("val_score", None)
    failure = {"failure": trial["failure"]} if trial["failure"] else {}
    return {"trial": trial["trial"], **trial["values"], "score": trial["score"], **figures, **failure}


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, int | float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=1e-6)
    return one == other


def _expression(
    evaluation: Mapping[str, Any] | None, tasks: Mapping[str, dict[str, Any]]
) -> dict[str, Any] | None:
    report = evaluation and evaluation["expression"]
    if not report:
        return None
    names = [one["name"] for one in report["classes"]]
    shares = [[count / max(sum(row), 1) for count in row] for row in report["confusion"]]
    mixed_up = [
        (count, shares[label][said], names[label], names[said])
        for label, row in enumerate(report["confusion"])
        for said, count in enumerate(row)
        if count and label != said
    ]
    return {
        **tasks[spec.EXPRESSION],
        "report": report,
        "names": names,
        "shares": shares,
        "mixed_up": sorted(mixed_up, reverse=True)[:_MIX_UPS],
    }


def _verification(
    evaluation: Mapping[str, Any] | None, tasks: Mapping[str, dict[str, Any]]
) -> dict[str, Any] | None:
    if not evaluation or not evaluation["verification"]:
        return None
    report, threshold = evaluation["verification"], evaluation["threshold"]
    intervals = tasks[spec.IDENTITY]["intervals"]
    accepted = [intervals.get(f"tar_at_far_{one['far']:g}") for one in report["tar_at_far"]]
    return {
        **tasks[spec.IDENTITY],
        "report": report,
        "tar_intervals": [figure.interval if figure else "" for figure in accepted],
        "threshold": threshold,
        "roc": charts.roc(report),
        "similarities": charts.similarity_histogram(report, threshold and threshold["threshold"]),
    }


def _examples(
    outputs: Outputs, evaluation: Mapping[str, Any] | None, splits: Mapping[str, Split]
) -> dict[str, Any] | None:
    """Faces of the test split that were told right and wrong, with what the network said."""
    if not evaluation or not evaluation["expression"] or "test" not in splits:
        return None
    split = splits["test"]
    faces: dict[str, list[Face]] = {}
    with np.load(outputs["Evaluator"]["evaluation"].path / "predictions.npz") as predictions:
        probabilities = predictions["probabilities"]
    for kind, indices in evaluation["examples"].items():
        faces[kind] = []
        for index in indices[:_SHOWN]:
            said, label = int(probabilities[index].argmax()), int(split.expression[index])
            confidence = f"{probabilities[index, said]:.0%}"
            answer = (
                f"{confidence} sure" if said == label else f"said {split.expressions[said]}, {confidence}"
            )
            faces[kind].append(split.face(index, split.expressions[label], answer))
    return faces


def _exports(outputs: Outputs) -> dict[str, Any] | None:
    record = _read(outputs, "InfraValidator", "infra_blessing", "parity.json")
    model = outputs.get("InfraValidator", {}).get("serving_model")
    if record is None or model is None:
        return None
    beside = {file.stem: file.stat().st_size for file in model.path.glob("*.tflite")}
    sizes = {"saved_model": saved_model_bytes(model.path), **beside}
    return {
        "rows": [(name, sizes.get(name), report) for name, report in record["parity"].items()],
        "further": [
            (templates.heading(task), name, compared)
            for name, report in record["parity"].items()
            for task, compared in report["tasks"].items()
        ],
        "largest": max(sizes.values(), default=0),
        "int8_size": sizes.get("int8"),
        "int8": record["parity"].get("int8"),
        "reasons": record["reasons"],
    }


def _lineage(root: Path, nodes: Sequence[Node], outputs: Outputs) -> dict[str, Any]:
    """When and by which run each component's artifacts were made."""
    made = _executions(root)
    rows = []
    for node in nodes:
        if node.name in outputs:
            artifacts = outputs[node.name]
            places = [str(_inside(artifact.path, root)) for artifact in artifacts.values()]
            execution = next((made[place] for place in places if place in made), {})
            kinds = [(name, type(artifact).__name__) for name, artifact in artifacts.items()]
            rows.append(
                {"component": node.name, **execution, "artifacts": list(zip(kinds, places, strict=True))}
            )
    return {"chart": charts.lineage(nodes, list(outputs)), "rows": rows}


def _executions(root: Path) -> dict[str, dict[str, Any]]:
    """For each artifact's folder in the root, what its execution took and said."""
    if not (root / "metadata.sqlite").is_file():
        return {}
    store = MetadataStore(root)
    try:
        return {
            str(_inside(stored.artifact.path, root)): {
                "run": run.id,
                "seconds": execution.seconds,
                "said": execution.message,
            }
            for run in store.runs()
            for execution in store.executions(run.id)
            if execution.state == COMPLETE
            for stored in execution.outputs.values()
        }
    finally:
        store.close()


def _inside(path: Path, root: Path) -> Path:
    return path.relative_to(root) if path.is_relative_to(root) else path

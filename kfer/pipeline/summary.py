"""The short table at the end of a run."""

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kfer import knowledge, spec
from kfer.pipeline.artifacts import PushedModel
from kfer.pipeline.runner import RunResult
from kfer.settings import PipelineSettings

if TYPE_CHECKING:
    from kfer.documents.artifacts import Pushed


def peak_memory_gb() -> float:
    """The most memory that this process has held, in GB; nan where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows has none.
        return math.nan
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e9 if sys.platform == "darwin" else 1e6)


def read(result: RunResult, component: str, output: str, file: str) -> Any:
    """The JSON that an artifact of a run holds; None where the run has no such artifact."""
    artifact = result.outputs.get(component, {}).get(output)
    return None if artifact is None else artifact.read(file)


def pushed_of(result: RunResult) -> "Pushed | None":
    """Where a run's model went; None where the Pusher did not run."""
    artifact = result.outputs.get("Pusher", {}).get("pushed_model")
    return artifact.record() if isinstance(artifact, PushedModel) else None


def summary_rows(settings: PipelineSettings, result: RunResult) -> list[tuple[str, str]]:
    """What was trained, how good it is, and where it went, as titles and texts."""
    rows = []
    training = read(result, "Trainer", "model_run", "training.json")
    if training:
        rows.append(
            (
                "Trained",
                f"{training['backbone']}, {training['num_parameters']:,} parameters, "
                f"{training['epochs']} epochs of {training['num_examples']:,} images, "
                f"{training['num_identities']:,} people",
            )
        )
    described = read(result, "InfraValidator", "serving_model", "model.json")
    limits = described and knowledge.warning("It", described.get("trained_on", {}))
    if limits:
        rows.append(("Beware", limits))
    evaluation = read(result, "Evaluator", "evaluation", "evaluation.json")
    if evaluation:
        rows.extend(_figures(evaluation))
    pushed = pushed_of(result)
    if pushed and pushed.path:
        rows.append(("Model", _short(pushed.path)))
        parity = read(result, "InfraValidator", "infra_blessing", "parity.json")["parity"]
        rows.extend(_files(Path(pushed.path), parity))
    elif pushed:
        rows.append(("Not pushed", "; ".join(pushed.reasons)))
    return rows


def _figures(evaluation: dict[str, Any]) -> list[tuple[str, str]]:
    rows = []
    expression, verification = evaluation["expression"], evaluation["verification"]
    if expression:
        rows.append(
            (
                "Expression",
                f"accuracy {expression['accuracy']:.3f}, macro F1 {expression['macro_f1']:.3f} "
                f"on {expression['num_examples']:,} test images",
            )
        )
    if verification:
        rows.append(
            (
                "Identity",
                f"verification accuracy {verification['accuracy']:.3f}, "
                f"AUC {verification['auc']:.3f} on {verification['num_pairs']:,} pairs "
                "of people not trained on",
            )
        )
    own = {spec.IDENTITY, *([spec.EXPRESSION] if expression else [])}
    further = {name: report for name, report in evaluation["tasks"].items() if name not in own}
    rows.extend((_capitalised(name), _further(report)) for name, report in further.items())
    return rows


def _further(report: dict[str, Any] | None) -> str:
    """The figures that a task's kind is judged by; None where no test image has a label for it."""
    if report is None:
        return "no test image has a label for it"
    figures = [
        f"{name.replace('_', ' ').replace('f1', 'F1')} {figure['value']:.3f}"
        for name, figure in report["intervals"].items()
        if figure["value"] is not None
    ]
    return f"{', '.join(figures)} on {report['num_examples']:,} test images"


def _capitalised(name: str) -> str:
    return name[:1].upper() + name[1:].replace("_", " ")


def _files(pushed: Path, parity: dict[str, Any]) -> list[tuple[str, str]]:
    rows = []
    for file in sorted(pushed.glob("*.tflite")):
        change = parity.get(file.stem, {}).get("accuracy_change")
        points = "" if change is None else f", accuracy {100 * change:+.2f} points against Keras"
        rows.append(("TFLite", f"{_short(file)} ({file.stat().st_size / 1e6:.2f} MB{points})"))
    return rows


def _short(path: str | Path) -> str:
    path = Path(path)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)

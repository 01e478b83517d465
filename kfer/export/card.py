"""MODEL_CARD.md: what a model is for, what it was trained on, how good it is and where it is not.

The sections are those of Mitchell et al. 2019, "Model Cards for Model Reporting".
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import kfer
from kfer import knowledge
from kfer.export.markdown import code, escaped, table, write_sections
from kfer.export.network import output_of
from kfer.machine import commit
from kfer.settings import ExportSettings, TaskSettings
from kfer.settings.tasks import CLASSES, EMBEDDING, MULTI_LABEL, REGRESSION, SOFT_CLASSES, Tasks

_MEANINGS = {
    CLASSES: "the probability of each class: {names}",
    SOFT_CLASSES: "the share of each class: {names}",
    MULTI_LABEL: "the probability of each label: {names}",
    REGRESSION: "numbers in the unit of the labels: {names}",
    EMBEDDING: "a vector of length 1; the cosine of two of them says how alike two faces are",
}
_OF_TASKS = ("task", "figure", "value", "95 % interval", "on")
_OF_SLICES = ("task", "by", "slice", "figure", "value", "95 % interval", "images")
_OF_EXPORTS = (
    "export",
    "images",
    "largest difference of a probability",
    "same top class",
    "accuracy, change",
    "macro F1, change",
    "lowest cosine",
    "verification accuracy, change",
)
_LIMITS = """\
- It was judged on the images that are told above. Other cameras, light, ages or crops of the face may
  give other figures: measure on your own images before you rely on it.
- It sees one face, upright, cut out as the training images were. It finds no faces.
- An expression is not a feeling: the labels say how people called a picture, not what somebody felt.
- Slices with few images are marked; nothing can be said of groups that are not listed."""
_CHECKERS = (
    "The programs and drawn faces in golden/ are kfer's, under the Apache License 2.0 (golden/LICENSE)."
)
_INTENDED = """\
Research and products that tell expressions, or whether two pictures show one person, with the consent
of who is seen. Not for decisions about people that nobody checks, nor for identification in public."""


def write_card(
    path: Path,
    name: str,
    tasks: Tasks,
    settings: ExportSettings,
    image_size: int,
    sources: Mapping[str, int],
    datasets: Mapping[str, str],
    evaluation: Mapping[str, Any],
    parity: Mapping[str, Mapping[str, Any]],
) -> None:
    """Writes the card of a model.

    Args:
        path: Where to write.
        name: The model's name.
        tasks: What the exports have an output for, from `exported_tasks`.
        settings: What the card says that no figure can.
        image_size: Height and width of the network's input in pixels.
        sources: Training images by the name of their source.
        datasets: By the same names, the dataset's name and version.
        evaluation: The Evaluator's report.
        parity: The `parity_report` of each export.
    """
    threshold, version = evaluation.get("threshold"), commit()
    outputs = [
        f"- {code(output_of(task, its))}: "
        f"{_MEANINGS[its.kind].format(names=escaped(', '.join(its.names)))}."
        for task, its in tasks.items()
    ]
    if threshold:
        outputs.append(
            f"\nTwo pictures count as one person from a cosine of {threshold['threshold']:.3f}. It was "
            "chosen on held-out people of the validation split for a false accept rate of "
            f"{threshold['false_accept_rate']:g}, where {threshold['true_accept_rate']:.1%} of genuine "
            "pairs were accepted."
        )
    elif any(its.kind == EMBEDDING for its in tasks.values()):
        outputs.append(
            "\nthresholds.json beside this card, where `kfer calibrate` wrote it, says from which cosine "
            "on two pictures count as one person, and on which pairs that was measured."
        )
    parts = {
        f"Model card: {name}": [
            f"A network for faces of {image_size} pixels, trained, judged and exported with kfer "
            f"{kfer.__version__}{f' (commit {version})' if version else ''}.",
        ],
        "Outputs": outputs,
        "Data": [*_data(settings, sources, datasets)],
        "Figures": table(("task", "figure", "value", "95 % interval", "on"), _figures(evaluation, tasks)),
        "Slices": table(
            ("task", "by", "slice", "figure", "value", "95 % interval", "images"), _slices(evaluation)
        ),
        "Exports against the Keras network": [
            *table(_OF_EXPORTS, _exports(parity)),
            "\nChanges are in points; a negative one is a loss.",
        ],
        "Intended use": [escaped(settings.intended_use) if settings.intended_use else _INTENDED],
        "Limits": [_LIMITS, *([f"- {escaped(settings.limits)}"] if settings.limits else [])],
    }
    write_sections(path, parts)


def _data(
    settings: ExportSettings, sources: Mapping[str, int], datasets: Mapping[str, str]
) -> Iterable[str]:
    """What it learned from, and the licences."""
    shares = knowledge.trained_on(sources, datasets)
    limits = knowledge.warning("It", shares)
    limits = f" {escaped(limits)}." if limits else ""
    licence = settings.data_license or "not stated (export.data_license of the pipeline's settings)"
    for source, count in sources.items():
        yield f"- {escaped(f'{source} ({datasets[source]})')}: {count:,} training images."
    yield f"\nThe training images were {knowledge.words(shares) or 'of unknown kinds'}.{limits}"
    if settings.pretrained_on:
        yield f"Training started from {escaped(settings.pretrained_on)}.\n"
    yield f"Licence of the data: {escaped(licence)}."
    if settings.license:
        yield f"Licence of these weights: {escaped(settings.license)}."
    yield _CHECKERS


def figures_of(evaluation: Mapping[str, Any], tasks: Tasks) -> list[dict[str, Any]]:
    """Returns the figures that have an interval: `task`, `figure`, `value`, `low`, `high` and `on`.

    Args:
        evaluation: The Evaluator's report.
        tasks: By name, what the network says of an image.
    """
    return [
        {
            "task": task,
            "figure": figure,
            **{name: interval[name] for name in ("value", "low", "high")},
            "on": _judged_on(found, tasks.get(task)),
        }
        for task, found in evaluation.get("tasks", {}).items()
        if found is not None  # else no test image is labelled for it
        for figure, interval in found.get("intervals", {}).items()
    ]


def _figures(evaluation: Mapping[str, Any], tasks: Tasks) -> Iterable[Sequence[str]]:
    for each in figures_of(evaluation, tasks):
        yield each["task"], _title(each["figure"]), _number(each["value"]), _interval(each), each["on"]


def _judged_on(found: Mapping[str, Any], task: TaskSettings | None) -> str:
    if task is not None and task.kind == EMBEDDING:
        return f"{found['num_pairs']:,} pairs"
    return f"{found['num_examples']:,} images"


def _slices(evaluation: Mapping[str, Any]) -> Iterable[Sequence[str]]:
    for part in evaluation.get("slices", ()):
        few = " (few)" if part["small"] else ""
        for figure, interval in part["figures"].items():
            yield (
                part["task"],
                part["attribute"],
                str(part["slice"]),
                _title(figure),
                _number(interval["value"]),
                _interval(interval),
                f"{part['num_examples']:,}{few}",
            )


def _exports(parity: Mapping[str, Mapping[str, Any]]) -> Iterable[Sequence[str]]:
    for name, report in parity.items():
        yield (
            "SavedModel" if name == "saved_model" else f"{name}.tflite",
            f"{report['num_images']:,}",
            _number(report.get("max_probability_difference"), "{:.2g}"),
            _number(report.get("top_class_agreement")),
            _number(report.get("accuracy_change"), "{:+.2f}", 100),
            _number(report.get("macro_f1_change"), "{:+.2f}", 100),
            _number(report.get("embedding_cosine_min"), "{:.4f}"),
            _number(report.get("verification_accuracy_change"), "{:+.2f}", 100),
        )


def _title(figure: str) -> str:
    words = figure.replace("_", " ").replace("tar at far", "TAR at FAR")
    return words.replace("f1", "F1")


def _number(value: float | None, form: str = "{:.3f}", factor: float = 1) -> str:
    return "" if value is None else form.format(factor * value)


def _interval(interval: Mapping[str, float | None]) -> str:
    if interval["low"] is None or interval["high"] is None:
        return ""
    return f"{interval['low']:.3f} to {interval['high']:.3f}"

"""Says how good a model is: the Evaluator's figures, its exports against the network, its thresholds.

MODEL_CARD.md beside the model has more of it: slices, limits and what the model is for.
"""

import argparse

from kfer import knowledge, spec
from kfer.commands import YES, options, print_json, print_table
from kfer.commands.calibrate import print_thresholds
from kfer.documents.models import Calibration, ModelDescription, Parity
from kfer.inference import pushed, thresholds


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of this command."""
    parser.add_argument(
        "model",
        nargs="?",
        help="a name in saved_models/ or of a model that ships with kfer, or a folder [the model that "
        "answers by default]",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(parsed: argparse.Namespace) -> int:
    """Runs it."""
    model = pushed.find(parsed.model)
    described = pushed.description(model.folder)
    calibrated = thresholds.calibration(model.folder)
    if parsed.json:
        content = described.content() if described else {}
        print_json(
            {
                "path": str(model.folder),
                **content,
                "calibration": calibrated and calibrated.content(),
            }
        )
        return YES
    options.print_model(model)
    print(f"in {model.folder}")
    if described is None:
        print("nothing describes it: it has no model.json")
    else:
        _print_description(described)
    _print_thresholds(model, calibrated)
    return YES


def _print_description(described: ModelDescription) -> None:
    commit = f", commit {described.commit[:7]}" if described.commit else ""
    print(f"{described.image_size or '?'} pixels, kfer {described.kfer_version or ''}{commit}")
    for task, its in described.tasks.items():
        print(f"{task}: {', '.join(its.names) or its.kind}")
    for source, count in described.training_images.items():
        print(f"trained on {count:,} images of {described.datasets.get(source, source)}")
    limits = knowledge.warning("it", described.kinds)
    if limits:
        print(limits)
    if described.figures:
        print("\nfigures on the test split")
        rows = [
            [
                each.task,
                _words(each.figure),
                f"{each.value:.3f}",
                "" if each.low is None or each.high is None else f"{each.low:.3f} to {each.high:.3f}",
                each.on,
            ]
            for each in described.figures
        ]
        print_table(["task", "figure", "value", "95 %", "on"], rows)
    else:
        for figure, value in described.metrics.items():
            if value is not None:
                print(f"{_words(figure)} {value:.3f}")
    if described.parity:
        print("\nexports against the network, on test images; changes in points")
        rows = [_export(name, found, described) for name, found in described.parity.items()]
        print_table(["export", "MB", "same top class", "accuracy", "verification", "lowest cosine"], rows)


def _export(name: str, found: Parity, described: ModelDescription) -> list[str]:
    def number(value: float | None, form: str, factor: float = 1) -> str:
        return "" if value is None else form.format(factor * value)

    sizes = {file: its.bytes for file, its in described.files.items()}
    own = (
        sum(size for file, size in sizes.items() if file.startswith(("saved_model.pb", "variables/")))
        if name == "saved_model"
        else sizes.get(f"{name}.tflite", 0)
    )
    return [
        name,
        f"{own / 1e6:.2f}",
        number(found.top_class_agreement, "{:.3f}"),
        number(found.accuracy_change, "{:+.2f}", 100),
        number(found.verification_accuracy_change, "{:+.2f}", 100),
        number(found.embedding_cosine_min, "{:.4f}"),
    ]


def _print_thresholds(model: pushed.Model, calibrated: Calibration | None) -> None:
    if calibrated is not None:
        print(
            f"\nthresholds by `kfer calibrate` on {_number(calibrated.num_genuine)} pairs of one person "
            f"and {_number(calibrated.num_impostor)} of two, {calibrated.pairs or 'of unknown origin'}"
        )
        print_thresholds(calibrated.thresholds)
    elif model.threshold is not None:
        print(f"\nthreshold by the Evaluator: {options.threshold_words(model.threshold)}")
    elif spec.IDENTITY in model.tasks:
        print("\nno threshold: `kfer calibrate` finds one on pairs of pictures")


def _number(count: int | None) -> str:
    return "?" if count is None else f"{count:,}"


def _words(figure: str) -> str:
    return figure.replace("_", " ").replace("tar at far", "TAR at FAR").replace("f1", "F1")

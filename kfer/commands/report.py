"""Says how good a model is: the Evaluator's figures, its exports against the network, its thresholds.

MODEL_CARD.md beside the model has more of it: slices, limits and what the model is for.
"""

import argparse
from collections.abc import Mapping
from typing import Any

from kfer import files, spec
from kfer.commands import YES, options, print_json, print_table
from kfer.commands.calibrate import print_thresholds
from kfer.inference import pushed, thresholds


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of this command."""
    parser.add_argument(
        "model", nargs="?", help="a name in saved_models/, or a folder [the model that was pushed last]"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(parsed: argparse.Namespace) -> int:
    """Runs it."""
    model = pushed.find(parsed.model)
    described = pushed.description(model.folder)
    path = model.folder / thresholds.FILE
    calibrated = files.read_json(path) if path.exists() else None
    if parsed.json:
        print_json({"path": str(model.folder), **described, "calibration": calibrated})
        return YES
    _print_heading(model, described)
    if described.get("figures"):
        print("\nfigures on the test split")
        rows = [
            [
                each["task"],
                _words(each["figure"]),
                f"{each['value']:.3f}",
                "" if each["low"] is None else f"{each['low']:.3f} to {each['high']:.3f}",
                each["on"],
            ]
            for each in described["figures"]
        ]
        print_table(["task", "figure", "value", "95 %", "on"], rows)
    else:
        for figure, value in described.get("metrics", {}).items():
            print(f"{_words(figure)} {value:.3f}")
    if described.get("parity"):
        print("\nexports against the network, on test images; changes in points")
        rows = [_export(name, found, described) for name, found in described["parity"].items()]
        print_table(["export", "MB", "same top class", "accuracy", "verification", "lowest cosine"], rows)
    _print_thresholds(model, calibrated)
    return YES


def _print_heading(model: pushed.Model, described: Mapping[str, Any]) -> None:
    print(f"{model.name}, in {model.folder}")
    if not described:
        print("nothing describes it: it has no model.json")
        return
    commit = described.get("commit") or ""
    code = f"kfer {described.get('kfer_version', '')}" + (f", commit {commit[:7]}" if commit else "")
    print(f"{described.get('image_size', '?')} pixels, {code}")
    for task, its in described.get("tasks", {}).items():
        print(f"{task}: {', '.join(its['names']) or its['kind']}")
    for source, count in described.get("training_images", {}).items():
        print(f"trained on {count:,} images of {described.get('datasets', {}).get(source, source)}")


def _export(name: str, found: Mapping[str, Any], described: Mapping[str, Any]) -> list[str]:
    def number(key: str, form: str, factor: float = 1) -> str:
        return "" if found.get(key) is None else form.format(factor * found[key])

    sizes = {file: its["bytes"] for file, its in described.get("files", {}).items()}
    own = (
        sum(size for file, size in sizes.items() if file.startswith(("saved_model.pb", "variables/")))
        if name == "saved_model"
        else sizes.get(f"{name}.tflite", 0)
    )
    return [
        name,
        f"{own / 1e6:.2f}",
        number("top_class_agreement", "{:.3f}"),
        number("accuracy_change", "{:+.2f}", 100),
        number("verification_accuracy_change", "{:+.2f}", 100),
        number("embedding_cosine_min", "{:.4f}"),
    ]


def _print_thresholds(model: pushed.Model, calibrated: Mapping[str, Any] | None) -> None:
    if calibrated is not None:
        print(
            f"\nthresholds by `kfer calibrate` on {calibrated['num_genuine']:,} pairs of one person and "
            f"{calibrated['num_impostor']:,} of two, {calibrated['pairs']}"
        )
        print_thresholds(calibrated["thresholds"])
    elif model.threshold is not None:
        print(f"\nthreshold by the Evaluator: {options.threshold_words(model.threshold)}")
    elif spec.IDENTITY in model.tasks:
        print("\nno threshold: `kfer calibrate` finds one on pairs of pictures")


def _words(figure: str) -> str:
    return figure.replace("_", " ").replace("tar at far", "TAR at FAR").replace("f1", "F1")

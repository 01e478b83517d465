"""Lists the models that were pushed, the newest first, and those that ship with kfer.

The model that answers by default is marked."""

import argparse
import sys
from pathlib import Path
from typing import Any

from kfer.commands import ERROR, NO, YES, print_json, print_table
from kfer.documents.models import ModelDescription
from kfer.inference import pushed, shipped


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of this command."""
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        help=f"list the models that were pushed there alone [{pushed.FOLDER}, and those of kfer]",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(parsed: argparse.Namespace) -> int:
    """Runs it."""
    default = _default()
    found, damaged = pushed.all_models(parsed.folder)
    for reason in damaged.values():
        print(f"kfer models: {reason}", file=sys.stderr)
    answer = ERROR if damaged else YES
    if parsed.json:
        # A damaged one has the reason alone.
        print_json(
            [
                _content(version, described) | {"default": version.resolve() == default}
                for version, described in found
            ]
            + [{"path": str(version), "error": reason} for version, reason in damaged.items()]
        )
        return answer
    if not found and not damaged:
        print(f"no model in {parsed.folder or pushed.FOLDER}: {pushed.NO_MODEL}")
        return NO
    rows = []
    for version, described in found:
        metrics = described.metrics if described else {}
        figures = (metrics.get("expression_accuracy"), metrics.get("verification_accuracy"))
        rows.append(
            [
                f"{version.parent.name}/{version.name}",
                f"{described.image_size or ''}" if described else "",
                *("" if figure is None else f"{figure:.3f}" for figure in figures),
                ", ".join(_exports(version)),
                "; ".join(_notes(version, default)),
            ]
        )
    print_table(["model", "pixels", "expression", "verification", "exports", "notes"], rows)
    return answer


def _default() -> Path | None:
    """The version that answers where nobody names a model; None where there is none."""
    try:
        return pushed.find().folder.resolve()
    except (OSError, ValueError):
        return None


def _notes(version: Path, default: Path | None) -> list[str]:
    notes = [shipped.ORIGIN] if shipped.is_shipped(version) else []
    return [*notes, "the default"] if version.resolve() == default else notes


def _content(version: Path, described: ModelDescription | None) -> dict[str, Any]:
    content = described.content() if described else {}
    keys = ("image_size", "expressions", "embedding_size", "verification", "metrics", "trained_on")
    return {
        "model": f"{version.parent.name}/{version.name}",
        "path": str(version),
        "shipped": shipped.is_shipped(version),
        **{key: content.get(key) for key in keys},
        "exports": _exports(version),
    }


def _exports(version: Path) -> list[str]:
    saved_model = ["saved_model"] if (version / "saved_model.pb").is_file() else []
    return [*saved_model, *sorted(file.stem for file in version.glob("*.tflite"))]

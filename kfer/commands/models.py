"""Lists the models that were pushed, the newest first: the first one is what commands take by default."""

import argparse
from pathlib import Path

from kfer.commands import NO, YES, print_json, print_table
from kfer.inference import pushed


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of this command."""
    parser.add_argument(
        "folder", nargs="?", type=Path, default=pushed.FOLDER, help=f"where they are [{pushed.FOLDER}]"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(parsed: argparse.Namespace) -> int:
    """Runs it."""
    found = pushed.all_models(parsed.folder)
    if parsed.json:
        print_json(
            [
                {
                    "model": f"{version.parent.name}/{version.name}",
                    "path": str(version),
                    **{
                        key: described.get(key)
                        for key in (
                            "image_size",
                            "expressions",
                            "embedding_size",
                            "verification",
                            "metrics",
                        )
                    },
                    "exports": _exports(version),
                }
                for version, described in found
            ]
        )
        return YES
    if not found:
        print(f"no model in {parsed.folder}: {pushed.NO_MODEL}")
        return NO
    rows = []
    for version, described in found:
        metrics = described.get("metrics", {})
        figures = (metrics.get("expression_accuracy"), metrics.get("verification_accuracy"))
        rows.append(
            [
                f"{version.parent.name}/{version.name}",
                f"{described.get('image_size', '')}",
                *("" if figure is None else f"{figure:.3f}" for figure in figures),
                ", ".join(_exports(version)),
            ]
        )
    print_table(["model", "pixels", "expression", "verification", "exports"], rows)
    return YES


def _exports(version: Path) -> list[str]:
    saved_model = ["saved_model"] if (version / "saved_model.pb").is_file() else []
    return [*saved_model, *sorted(file.stem for file in version.glob("*.tflite"))]

"""A study's answer as a file to commit: what was searched, with which data and code, and what won."""

from pathlib import Path
from typing import Any

from kfer import files
from kfer.comparison import provenance
from kfer.search import Outcome
from kfer.tuning import study
from kfer.tuning.columns import first, has_defaults
from kfer.tuning.results import Results

_PACKAGES = ("tensorflow", "keras", "keras-tuner", "tensorflow-datasets")


def place(output_dir: Path) -> Path:
    """Returns the file's place, beside the folder of a study.

    Args:
        output_dir: The study's folder.
    """
    return output_dir.with_name(f"{output_dir.name}.json")


def write(results: Results, output_dir: Path, command: str) -> None:
    """Writes the file that `tuning.study` of a pipeline takes, where a trial has a score.

    Args:
        results: Of the study.
        output_dir: Its folder.
        command: What the user typed.
    """
    if results.best is None:
        return
    tuning, start = results.settings.base.tuning, first(results)
    files.write_json(
        place(output_dir),
        {
            "name": results.settings.name,
            "made": dict(provenance.made(command, _PACKAGES)),
            "data": study.versions(output_dir),
            "tuner": tuning.tuner,
            "objective": results.rule,
            "space": files.plain(results.space),
            "epochs": tuning.epochs,
            "example_share": tuning.example_share,
            "seeds": {
                "search": tuning.seed,
                "trials": results.settings.base.training.seed,
                "retrained": list(results.settings.seeds) if results.retrained else [],
            },
            "trials": {"asked_for": tuning.trials, "ended": len(results.trials)}
            | {"failed": len(results.failed)},
            "best": _trial(results, results.best),
            "as_set": _trial(results, start) if start and has_defaults(results, start) else None,
            "retrained": _retrained(results),
        },
    )


def _trial(results: Results, trial: Outcome) -> dict[str, Any]:
    figures = {name: value for name, value in trial.figures.items() if name.startswith("val_")}
    values = trial.judged_values(results.settings.base)
    return {"trial": trial.trial, "values": values, "score": trial.score, "figures": figures}


def _retrained(results: Results) -> dict[str, Any] | None:
    """Of each variant its figures on the test split, "value", "low" and "high"."""
    if results.retrained is None:
        return None
    return {
        row.variant: {"seeds": [run.seed for run in row.runs]}
        | {name: files.plain(interval) for name, interval in row.figures.items()}
        for row in results.retrained.rows
    }

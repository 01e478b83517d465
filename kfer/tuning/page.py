"""The search as one self-contained HTML file."""

from pathlib import Path
from typing import Any

from kfer.comparison import provenance
from kfer.comparison.drawing import on_page
from kfer.pipeline.report import templates
from kfer.search import Outcome
from kfer.settings import dotted
from kfer.tuning import plots, retrained, words
from kfer.tuning.columns import Column, columns, short, text
from kfer.tuning.coordinates import coordinates, mark
from kfer.tuning.importance import importance
from kfer.tuning.results import Results
from kfer.tuning.tables import ranked

_PACKAGES = ("tensorflow", "keras", "keras-tuner", "scikit-learn", "numpy", "scipy", "matplotlib")


def render(results: Results, command: str) -> str:
    """Returns the page.

    Args:
        results: What it shows.
        command: What the user typed, for readers who want to do the same.
    """
    settings, found = results.settings, importance(results)
    template = templates.environment(Path(__file__).parent).get_template("tuning.html")
    return template.render(
        **provenance.facts(settings.name, command, _PACKAGES),
        words={
            "searched": words.searched(results),
            "outcome": words.outcome(results),
            "retrained": words.whole_trainings(results),
            "caveats": words.caveats(results, found),
        },
        columns=[column.name for column in columns(results)],
        metrics=results.metrics,
        rows=[_row(results, trial, rank) for rank, trial in enumerate(ranked(results), 1)],
        charts=[
            *on_page("values", coordinates(results)),
            *on_page("importance", plots.importances(found)),
            *on_page("time", plots.over_time(results)),
            *on_page("front", plots.fronts(results)),
        ],
        unknown=found.reason,
        learning=on_page("learning", plots.learning(results)),
        changes=retrained.changes(results.retrained) if results.retrained else [],
        space=[_parameter(results, column) for column in columns(results)],
        has_simplex=bool(results.space.simplex),
        settings=[(name, dotted.as_text(value), text) for name, value, text in dotted.describe(settings)],
    )


def _row(results: Results, trial: Outcome, rank: int) -> dict[str, Any]:
    """A trial's cells."""
    failed = trial.score is None
    special = mark(results, trial)
    return {
        "rank": None if failed else rank,
        "trial": trial.trial,
        "mark": special.label if special else "",
        "is_best": trial == results.best,
        "tried": [short(trial.values[column.name]) for column in columns(results)],
        "score": trial.score,
        "figures": [trial.figures.get(name) for name in results.metrics],
        "reason": words.reason(trial),
        "epochs": trial.epochs,
        "seconds": trial.seconds,
    }


def _parameter(results: Results, column: Column) -> dict[str, str]:
    """A row of the space: what is tried, what is set and what is best."""
    if column.of_simplex:
        tried = "0 to 1"
    elif column.choices:
        tried = ", ".join(text(choice) for choice in column.choices)
    else:
        tried = f"{short(column.low)} to {short(column.high)}"
    best = results.best
    return {
        "name": column.name,
        "tried": tried,
        "scale": {"simplex": "sum to one", "choices": "choices"}.get(column.scale, column.scale),
        "default": short(column.default),
        "best": short(best.values[column.name]) if best else "",
    }

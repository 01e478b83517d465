"""The study as one self-contained HTML file."""

from pathlib import Path
from typing import Any

from kfer import spec
from kfer.comparison import provenance
from kfer.comparison.drawing import on_page
from kfer.pipeline.report import templates
from kfer.settings import dotted
from kfer.study import plots, recalls, tables, words
from kfer.study.figures import Figure
from kfer.study.results import FinishedRun, Results, Row

_PACKAGES = ("tensorflow", "keras", "numpy", "scipy", "matplotlib")


def render(results: Results, command: str) -> str:
    """Returns the page.

    Args:
        results: What it shows.
        command: What the user typed, for readers who want to do the same.
    """
    settings = results.settings
    template = templates.environment(Path(__file__).parent).get_template("study.html")
    return template.render(
        **provenance.facts(settings.name, command, _PACKAGES),
        words={
            "compared": words.compared(results),
            "outcome": words.outcome(results),
            "caveats": words.caveats(results),
            "reference": words.reference(settings),
            "drawn": words.drawn(settings),
        },
        missing=[run for run in results.runs if not isinstance(run, FinishedRun)],
        titles=[figure.title for figure in results.figures],
        rows=_rows(results),
        recalls=_recalls(results),
        many_seeds=len(settings.seeds) > 1,
        compared=any(settings.reference(figure.task) for figure in results.figures),
        baseline=settings.baseline,
        resamples=settings.resamples,
        figures=on_page("figure", plots.figures(results)),
        weights=on_page("weight", plots.weights(results)),
        variants={name: tables.changes(changes) for name, changes in settings.variants.items()},
        settings=[
            (name, dotted.as_text(value), text)
            for name, value, text in dotted.describe(settings)
            if name != "variants"
        ],
    )


def _rows(results: Results) -> list[dict[str, Any]]:
    """Each variant's cells: of every figure its interval and difference, where it has them."""
    return [
        {
            "variant": row.variant,
            "seeds": len(row.runs),
            "cells": [_cell(results, row, figure) for figure in results.figures],
            "minutes": row.minutes,
            "step_ms": row.step_ms,
            "memory_gb": row.memory_gb,
        }
        for row in results.rows
    ]


def _recalls(results: Results) -> dict[str, Any]:
    """Of the variants that learn expressions, each expression's cells, where the test split has it."""
    rows = [row for row in results.rows if any(one.name in row.figures for one in results.recalls)]
    said = next((run.expressions for row in rows for run in row.runs if run.expressions), None)
    if said is None:
        return {}
    names = results.settings.base.tasks[spec.EXPRESSION].names
    figures = enumerate(zip(names, recalls.figures(results.settings), strict=True))
    return {
        "variants": [row.variant for row in rows],
        "exact": any(len(row.runs) == 1 for row in rows),
        "expressions": [
            {
                "name": name,
                "images": int((said.labels == index).sum()),
                "cells": [_cell(results, row, figure) for row in rows],
            }
            for index, (name, figure) in figures
            if figure in results.recalls
        ],
    }


def _cell(results: Results, row: Row, figure: Figure) -> dict[str, Any]:
    return {
        "interval": row.figures.get(figure.name),
        "difference": row.differences.get(figure.name),
        "drawn": figure.drawn,
        "reference": results.settings.reference(figure.task) == row.variant,
    }

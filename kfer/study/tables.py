"""The figures as CSV files and as text for the console."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kfer.files import write_csv
from kfer.metrics import Interval
from kfer.study import recalls
from kfer.study.figures import FIGURES, Figure
from kfer.study.results import FinishedRun, Results, Row, Run


def write(results: Results, output_dir: Path) -> list[Path]:
    """Writes the CSV files and returns their paths.

    "runs.csv" has a row a variant and seed: shares lie in [0, 1], `_low` and `_high` are the ends of
    95 % intervals over test images or pairs. "summary.csv" has a row a variant: the mean of its seeds
    with Student's t interval (of one seed, as in "runs.csv"), and `_difference` to the variant that
    learns the task alone or is the baseline, with paired intervals over test images or pairs and, of
    several seeds, `_over_seeds`. "epochs.csv" has a row an epoch, with the columns of the pipeline's
    "history.csv".

    Args:
        results: What to write.
        output_dir: Where to.
    """
    tables = {
        "runs": [run_row(results, run) for run in results.runs],
        "summary": [summary_row(results, row) for row in results.rows],
        "epochs": [
            {"variant": run.variant, "seed": run.seed, **figures, "epoch": int(figures["epoch"])}
            for run in results.runs
            if isinstance(run, FinishedRun)
            for figures in run.history
        ],
    }
    written = []
    for name, rows in tables.items():
        written.append(output_dir / f"{name}.csv")
        write_csv(written[-1], rows)
    return written


def run_row(results: Results, run: Run) -> dict[str, Any]:
    """A run's row of "runs.csv"; an empty text where there is no figure."""
    row: dict[str, Any] = {
        "variant": run.variant,
        "seed": run.seed,
        "state": run.state,
        "reason": run.reason,
        "settings": changes(results.settings.variants[run.variant]),
    }
    figures = run.figures if isinstance(run, FinishedRun) else {}
    for figure in _every(results):
        row |= _columns(figure.name, figures.get(figure.name))
    if isinstance(run, FinishedRun):
        row |= {
            "epochs": len(run.history),
            "parameters": run.num_parameters,
            "minutes": round(run.minutes, 2),
            "step_ms": round(run.step_ms, 2),
            "memory_gb": "" if run.memory_gb is None else round(run.memory_gb, 3),
        }
    return row


def summary_row(results: Results, row: Row) -> dict[str, Any]:
    """A variant's row of "summary.csv"; an empty text where there is no figure."""
    cells: dict[str, Any] = {
        "variant": row.variant,
        "settings": changes(results.settings.variants[row.variant]),
        "seeds": len(row.runs),
        "intervals": "over seeds" if len(row.runs) > 1 else "over test images or pairs",
    }
    for figure in _every(results):
        cells |= _columns(figure.name, row.figures.get(figure.name))
        name, told = f"{figure.name}_difference", row.differences.get(figure.name)
        cells |= _columns(name, told.over_examples if told else None)
        by_seed = _columns(f"{name}_over_seeds", told.over_seeds if told else None)
        # The mean itself is the same.
        cells |= {column: end for column, end in by_seed.items() if column != f"{name}_over_seeds"}
    return cells | {
        "minutes": round(row.minutes, 2),
        "step_ms": round(row.step_ms, 2),
        "memory_gb": "" if row.memory_gb is None else round(row.memory_gb, 3),
    }


def console(results: Results) -> list[Sequence[str]]:
    """The table that ends a study, its titles first: a row a variant."""
    titles = [title for figure in results.figures for title in (figure.title, "points")]
    rows: list[Sequence[str]] = [("variant", "seeds", *titles, "minutes", "ms a step", "GB")]
    finished = {row.variant: row for row in results.rows}
    for name in results.settings.variants:
        if name not in finished:
            state = next(run.state for run in results.runs if run.variant == name)
            rows.append((name, "0", state, *[""] * (len(rows[0]) - 3)))
            continue
        row = finished[name]
        cells = [cell for figure in results.figures for cell in _console_cells(row, figure)]
        memory = "" if row.memory_gb is None else f"{row.memory_gb:.2f}"
        rows.append(
            (name, str(len(row.runs)), *cells, f"{row.minutes:.1f}", f"{row.step_ms:.0f}", memory)
        )
    return rows


def changes(variant: Mapping[str, str]) -> str:
    """A variant's settings as options of the pipeline's command line."""
    return " ".join(f"--{name} {value}" for name, value in variant.items())


def _every(results: Results) -> tuple[Figure, ...]:
    return (*FIGURES, *recalls.figures(results.settings))


def _console_cells(row: Row, figure: Figure) -> tuple[str, str]:
    interval, difference = row.figures.get(figure.name), row.differences.get(figure.name)
    return (
        f"{interval.value:.1%} ({interval.low:.1%} to {interval.high:.1%})" if interval else "",
        f"{100 * difference.over_examples.value:+.2f}" if difference else "",
    )


def _columns(name: str, interval: Interval | None) -> dict[str, float | str]:
    return {
        name: interval.value if interval else "",
        f"{name}_low": interval.low if interval else "",
        f"{name}_high": interval.high if interval else "",
    }

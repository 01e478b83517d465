"""The trials as CSV files and as text for the console."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kfer.files import write_csv
from kfer.search import Outcome
from kfer.tuning.columns import columns, short, text
from kfer.tuning.results import Results

#: Trials that the console shows.
_SHOWN = 10


def ranked(results: Results) -> list[Outcome]:
    """Returns the trials, the best first and the failed ones last, each in the order of their numbers."""
    return [*sorted(results.scored, key=lambda trial: -(trial.score or 0.0)), *results.failed]


def console(results: Results) -> list[Sequence[str]]:
    """The table that ends a study, its titles first: a row a trial, the ten best ones at most."""
    names = [column.name for column in columns(results)]
    metrics = results.metrics
    rows: list[Sequence[str]] = [
        ("rank", "trial", *names, "score", *metrics, "epochs", "seconds"),
    ]
    for rank, trial in enumerate(ranked(results)[:_SHOWN], 1):
        failed = trial.score is None
        rows.append(
            (
                "" if failed else str(rank),
                trial.trial,
                *(short(trial.values[name]) for name in names),
                "failed" if failed else f"{trial.score:.4f}",
                *(short(trial.figures.get(name, "")) if not failed else "" for name in metrics),
                str(trial.epochs),
                f"{trial.seconds:.0f}",
            )
        )
    return rows


def write(results: Results, output_dir: Path) -> list[Path]:
    """Writes the CSV files and returns their paths.

    "trials.csv" has a row a trial, the best first and failed ones last: "rank", "state" ("scored" or
    "failed") and the "reason", a column a setting, the "score", and the validation's figures of the epoch
    that was judged; "seconds" are those that it took, "ended" is in seconds since 1970. "epochs.csv" has
    a row an epoch of each trial that has a score, with the columns of the pipeline's "history.csv".

    Args:
        results: What to write.
        output_dir: Where to.
    """
    tables = {
        "trials": [_row(results, trial, rank) for rank, trial in enumerate(ranked(results), 1)],
        "epochs": [
            {"trial": trial, **figures, "epoch": int(figures["epoch"])}
            for trial, history in sorted(results.histories.items(), key=lambda item: int(item[0]))
            for figures in history
        ],
    }
    written = []
    for name, rows in tables.items():
        written.append(output_dir / f"{name}.csv")
        write_csv(written[-1], rows)
    return written


def _row(results: Results, trial: Outcome, rank: int) -> dict[str, Any]:
    failed = trial.score is None
    figures = {
        name: value
        for name, value in trial.figures.items()
        if name.startswith("val_") and name != "val_score"
    }
    return {
        "rank": "" if failed else rank,
        "trial": trial.trial,
        "state": "failed" if failed else "scored",
        "reason": trial.failure,
        **{column.name: text(trial.values[column.name]) for column in columns(results)},
        "score": "" if failed else trial.score,
        **{name: figures.get(name, "") for name in results.metrics},
        **figures,
        "epochs": trial.epochs,
        "seconds": round(trial.seconds, 2),
        "batch_size": trial.batch_size,
        "ended": round(trial.ended, 2),
        "worker": trial.worker,
    }

"""The figures of tasks and of slices, with their intervals, as the page shows them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kfer import spec
from kfer.pipeline.report import charts
from kfer.pipeline.report.templates import heading, number, percent, words
from kfer.settings.tasks import CLASSES, EMBEDDING, MULTI_LABEL, REGRESSION, SOFT_CLASSES

#: Figures that are shares, as their names begin.
_SHARES = (
    "accuracy",
    "macro_f1",
    "true_accept_rate",
    "false_accept_rate",
    "tar_at_far",
    "agreement",
    "highest_agreement",
)
_KINDS = {
    CLASSES: "one of several classes",
    SOFT_CLASSES: "classes that several people voted on",
    MULTI_LABEL: "several labels, each there or not",
    REGRESSION: "numbers",
}
#: Figures without intervals, and what they are called.
_MEANS = {
    "mean_auc": "mean AUC",
    "mean_average_precision": "mean average precision",
    "root_mean_squared_error": "root mean squared error",
    "pearson": "Pearson's correlation",
}
_OF_VOTES = {
    "agreement": "votes that agree",
    "highest_agreement": "votes that could agree",
    "divergence": "divergence from the votes, nats",
}
_Interval = Mapping[str, float | None]


@dataclass(frozen=True)
class Figure:
    """A figure with its interval, in words.

    Attributes:
        name: What it is.
        value: The figure.
        interval: "88.0% to 94.1%"; empty where there is none.
    """

    name: str
    value: str
    interval: str = ""


@dataclass(frozen=True)
class Cell:
    """A figure of a slice, and where it lies between the ends of its column.

    Attributes:
        figure: In words.
        at: Place of the value in percent; None where there is none.
        low: Place of the interval's lower end; None without an interval.
        high: Place of its upper end.
        is_worst: Whether no slice of this column that is large enough is worse.
    """

    figure: Figure
    at: float | None
    low: float | None
    high: float | None
    is_worst: bool = False


@dataclass(frozen=True)
class Row:
    """A slice.

    Attributes:
        name: The attribute's value.
        sizes: Its examples and, for identity, its pairs.
        is_small: Whether these are too few.
        cells: Its figures, in the order of the columns; None where it lacks one.
    """

    name: str
    sizes: Sequence[int]
    is_small: bool
    cells: Sequence[Cell | None]


@dataclass(frozen=True)
class Table:
    """The slices by one attribute, for one task.

    Attributes:
        task: In words.
        columns: The figures, in words.
        everything: The row of all examples; None for identity, whose pairs may be other ones then.
        rows: The slices.
    """

    task: str
    columns: Sequence[str]
    everything: Row | None
    rows: Sequence[Row]


def judged_tasks(evaluation: Mapping[str, Any] | None, resamples: int) -> dict[str, dict[str, Any]]:
    """What the page says of every task, by name.

    Returns:
        Dicts of `title` and `kind` in words; `report`, evaluation.json's, None where the task was not
        judged, and then nothing else; `intervals`, figures by name; `means`, the figures without an
        interval; `drawn`, what intervals come from; and `reliability`, a chart, of classes.
    """
    shown: dict[str, dict[str, Any]] = {}
    for name, report in (evaluation["tasks"] if evaluation else {}).items():
        shown[name] = {"title": heading(name), "report": report}
        if report is None:
            continue
        votes = report.get("votes", {})
        means = [
            Figure(text, _writer(key)(found[key]))
            for found, texts in ((report, _MEANS), (votes, _OF_VOTES))
            for key, text in texts.items()
            if key in found
        ]
        shown[name] |= {
            "kind": _KINDS.get(report["kind"], ""),
            "intervals": {key: _figure(key, value) for key, value in report["intervals"].items()},
            "means": means,
            "drawn": f"{report['num_drawn']:,} {report['drawn']} {resamples:,} times",
            "reliability": charts.reliability(report) if "reliability" in report else None,
        }
    return shown


def further_tasks(
    tasks: Mapping[str, dict[str, Any]], evaluation: Mapping[str, Any] | None
) -> list[dict[str, Any]]:
    """Those of `judged_tasks` that have no section of their own, as identity and expressions have."""
    own = {spec.IDENTITY, *([spec.EXPRESSION] if evaluation and evaluation[spec.EXPRESSION] else [])}
    return [task for name, task in tasks.items() if name not in own]


def slice_tables(evaluation: Mapping[str, Any] | None) -> dict[str, list[Table]]:
    """By attribute, in words, a table of its slices for each task."""
    if not evaluation:
        return {}
    grouped: dict[str, dict[str, list[Mapping[str, Any]]]] = {}
    for row in evaluation["slices"]:
        grouped.setdefault(row["attribute"], {}).setdefault(row["task"], []).append(row)
    worst = {
        tuple(one[key] for key in ("attribute", "task", "slice", "figure"))
        for one in evaluation["worst_slices"]
    }
    return {
        words(attribute): [
            _table(task, rows, evaluation["tasks"][task], worst) for task, rows in tasks.items()
        ]
        for attribute, tasks in grouped.items()
    }


def calibrations(evaluation: Mapping[str, Any] | None) -> list[tuple[str, Mapping[str, Any]]]:
    """Of each task that has a confidence, its title, and evaluation.json's report of it."""
    return (
        [(heading(name), found) for name, found in evaluation["calibration"].items()]
        if evaluation
        else []
    )


def _figure(name: str, interval: _Interval) -> Figure:
    write = _writer(name)
    low, high = interval["low"], interval["high"]
    between = "" if low is None or high is None else f"{write(low)} to {write(high)}"
    return Figure(words(name), write(interval["value"]), between)


def _writer(name: str) -> Callable[[float | None], str]:
    return percent if name.startswith(_SHARES) else number


def _table(
    task: str,
    rows: Sequence[Mapping[str, Any]],
    whole: Mapping[str, Any] | None,
    worst: set[tuple[str, ...]],
) -> Table:
    columns = list(dict.fromkeys(column for row in rows for column in row["figures"]))
    of_all = whole["intervals"] if whole and whole["kind"] != EMBEDDING else {}
    every = [of_all, *(row["figures"] for row in rows)]
    ends = {
        column: _ends([figures[column] for figures in every if column in figures]) for column in columns
    }

    def cells(figures: Mapping[str, _Interval], *where: str) -> list[Cell | None]:
        return [
            _cell(column, figures[column], ends[column], (*where, column) in worst)
            if column in figures
            else None
            for column in columns
        ]

    return Table(
        heading(task),
        [words(column) for column in columns],
        Row("all", [whole["num_examples"]], False, cells(of_all)) if whole and of_all else None,
        [
            Row(
                row["slice"],
                [row[size] for size in ("num_examples", "num_pairs") if size in row],
                row["small"],
                cells(row["figures"], row["attribute"], task, row["slice"]),
            )
            for row in rows
        ],
    )


def _ends(intervals: Sequence[_Interval]) -> tuple[float, float]:
    """The lowest and the highest number of a column."""
    values = [value for interval in intervals for value in interval.values() if value is not None]
    return min(values, default=0.0), max(values, default=0.0)


def _cell(name: str, interval: _Interval, ends: tuple[float, float], is_worst: bool) -> Cell:
    low, high = ends
    width = high - low or 1.0

    def place(value: float | None) -> float | None:
        return None if value is None else round(100 * (value - low) / width, 1)

    at, start, end = (place(interval[key]) for key in ("value", "low", "high"))
    return Cell(_figure(name, interval), at, start, end, is_worst)

"""The parallel coordinates of a search: a line a trial through all of its values, from top to bottom."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import Locator, LogLocator, MaxNLocator

from kfer.comparison.drawing import COLOURS, Panel
from kfer.search import Outcome
from kfer.tuning.columns import Column, differing, first, has_defaults, short
from kfer.tuning.results import Results
from kfer.tuning.tables import ranked

#: Letters of choices' names that have room side by side, and names that have.
_ROOM, _MOST_NAMES = 48, 10
_PAPER = {"facecolor": COLOURS["card"], "edgecolor": "none", "pad": 0.8, "alpha": 0.85}


@dataclass(frozen=True)
class Mark:
    """How a trial is drawn that is more than one of many.

    Attributes:
        label: What it is.
        colour: In hexadecimal.
    """

    label: str
    colour: str


def mark(results: Results, trial: Outcome) -> Mark | None:
    """Returns the mark of the best trial and of the first one; None for the others.

    Args:
        results: Of the study.
        trial: One of its trials.
    """
    is_first, is_best = trial == first(results), trial == results.best
    start = "as set" if is_first and has_defaults(results, trial) else "the first"
    if is_best:
        return Mark(f"the best ({start})" if is_first else "the best", COLOURS["orange"])
    return Mark(start, COLOURS["green"]) if is_first else None


def coordinates(results: Results) -> list[Panel]:
    """Returns one panel of all trials; none where no values differ or no trial has a score.

    Args:
        results: Of the study.
    """
    found = differing(results)
    if not found or not results.scored:
        return []
    failed = " Dashed grey lines failed." if results.failed else ""
    return [
        Panel(
            "Values and score of each trial",
            "A line a trial, from top to bottom through each setting that trials differ in. The stronger "
            f"its blue, the better its score.{failed}",
            _draw(results, found),
            5.2,
            0.7 + 0.7 * (len(found) + 1),
        )
    ]


def _draw(results: Results, found: Sequence[Column]) -> Callable[[Axes], None]:
    scores = np.array([trial.score for trial in results.scored], float)
    low, high = float(scores.min()), float(scores.max())

    def draw(axes: Axes) -> None:
        # The better ones lie above the others.
        for trial in reversed(ranked(results)):
            places = [column.place(trial.values[column.name]) for column in found]
            look: dict[str, Any] = {"color": COLOURS["soft"], "linestyle": "--", "linewidth": 0.9}
            look["alpha"] = 0.6
            if trial.score is not None:
                share = (trial.score - low) / (high - low) if high > low else 0.5
                places.append(share)
                look = {"color": COLOURS["blue"], "linewidth": 1.3, "alpha": 0.25 + 0.55 * share**2}
            special = mark(results, trial)
            if special:
                look |= {"color": special.colour, "label": special.label, "alpha": 1.0}
                look |= {"linewidth": 2.6 if trial == results.best else 1.8, "zorder": 3}
            axes.plot(places, range(len(places)), marker="o", markersize=3, **look)
        for row, column in enumerate(found):
            _scale(axes, row, column.name, _ticks(column))
        ends = [(0.0, low), (1.0, high)] if high > low else [(0.5, low)]
        _scale(axes, len(found), "score", [(place, f"{score:.3f}") for place, score in ends])
        axes.set(xlim=(-0.03, 1.03), ylim=(len(found) + 0.4, -0.4))
        axes.set_axis_off()
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=9, ncols=2, loc="upper center", bbox_to_anchor=(0.5, 0))

    return draw


def _scale(axes: Axes, row: int, name: str, ticks: Sequence[tuple[float, str]]) -> None:
    """A scale from left to right, with its name above and its values below."""
    further: dict[str, Any] = {"textcoords": "offset points", "zorder": 5, "bbox": _PAPER}
    axes.plot([0, 1], [row, row], color=COLOURS["soft"], linewidth=1, zorder=2)
    axes.annotate(name, (0, row), (-2, 6), fontsize=9.5, weight="bold", **further)
    for place, label in ticks:
        axes.plot([place], [row], marker="|", markersize=7, color=COLOURS["soft"], zorder=2)
        side = "left" if place < 0.04 else "right" if place > 0.96 else "center"
        offset = {"left": -2, "right": 2, "center": 0}[side]
        axes.annotate(
            *(label, (place, row), (offset, -6)),
            ha=side,
            va="top",
            fontsize=8.5,
            color=COLOURS["soft"],
            **further,
        )


def _ticks(column: Column) -> list[tuple[float, str]]:
    """Places and texts that have room side by side."""
    if column.choices:
        every = -(-len(column.choices) // _MOST_NAMES)
        shown = column.choices[::every]
        room = max(_ROOM // len(shown), 4)
        return [(column.place(choice), _cut(short(choice), room)) for choice in shown]
    low, high = column.low, column.high
    assert low is not None
    assert high is not None
    found: Locator = MaxNLocator(5, integer=isinstance(low, int), steps=[1, 2, 5, 10])
    if column.log:
        ratio = high / low
        found = LogLocator(subs=(1,) if ratio > 99 else (1, 3) if ratio > 9 else (1, 2, 5))
    values = map(float, found.tick_values(low, high))
    near = 1e-6 * (high - low)
    inside = [value for value in values if low - near <= value <= high + near]
    if len(inside) < 2:
        inside = [low, high]
    return [(column.place(value), f"{value:g}") for value in inside]


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else f"{text[: room - 1]}\N{HORIZONTAL ELLIPSIS}"

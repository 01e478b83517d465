"""The study's charts."""

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from kfer.comparison.drawing import COLOURS, Panel, as_rows, look, plot_epochs, write_value
from kfer.study import words
from kfer.study.figures import Figure
from kfer.study.results import Results, Row

#: The variant that others are compared with, and the others.
_REFERENCE, _OTHER = ("orange", "s"), ("blue", "o")


def figures(results: Results) -> list[Panel]:
    """A panel a figure: each variant with its interval."""
    return [
        Panel(
            figure.title[0].upper() + figure.title[1:],
            _reading(results, figure),
            _figure(results, figure),
            5.2,
            1.0 + 0.36 * len(results.rows),
        )
        for figure in results.figures
    ]


def weights(results: Results) -> list[Panel]:
    """A panel a task: its loss's weight in each epoch, a line a variant and seed.

    Variants that learn one task are left out; so is a task whose weights no history has.
    """
    rows = [row for row in results.rows if len(results.settings.learned(row.variant)) > 1]
    names = dict.fromkeys(task for row in rows for task in results.settings.learned(row.variant))
    return [
        Panel(
            f"Weight of the loss of {task}",
            "What the loss was multiplied by, the mean of each epoch, on a logarithmic scale. Variants "
            "have a colour, stroke and marker each; seeds of one look alike.",
            _weights(results, rows, f"{task}_weight"),
            5.2,
            4.2,
        )
        for task in names
        if any(f"{task}_weight" in epoch for row in rows for run in row.runs for epoch in run.history)
    ]


def _reading(results: Results, figure: Figure) -> str:
    several = any(len(row.runs) > 1 for row in results.rows)
    text = (
        "The mean over seeds with its 95% interval (Student's t); small dots are the seeds."
        if several
        else f"A mark and its 95% interval over test {figure.drawn}."
    )
    name, what = results.settings.reference(figure.task), words.reference(results.settings)
    return text + (f" Square and dashed line: {what} ({name})." if name else "")


def _figure(results: Results, figure: Figure) -> Callable[[Axes], None]:
    reference = results.settings.reference(figure.task)

    def draw(axes: Axes) -> None:
        rows = [row for row in results.rows if figure.name in row.figures]
        for index, row in enumerate(rows):
            interval = row.figures[figure.name]
            hue, marker = _REFERENCE if row.variant == reference else _OTHER
            colour = COLOURS[hue]
            if row.variant == reference:
                axes.axvline(interval.value, color=colour, linestyle="--", linewidth=1, zorder=0)
            axes.plot([interval.low, interval.high], [index, index], color=colour, linewidth=2)
            axes.plot([interval.value], [index], marker=marker, markersize=7, color=colour)
            if len(row.runs) > 1:
                seeds = [run.figures[figure.name].value for run in row.runs]
                axes.plot(
                    seeds,
                    np.full(len(seeds), index),
                    linestyle="",
                    marker="o",
                    markersize=4,
                    color=colour,
                    markerfacecolor=COLOURS["card"],
                )
            write_value(axes, interval.value, np.nanmax([interval.value, interval.high]), index)
        as_rows(axes, [row.variant for row in rows])

    return draw


def _weights(results: Results, rows: list[Row], column: str) -> Callable[[Axes], None]:
    order = list(results.settings.variants)

    def draw(axes: Axes) -> None:
        for row in rows:
            own = look(order.index(row.variant))
            for number, run in enumerate(row.runs):
                # The first lie above the others: fixed weights are those of several methods.
                above = 3 - order.index(row.variant) / len(order)
                label = None if number else row.variant
                plot_epochs(axes, run.history, column, own, label, zorder=above)
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.set_ylabel("weight")
        axes.legend(
            fontsize=9, handlelength=3.2, ncols=2, loc="upper center", bbox_to_anchor=(0.45, -0.16)
        )

    return draw

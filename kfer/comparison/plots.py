"""The comparison's charts."""

import textwrap
from collections.abc import Callable, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes

from kfer.comparison.drawing import (
    COLOURS,
    Look,
    Panel,
    as_rows,
    in_percent,
    look,
    plot_epochs,
    write_value,
)
from kfer.comparison.results import FinishedRun, Results

_STRONG = 0.75
_LABEL = 26
_ACCURACIES = ("expression_accuracy", "val_expression_accuracy")


def curves(results: Results) -> list[Panel]:
    """How training went, a line a candidate and seed, in one panel a figure."""
    figures = (
        ("loss", "Loss in training", "Of augmented images, with dropout. Lower is better."),
        (
            "expression_accuracy",
            "Accuracy in training",
            "Of augmented images, with dropout, over the whole epoch: it may lie below validation.",
        ),
        (
            "val_expression_accuracy",
            "Accuracy on validation",
            "The epoch with the highest is judged on the test split.",
        ),
        ("val_expression_macro_f1", "Macro F1 on validation", "Each expression counts alike."),
    )
    return [
        Panel(title, reading, _curve(results, column), 4.6, 3.3)
        for column, title, reading in figures
        if any(column in figures for run in results.runs for figures in run.history)
    ]


def confusions(results: Results) -> list[Panel]:
    """The confusion matrices of the finished runs."""
    expressions = results.settings.expressions
    side = 1.5 + 0.55 * len(expressions)
    several = len(results.settings.seeds) > 1
    return [
        Panel(
            f"{run.candidate}, seed {run.seed}" if several else run.candidate,
            f"{run.score.accuracy.value:.1%} of {run.score.images:,} test images are right.",
            _confusion(run, expressions),
            side,
            side - 0.3,
        )
        for run in results.finished
    ]


def accuracies(results: Results) -> list[Panel]:
    """Test accuracy of each finished run with its interval over images, and published figures."""
    return [
        Panel(
            "Accuracy on the test split",
            "A dot and its 95 % interval over images (bootstrap). It says how far the figure would move "
            "with other test images, not with another seed."
            + (" Dashed lines are published figures." if results.settings.references else ""),
            _accuracy(results),
            5.0,
            0.9 + 0.45 * (len(results.finished) + len(results.settings.references)),
        )
    ]


def _look(results: Results, candidate: str) -> Look:
    return look(list(results.settings.candidates).index(candidate))


def _curve(results: Results, column: str) -> Callable[[Axes], None]:
    def draw(axes: Axes) -> None:
        named = set()
        for run in results.runs:
            if not run.history:
                continue
            label = None if run.candidate in named else run.candidate
            plot_epochs(axes, run.history, column, _look(results, run.candidate), label)
            named.add(run.candidate)
        if column != "loss":
            in_percent(axes.yaxis)
        if column in _ACCURACIES:
            # Training and validation are read against each other.
            axes.set_ylim(_limits(results, _ACCURACIES))
        axes.legend(fontsize=9, handlelength=3.2)

    return draw


def _confusion(run: FinishedRun, expressions: Sequence[str]) -> Callable[[Axes], None]:
    def draw(axes: Axes) -> None:
        size = len(expressions)
        for row, counts in enumerate(run.confusion):
            for column, count in enumerate(counts):
                share = count / max(counts.sum(), 1)
                # Patches, not an image: their opacity is the share on light and on dark pages.
                axes.add_patch(
                    matplotlib.patches.Rectangle(
                        (column - 0.47, row - 0.47),
                        0.94,
                        0.94,
                        facecolor=COLOURS["blue"],
                        alpha=share,
                        linewidth=0,
                    )
                )
                axes.text(
                    column,
                    row,
                    f"{share:.0%}\n{count:,}",
                    ha="center",
                    va="center",
                    fontsize=9,
                    linespacing=1.25,
                    color=COLOURS["card" if share > _STRONG else "ink"],
                )
            axes.add_patch(
                matplotlib.patches.Rectangle(
                    (row - 0.47, row - 0.47), 0.94, 0.94, fill=False, edgecolor=COLOURS["ink"]
                )
            )
        axes.set(xlim=(-0.5, size - 0.5), ylim=(size - 0.5, -0.5), aspect="equal")
        axes.set_xticks(range(size), expressions, rotation=35, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(size), expressions)
        axes.set(xlabel="prediction", ylabel="label")
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)

    return draw


def _accuracy(results: Results) -> Callable[[Axes], None]:
    def draw(axes: Axes) -> None:
        names = []
        for row, run in enumerate(results.finished):
            own = _look(results, run.candidate)
            accuracy = run.score.accuracy
            axes.plot([accuracy.low, accuracy.high], [row, row], color=own.colour, linewidth=2)
            axes.plot([accuracy.value], [row], marker=own.marker, markersize=8, color=own.colour)
            write_value(axes, accuracy.value, accuracy.high, row)
            several = len(results.settings.seeds) > 1
            names.append(f"{run.candidate}, seed {run.seed}" if several else run.candidate)
        count = len(names)
        for row, (text, value) in enumerate(results.settings.references.items(), count):
            axes.axvline(value, color=COLOURS["soft"], linestyle="--", linewidth=1)
            axes.plot([value], [row], marker="o", color=COLOURS["soft"], markerfacecolor=COLOURS["card"])
            write_value(axes, value, value, row)
            names.append(text)
        as_rows(axes, [textwrap.fill(name, _LABEL) for name in names])

    return draw


def _limits(results: Results, columns: Sequence[str]) -> tuple[float, float]:
    """The least and the greatest value of some columns, with a margin."""
    values = [figures[column] for run in results.runs for figures in run.history for column in columns]
    margin = 0.05 * (np.nanmax(values) - np.nanmin(values)) or 0.01
    return np.nanmin(values) - margin, np.nanmax(values) + margin

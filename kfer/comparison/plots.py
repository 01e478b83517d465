"""The comparison's charts: drawn once, as PNG for documents and as SVG for the page.

This module alone imports matplotlib.
"""

import io
import re
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from kfer.comparison.results import FinishedRun, Results

#: The page's colours in its light dress; as SVG they become its variables, so that they turn dark too.
_COLOURS = {
    "blue": "#0072b2",
    "orange": "#d55e00",
    "green": "#009e73",
    "purple": "#b35c93",
    "sky": "#56b4e9",
    "yellow": "#c79a00",
    "ink": "#1d2330",
    "soft": "#626b7a",
    "line": "#e1e3e6",
    "card": "#ffffff",
}
#: A candidate has a colour and a stroke of its own: none is told by its colour alone.
_STROKES = ("-", "--", ":", "-.")
_MARKERS = ("o", "s", "^", "D", "v", "P")
_HUES = ("blue", "orange", "green", "purple", "sky", "yellow")
_STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
    "text.color": _COLOURS["ink"],
    "axes.labelcolor": _COLOURS["soft"],
    "axes.edgecolor": _COLOURS["soft"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": _COLOURS["line"],
    "xtick.color": _COLOURS["soft"],
    "ytick.color": _COLOURS["soft"],
    "legend.frameon": False,
    "svg.fonttype": "none",
}
_PIXELS_PER_INCH = 160
_STRONG = 0.75
_LABEL = 26
_ACCURACIES = ("expression_accuracy", "val_expression_accuracy")


@dataclass(frozen=True)
class Panel:
    """One chart.

    Attributes:
        title: What it shows.
        reading: How to read it.
        draw: Draws it.
        width: In inches.
        height: In inches.
    """

    title: str
    reading: str
    draw: Callable[[Axes], None]
    width: float
    height: float


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
    expressions = results.settings.data.expressions
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


def save_png(panels: Sequence[Panel], path: Path, columns: int) -> None:
    """Writes panels side by side into one picture.

    Args:
        panels: At least one; all have the size of the first.
        path: The file.
        columns: Panels in a row at most.
    """
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    with matplotlib.rc_context(_STYLE):
        size = (panels[0].width * columns, (panels[0].height + 0.3) * rows)
        figure = Figure(figsize=size, layout="constrained", facecolor=_COLOURS["card"])
        grid = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, panel in zip(grid, panels, strict=False):
            axes.set_title(panel.title, fontsize=11, loc="left")
            panel.draw(axes)
        for axes in grid[len(panels) :]:
            axes.set_axis_off()
        figure.savefig(path, dpi=_PIXELS_PER_INCH, metadata={"Software": None})


def svg(panel: Panel, name: str) -> Markup:
    """Returns a panel for a page that has the colours as variables of its style sheet.

    Args:
        panel: What to draw.
        name: Letters and digits; no other drawing on the page may have it.
    """
    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=(panel.width, panel.height), layout="constrained")
        panel.draw(figure.subplots())
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    drawing = buffer.getvalue()
    drawing = drawing[drawing.index("<svg") :]
    drawing = re.sub(r"<metadata>.*?</metadata>", "", drawing, flags=re.DOTALL)
    drawing = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", drawing)
    for variable, colour in _COLOURS.items():
        drawing = drawing.replace(colour, f"var(--{variable})")
    # The page scales it, and its style sheet names the letters' family.
    drawing = re.sub(r' (?:width|height)="[\d.]+pt"', "", drawing, count=2)
    drawing = re.sub(r"(font: [^;\"]*?px) 'DejaVu Sans'[^;\"]*", r"\1 inherit", drawing)
    label = Markup('<svg role="img" aria-label="{}"').format(panel.title)
    return label + Markup(drawing.removeprefix("<svg"))


def _look(results: Results, candidate: str) -> tuple[str, str, str]:
    """A candidate's colour, stroke and marker."""
    index = list(results.settings.candidates).index(candidate)
    return (
        _COLOURS[_HUES[index % len(_HUES)]],
        _STROKES[index % len(_STROKES)],
        _MARKERS[index % len(_MARKERS)],
    )


def _curve(results: Results, column: str) -> Callable[[Axes], None]:
    def draw(axes: Axes) -> None:
        named = set()
        for run in results.runs:
            if not run.history:
                continue
            colour, stroke, marker = _look(results, run.candidate)
            axes.plot(
                [figures["epoch"] for figures in run.history],
                [figures.get(column, np.nan) for figures in run.history],
                linestyle=stroke,
                marker=marker,
                markersize=4,
                linewidth=1.8,
                color=colour,
                label=None if run.candidate in named else run.candidate,
            )
            named.add(run.candidate)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if column != "loss":
            _in_percent(axes.yaxis)
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
                        facecolor=_COLOURS["blue"],
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
                    color=_COLOURS["card" if share > _STRONG else "ink"],
                )
            axes.add_patch(
                matplotlib.patches.Rectangle(
                    (row - 0.47, row - 0.47), 0.94, 0.94, fill=False, edgecolor=_COLOURS["ink"]
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
            colour, _, marker = _look(results, run.candidate)
            accuracy = run.score.accuracy
            axes.plot([accuracy.low, accuracy.high], [row, row], color=colour, linewidth=2)
            axes.plot([accuracy.value], [row], marker=marker, markersize=8, color=colour)
            _write_value(axes, accuracy.value, accuracy.high, row)
            several = len(results.settings.seeds) > 1
            names.append(f"{run.candidate}, seed {run.seed}" if several else run.candidate)
        count = len(names)
        for row, (text, value) in enumerate(results.settings.references.items(), count):
            axes.axvline(value, color=_COLOURS["soft"], linestyle="--", linewidth=1)
            axes.plot(
                [value], [row], marker="o", color=_COLOURS["soft"], markerfacecolor=_COLOURS["card"]
            )
            _write_value(axes, value, value, row)
            names.append(text)
        axes.set_yticks(range(len(names)), [textwrap.fill(name, _LABEL) for name in names])
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.margins(x=0.16)
        _in_percent(axes.xaxis)
        axes.grid(visible=False, axis="y")
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0, labelcolor=_COLOURS["ink"])

    return draw


def _write_value(axes: Axes, value: float, right: float, row: int) -> None:
    """A share as text, right of its mark and over whatever line is there."""
    axes.annotate(
        f"{value:.1%}",
        (right, row),
        (7, 0),
        textcoords="offset points",
        va="center",
        fontsize=9,
        bbox={"facecolor": _COLOURS["card"], "edgecolor": "none", "pad": 0.8},
    )


def _in_percent(axis: Axis) -> None:
    axis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(PercentFormatter(1, decimals=0))


def _limits(results: Results, columns: Sequence[str]) -> tuple[float, float]:
    """The least and the greatest value of some columns, with a margin."""
    values = [figures[column] for run in results.runs for figures in run.history for column in columns]
    margin = 0.05 * (np.nanmax(values) - np.nanmin(values)) or 0.01
    return np.nanmin(values) - margin, np.nanmax(values) + margin

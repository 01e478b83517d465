"""How the charts of a comparison look: drawn once, as PNG for documents and as SVG for the page."""

import io
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from kfer.files import replacing

#: The page's colours in its light dress; as SVG they become its variables, so that they turn dark too.
COLOURS = {
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
_STROKES = ("-", "--", ":", "-.")
_MARKERS = ("o", "s", "^", "D", "v", "P")
_HUES = ("blue", "orange", "green", "purple", "sky", "yellow")
_STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
    "text.color": COLOURS["ink"],
    "axes.labelcolor": COLOURS["soft"],
    "axes.edgecolor": COLOURS["soft"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": COLOURS["line"],
    "xtick.color": COLOURS["soft"],
    "ytick.color": COLOURS["soft"],
    "legend.frameon": False,
    "svg.fonttype": "none",
}
_PIXELS_PER_INCH = 160


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


@dataclass(frozen=True)
class Look:
    """How one of several things is drawn.

    Attributes:
        colour: In hexadecimal.
        stroke: Of its lines, as matplotlib writes it.
        marker: Of its points, likewise.
    """

    colour: str
    stroke: str
    marker: str


def look(index: int) -> Look:
    """A colour, stroke and marker for each of up to twelve: none is told by its colour alone."""
    return Look(
        COLOURS[_HUES[index % len(_HUES)]],
        _STROKES[index % len(_STROKES)],
        _MARKERS[index % len(_MARKERS)],
    )


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
        figure = Figure(figsize=size, layout="constrained", facecolor=COLOURS["card"])
        grid = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, panel in zip(grid, panels, strict=False):
            axes.set_title(panel.title, fontsize=11, loc="left")
            panel.draw(axes)
        for axes in grid[len(panels) :]:
            axes.set_axis_off()
        with replacing(path) as new:
            figure.savefig(new, dpi=_PIXELS_PER_INCH, metadata={"Software": None})


def on_page(name: str, panels: Sequence[Panel]) -> list[dict[str, Any]]:
    """Each panel's "title", "reading" and "svg" for a template.

    Args:
        name: Letters; no other group of panels on the page may have it.
        panels: What to draw.
    """
    return [
        {"title": panel.title, "reading": panel.reading, "svg": svg(panel, f"{name}{index}")}
        for index, panel in enumerate(panels)
    ]


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
    for variable, colour in COLOURS.items():
        drawing = drawing.replace(colour, f"var(--{variable})")
    # The page scales it, and its style sheet names the letters' family.
    drawing = re.sub(r' (?:width|height)="[\d.]+pt"', "", drawing, count=2)
    drawing = re.sub(r"(font: [^;\"]*?px) 'DejaVu Sans'[^;\"]*", r"\1 inherit", drawing)
    label = Markup('<svg role="img" aria-label="{}"').format(panel.title)
    return label + Markup(drawing.removeprefix("<svg"))


def plot_epochs(
    axes: Axes,
    history: Sequence[Mapping[str, float]],
    column: str,
    own: Look,
    label: str | None,
    **further: Any,
) -> None:
    """Draws a figure of each epoch.

    Args:
        axes: Where; its axis of epochs is labelled.
        history: With "epoch", and the column where an epoch has it.
        column: The figure.
        own: How the line looks.
        label: For the legend.
        **further: As for `Axes.plot`.
    """
    axes.plot(
        [figures["epoch"] for figures in history],
        [figures.get(column, math.nan) for figures in history],
        linestyle=own.stroke,
        marker=own.marker,
        markersize=4,
        linewidth=1.8,
        color=own.colour,
        label=label,
        **further,
    )
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def write_value(axes: Axes, value: float, right: float, row: float) -> None:
    """Writes a share as text, right of its mark and over whatever line is there."""
    axes.annotate(
        f"{value:.1%}",
        (right, row),
        (7, 0),
        textcoords="offset points",
        va="center",
        fontsize=9,
        bbox={"facecolor": COLOURS["card"], "edgecolor": "none", "pad": 0.8},
    )


def in_percent(axis: Axis) -> None:
    """Writes an axis of shares in percent, with few and round ticks."""
    axis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10]))
    # Half a percent is told as such.
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{round(100 * value, 3):g}%"))


def as_rows(axes: Axes, names: Sequence[str]) -> None:
    """Makes a chart one of named rows, from top to bottom, with values in percent."""
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.margins(x=0.16)
    in_percent(axes.xaxis)
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0, labelcolor=COLOURS["ink"])

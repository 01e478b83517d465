"""A picture of what people express over time: a row a person, or a recording of one."""

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kfer.files import replacing
from kfer.inference.episodes import Expressed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# The expressions that most models know, told apart by people who confuse colours too; others take turns.
_COLOURS = {
    "neutral": "#c9ced6",
    "happy": "#e69f00",
    "surprise": "#56b4e9",
    "sad": "#0072b2",
    "fear": "#a3608f",
    "disgust": "#2f9e77",
    "angry": "#c8472b",
    "contempt": "#3a3226",
}
_REST_EXPRESSION = "neutral"
_FURTHER = ("#4d4d4d", "#f0e442", "#7b8fd4", "#9bc53d", "#d98cb3", "#5c8a8a")
_INK, _SOFT, _EDGE, _UNSEEN = "#1d2330", "#626b7a", "#ffffff", "#d3d8df"
_WIDTH, _PANEL, _REST, _DOTS = 11.0, 1.45, 1.05, 150  # inches, and dots an inch
_ROWS = 8
# Of the width of an axis, below a pixel: what is shorter is drawn as what prevails around it.
_COLUMNS = 1000
_COLUMN_POINTS = 0.58  # of 1/72 inch, of words within the band
_BAND = (-0.36, 0.26)  # below the curves: its bottom and height, where they take 1
_LEAST_LABEL = 0.09  # a share that is written beside its part of the bar
# Seconds between the marks of the axis, of which there are about eight.
_MARKS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800)
_FORMATS = (".png", ".svg", ".pdf")


def check_drawable() -> None:
    """Checks that `save` can draw, for who works long before it.

    Raises:
        ModuleNotFoundError: matplotlib is missing; it comes with the extra "plots".
    """
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise ModuleNotFoundError('a timeline needs matplotlib: pip install "kfer[plots]"') from error


def save(path: Path | str, told: Sequence[Expressed]) -> None:
    """Draws what people expressed into a file, which is whole or as it was before.

    Of each: the probabilities as curves, the leading expression as a band below them, the times out of
    sight hatched, and the shares of the time seen as a bar. Of more than eight, those seen longest.

    Args:
        path: The file; its ending says the format: .png, .svg or .pdf.
        told: Of one recording or several of one model, in the order of the rows.

    Raises:
        ValueError: It has another ending.
        ModuleNotFoundError: matplotlib is missing; it comes with the extra "plots".
        OSError: It cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in _FORMATS:
        raise ValueError(f"the picture's name must end in {', '.join(_FORMATS)}; got {path}")
    check_drawable()
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawn = _longest(told)
    looks: dict[Any, Any] = {
        "font.family": "sans-serif",
        "font.size": 10,
        "text.color": _INK,
        "hatch.color": _UNSEEN,
        "hatch.linewidth": 0.8,
    }
    with matplotlib.rc_context(looks):
        size = (_WIDTH, _PANEL * max(len(drawn), 1) + _REST)
        figure = Figure(figsize=size, dpi=_DOTS, layout="constrained")
        FigureCanvasAgg(figure)
        if drawn:
            _draw(figure, drawn, len(told) - len(drawn))
        else:
            figure.text(0.5, 0.5, "no face with an expression", ha="center", color=_SOFT)
        with replacing(path) as new:
            figure.savefig(new, format=path.suffix[1:].lower())


def _longest(told: Sequence[Expressed]) -> list[Expressed]:
    longest = sorted(range(len(told)), key=lambda index: -told[index].seconds)[:_ROWS]
    return [told[index] for index in sorted(longest)]


def _draw(figure: "Figure", drawn: Sequence[Expressed], left_out: int) -> None:
    from matplotlib.patches import Patch
    from matplotlib.ticker import FuncFormatter, MultipleLocator

    length = max(each.recording.seconds for each in drawn)
    mark = next((each for each in _MARKS if length / each <= 9), length / 8)
    colours = _colours(drawn[0].recording.expressions)
    all_axes = figure.subplots(len(drawn), 2, width_ratios=(8.5, 1), squeeze=False)
    for (axes, bar), each, title in zip(all_axes, drawn, _titles(drawn), strict=True):
        _draw_curves(axes, each, colours, length)
        _draw_band(axes, each, colours, length)
        _draw_shares(bar, each, colours)
        axes.set_title(title, loc="left", fontsize=10, color=_INK, pad=4, parse_math=False)
        axes.set_title(_words(each), loc="right", fontsize=9, color=_SOFT, pad=4)
        axes.set_xlim(0, length)
        axes.xaxis.set_major_locator(MultipleLocator(mark))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: clock(seconds, mark < 1)))
        axes.tick_params(labelbottom=axes is all_axes[-1, 0])
    left_words = f"; {left_out} more, seen for less time, are left out" if left_out else ""
    all_axes[-1, 0].set_xlabel(f"minutes:seconds{left_words}", color=_SOFT)
    handles = [Patch(color=colour, label=name) for name, colour in colours.items()]
    handles.append(Patch(facecolor=_EDGE, edgecolor=_UNSEEN, hatch="/////", label="not seen"))
    figure.legend(
        handles=handles,
        loc="outside upper center",
        ncols=9,
        frameon=False,
        handlelength=1.0,
        handleheight=1.0,
        columnspacing=1.4,
    )


def _titles(drawn: Sequence[Expressed]) -> Iterator[str]:
    one_recording = len({each.recording.name for each in drawn}) == 1
    one_person = len({each.person.name for each in drawn}) == 1
    for each in drawn:
        if one_recording:
            yield each.person.name
        else:
            file = Path(each.recording.name).name
            yield file if one_person else f"{each.person.name}, {file}"


def _words(each: Expressed) -> str:
    changes = "1 change" if each.num_changes == 1 else f"{each.num_changes} changes"
    return f"seen for {clock(each.seconds, each.seconds < 60)}, {changes}"


def clock(seconds: float, tenths: bool = False) -> str:
    """Returns a time as minutes and seconds, "1:05", with hours from one on, "2:01:05".

    Args:
        seconds: At least 0.
        tenths: Whether tenths of a second are told: "1:05.0".
    """
    minutes, rest = divmod(round(seconds, 1 if tenths else 0), 60)
    hours, minutes = divmod(int(minutes), 60)
    words = f"{rest:04.1f}" if tenths else f"{rest:02.0f}"
    return f"{hours}:{minutes:02}:{words}" if hours else f"{minutes}:{words}"


def _draw_curves(axes: "Axes", each: Expressed, colours: dict[str, str], length: float) -> None:
    expressions = each.recording.expressions
    unseen = [0.0, *itertools.chain(*each.stretches), each.recording.seconds]
    for start, end in zip(unseen[::2], unseen[1::2], strict=True):
        if end - start > length / _COLUMNS:
            axes.axvspan(start, end, facecolor=_EDGE, edgecolor=_UNSEEN, hatch="/////", linewidth=0)
    for start, end in each.stretches:
        seconds, means = _means(each, start, end, length / _COLUMNS)
        for name, colour in colours.items():
            curve = means[:, expressions.index(name)]
            axes.plot(seconds, curve, color=colour, linewidth=1.2, solid_capstyle="butt")
    axes.set_ylim(_BAND[0] - 0.03, 1.03)
    axes.set_yticks([0, 0.5, 1], ["0", "50", "100 %"])
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(_SOFT)
    axes.tick_params(colors=_SOFT, length=0, pad=5)
    axes.axhline(0, color=_UNSEEN, linewidth=0.8, zorder=0)


def _means(each: Expressed, start: float, end: float, step: float) -> tuple[np.ndarray, np.ndarray]:
    """Seconds `[n]` and probabilities `[n, k]` of a stretch, one for each step that has frames."""
    person = each.person
    first, behind = np.searchsorted(person.seconds, [start, end])
    lasting = person.lasting[first:behind]
    values = np.column_stack([person.seconds, person.probabilities])[first:behind] * lasting[:, None]
    _, at = np.unique((person.seconds[first:behind] / step).astype(int), return_index=True)
    means = np.add.reduceat(values, at) / np.add.reduceat(lasting, at)[:, None]
    # A frame lasts until the next.
    means = np.vstack([means, means[-1]])
    means[-1, 0] = end
    return means[:, 0], means[:, 1:]


def _draw_band(axes: "Axes", each: Expressed, colours: dict[str, str], length: float) -> None:
    for name, first, behind in _prevailing(each, length):
        start, end = (edge * length / _COLUMNS for edge in (first, behind))
        axes.broken_barh(
            [(start, end - start)], _BAND, facecolor=colours[name], linewidth=0, antialiased=False
        )
        if (behind - first) * _COLUMN_POINTS > 5.2 * len(name) + 6:
            axes.text(
                (start + end) / 2,
                _BAND[0] + _BAND[1] / 2,
                name,
                ha="center",
                va="center_baseline",
                fontsize=8,
                color=_readable_on(colours[name]),
                parse_math=False,
            )


def _prevailing(each: Expressed, length: float) -> Iterator[tuple[str, int, int]]:
    """The expression that fills most of each column, and the columns, first and behind the last."""
    expressions = each.recording.expressions
    filled = np.zeros((len(expressions), _COLUMNS))
    edges = np.arange(_COLUMNS + 1) * length / _COLUMNS
    for episode in each.episodes:
        first, last = np.clip(
            (np.array([episode.start, episode.end]) / length * _COLUMNS).astype(int), 0, _COLUMNS - 1
        )
        inside = edges[first : last + 2].clip(episode.start, episode.end)
        filled[expressions.index(episode.expression), first : last + 1] += np.diff(inside)
    shown = np.where(filled.any(axis=0), filled.argmax(axis=0), -1)
    turns = (np.flatnonzero(np.diff(shown)) + 1).tolist()
    for first, behind in itertools.pairwise([0, *turns, _COLUMNS]):
        if shown[first] >= 0:
            yield expressions[shown[first]], first, behind


def _draw_shares(axes: "Axes", each: Expressed, colours: dict[str, str]) -> None:
    below = 0.0
    for name, colour in colours.items():
        share = each.shares[name]
        axes.bar(0, share, bottom=below, width=1, color=colour, edgecolor=_EDGE, linewidth=0.4)
        if share >= _LEAST_LABEL:
            words = f"{name} {share:.0%}"
            axes.text(0.7, below + share / 2, words, va="center", fontsize=8, parse_math=False)
        below += share
    axes.set_xlim(-0.5, 4.6)
    axes.set_ylim(0, 1)
    axes.set_axis_off()


def _colours(expressions: Sequence[str]) -> dict[str, str]:
    """The colour of each expression from the bottom up: the face at rest is what is left on top."""
    names = sorted(expressions, key=_REST_EXPRESSION.__eq__)
    further = itertools.cycle(_FURTHER)
    return {name: _COLOURS.get(name) or next(further) for name in names}


def _readable_on(colour: str) -> str:
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    # Luma by ITU-R BT.601.
    return _INK if 0.299 * red + 0.587 * green + 0.114 * blue > 125 else _EDGE

"""A picture of what each face of a video expresses over time."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kfer.inference.video import Frame

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# The expressions that most models know, told apart by people who confuse colours too; others take turns.
_COLOURS = {
    "neutral": "#c9ced6",
    "happy": "#e69f00",
    "surprise": "#56b4e9",
    "sad": "#0072b2",
    "fear": "#a3608f",
    "disgust": "#2f9e77",
    "angry": "#c8472b",
    "contempt": "#8a6d4b",
}
_REST_EXPRESSION = "neutral"
_FURTHER = ("#4d4d4d", "#f0e442", "#7b8fd4", "#9bc53d", "#d98cb3", "#5c8a8a")
_INK, _SOFT, _EDGE = "#1d2330", "#626b7a", "#ffffff"
_WIDTH, _PANEL, _REST, _DOTS = 10.0, 1.25, 1.05, 150  # inches, and dots an inch
# A frame of 60 a second has a time step of its own; beyond so many steps two become one.
_STEP, _MOST_STEPS = 1 / 60, 2000
# A face that was not seen for longer leaves a gap.
_GAP = 0.5
_FORMATS = (".png", ".svg", ".pdf")


class Timeline:
    """Collects what faces express as a video's frames come, and draws it: a panel a track.

    The memory of a track is bounded: the longer the video, the coarser the time.

    Args:
        most_tracks: Of more tracks, those that are seen longest are drawn.

    Raises:
        ValueError: That is no positive number.
    """

    def __init__(self, most_tracks: int = 12) -> None:
        if most_tracks < 1:
            raise ValueError(f"most_tracks must be a positive integer; got {most_tracks!r}")
        self._most_tracks = most_tracks
        self._step, self._seconds = _STEP, 0.0
        self._tracks: dict[int, _Panel] = {}
        self._expressions: dict[str, None] = {}

    def add(self, frame: Frame) -> None:
        """Takes a frame in."""
        self._seconds = max(self._seconds, frame.seconds)
        while self._seconds / self._step > _MOST_STEPS:
            self._step *= 2
            for panel in self._tracks.values():
                panel.coarsen()
        for tracked in frame.faces:
            if not tracked.expressions:
                continue
            self._expressions.update(dict.fromkeys(tracked.expressions))
            panel = self._tracks.setdefault(tracked.track, _Panel())
            panel.name = tracked.name
            panel.add(
                int(frame.seconds / self._step),
                np.array([frame.seconds, *tracked.expressions.values()]),
            )

    def save(self, path: Path | str) -> None:
        """Draws the picture into a file, which is whole or as it was before.

        Args:
            path: The file; its ending says the format: .png, .svg or .pdf.

        Raises:
            ValueError: It has another ending.
            ModuleNotFoundError: matplotlib is missing; it comes with the extra "plots".
            OSError: It cannot be written.
        """
        path = Path(path)
        if path.suffix.lower() not in _FORMATS:
            raise ValueError(f"the picture's name must end in {', '.join(_FORMATS)}; got {path}")
        try:
            import matplotlib
            from matplotlib.backends.backend_agg import FigureCanvasAgg
            from matplotlib.figure import Figure
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError('a timeline needs matplotlib: pip install "kfer[plots]"') from error
        drawn = self._drawn()
        with matplotlib.rc_context({"font.family": "sans-serif", "font.size": 10, "text.color": _INK}):
            size = (_WIDTH, _PANEL * max(len(drawn), 1) + _REST)
            figure = Figure(figsize=size, dpi=_DOTS, layout="constrained")
            FigureCanvasAgg(figure)
            all_axes = figure.subplots(max(len(drawn), 1), sharex=True, squeeze=False)[:, 0]
            for axes, number in zip(all_axes, drawn, strict=False):
                self._draw(axes, number)
            if drawn:
                self._finish(all_axes)
            else:
                all_axes[0].set_axis_off()
                all_axes[0].text(0.5, 0.5, "no face with an expression", ha="center", color=_SOFT)
            partial = path.with_name(f".{path.name}.partial")
            figure.savefig(partial, format=path.suffix[1:].lower())
        partial.replace(path)

    def _drawn(self) -> list[int]:
        longest = sorted(self._tracks, key=lambda number: len(self._tracks[number]), reverse=True)
        return sorted(longest[: self._most_tracks])

    def _draw(self, axes: "Axes", number: int) -> None:
        panel = self._tracks[number]
        order = self._order()
        rows = [list(self._expressions).index(name) for name in order]
        for seconds, shares in panel.runs(self._step):
            axes.stackplot(
                seconds, shares[rows], colors=list(order.values()), edgecolor=_EDGE, linewidth=0.4
            )
        title = f"Track {number}" if panel.name is None else f"Track {number}: {panel.name}"
        axes.set_title(title, loc="left", fontsize=10, color=_INK, pad=4, parse_math=False)
        axes.set_ylim(0, 1)
        axes.set_yticks([0, 0.5, 1], ["0", "50", "100 %"])
        for side in ("top", "right", "left"):
            axes.spines[side].set_visible(False)
        axes.spines["bottom"].set_color(_SOFT)
        axes.tick_params(colors=_SOFT, length=0, pad=5)

    def _order(self) -> dict[str, str]:
        """The colour of each expression from the bottom up: the face at rest is what is left on top."""
        names = sorted(self._expressions, key=_REST_EXPRESSION.__eq__)
        further = itertools.cycle(_FURTHER)
        return {name: _COLOURS.get(name) or next(further) for name in names}

    def _finish(self, all_axes: np.ndarray) -> None:
        from matplotlib.patches import Patch
        from matplotlib.ticker import MaxNLocator

        last = all_axes[-1]
        last.set_xlim(0, max(self._seconds, self._step))
        last.xaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10]))
        last.set_xlabel("seconds", color=_SOFT)
        last.figure.legend(
            handles=[Patch(color=colour, label=name) for name, colour in self._order().items()],
            loc="outside upper center",
            ncols=8,
            frameon=False,
            handlelength=1.0,
            handleheight=1.0,
        )
        left_out = len(self._tracks) - len(all_axes)
        if left_out:
            last.set_xlabel(f"seconds ({left_out} tracks that are seen less are left out)", color=_SOFT)


class _Panel:
    """A track's seconds and probabilities: the sum and the number of frames in each step of time."""

    def __init__(self) -> None:
        self.name: str | None = None
        self._sums: dict[int, np.ndarray] = {}
        self._counts: dict[int, int] = {}

    def __len__(self) -> int:
        return sum(self._counts.values())

    def add(self, step: int, values: np.ndarray, count: int = 1) -> None:
        self._sums[step] = self._sums.get(step, 0) + values
        self._counts[step] = self._counts.get(step, 0) + count

    def coarsen(self) -> None:
        sums, counts = self._sums, self._counts
        self._sums, self._counts = {}, {}
        for step, values in sums.items():
            self.add(step // 2, values, counts[step])

    def runs(self, step: float) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Seconds `[n]` and probabilities `[k, n]` of each time without a gap."""
        steps = sorted(self._sums)
        means = np.stack([self._sums[each] / self._counts[each] for each in steps], axis=1)
        breaks = np.flatnonzero(np.diff(means[0]) > max(_GAP, 2 * step)) + 1
        for part in np.split(means, breaks, axis=1):
            if part.shape[1] == 1:
                # One moment has no area: it is drawn as wide as its step.
                part = np.repeat(part, 2, axis=1)
                part[0] += [0, step]
            yield part[0], part[1:]

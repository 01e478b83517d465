"""The search's charts; its parallel coordinates are in `kfer.tuning.coordinates`."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import MaxNLocator, PercentFormatter

from kfer.comparison.drawing import COLOURS, Look, Panel, in_percent, plot_epochs
from kfer.pipeline.report import templates
from kfer.search import Outcome
from kfer.tuning import pareto
from kfer.tuning.coordinates import mark
from kfer.tuning.importance import Importance
from kfer.tuning.pareto import Metric
from kfer.tuning.results import Results
from kfer.tuning.tables import ranked
from kfer.tuning.words import explained

_WIDTH = 5.2
#: Of the best trials, whose learning is drawn; the very best is orange, as in the other charts.
_LOOKS = (
    Look(COLOURS["orange"], "-", "o"),
    Look(COLOURS["blue"], "--", "s"),
    Look(COLOURS["purple"], ":", "^"),
)
_SCORE = "val_score"


def importances(importance: Importance) -> list[Panel]:
    """Returns one panel, a bar a setting; none where the importance is not known.

    Args:
        importance: What to draw.
    """
    if not importance.shares:
        return []
    return [
        Panel(
            "What the score hangs on",
            "The share of the score's variance over the whole space that each setting makes by itself "
            "(main effects of a random forest, fANOVA); the rest is made by several together. Its trees "
            f"{explained(importance)}: the less, the less the shares say.",
            _importances(importance.shares),
            _WIDTH,
            0.7 + 0.5 * (len(importance.shares) + 1),
        )
    ]


def over_time(results: Results) -> list[Panel]:
    """Returns one panel, the score of each trial when it ended; none where no time or score is known.

    Args:
        results: Of the study.
    """
    if not any(trial.ended for trial in results.scored):
        return []
    failed = " A cross at the bottom: a trial failed." if results.failed else ""
    return [
        Panel(
            "Score over time",
            f"A dot a trial, when it ended; the line is the best score so far.{failed}",
            _over_time(results),
            _WIDTH,
            3.8,
        )
    ]


def fronts(results: Results) -> list[Panel]:
    """Returns a panel for every two metrics: the trials that none is better than in both.

    Args:
        results: Of the study.
    """
    return [
        Panel(
            f"{templates.heading(one.name.removeprefix('val_'))} and {_words(other.name)}",
            "A dot a trial. Blue ones are the Pareto front: no other trial is at least as good in both "
            "and better in one. Grey ones lie behind it.",
            _front(results, one, other),
            _WIDTH,
            3.8,
        )
        for one, other in pareto.pairs(results)
    ]


def learning(results: Results) -> list[Panel]:
    """Returns a panel a figure, of the epochs of the three best trials; none where none has two epochs.

    Args:
        results: Of the study.
    """
    best = [trial for trial in ranked(results) if results.histories.get(trial.trial)][: len(_LOOKS)]
    histories = {trial.trial: results.histories[trial.trial] for trial in best}
    if not any(len(history) > 1 for history in histories.values()):
        return []
    names = [_SCORE, *results.metrics, *(metric.name for metric in pareto.metrics(results))]
    return [
        Panel(
            f"{templates.heading(name.removeprefix('val_'))} after each epoch",
            "Of the best trials, on the validation split.",
            _learning(histories, name),
            _WIDTH,
            3.8,
        )
        for name in dict.fromkeys(names)
        if any(name in epoch for history in histories.values() for epoch in history)
    ]


def _importances(shares: Mapping[str, float]) -> Callable[[Axes], None]:
    together = max(1 - sum(shares.values()), 0.0)
    bars = [(name, share, "blue") for name, share in shares.items()]
    bars.append(("several together", together, "soft"))

    def draw(axes: Axes) -> None:
        for row, (name, share, colour) in enumerate(bars):
            axes.barh(row, share, height=0.36, color=COLOURS[colour], alpha=0.7)
            # Above its bar, where a long name has room.
            axes.annotate(name, (0, row - 0.2), (3, 1), textcoords="offset points", fontsize=9.5)
            axes.annotate(
                *(f"{share:.0%}", (share, row), (5, 0)),
                textcoords="offset points",
                va="center",
                fontsize=9,
            )
        axes.set(xlim=(0, 1.12 * max(share for _, share, _ in bars)), ylim=(len(bars) - 0.6, -0.75))
        axes.set_yticks([])
        axes.grid(visible=False, axis="y")
        in_percent(axes.xaxis)

    return draw


def _over_time(results: Results) -> Callable[[Axes], None]:
    timed = sorted((trial for trial in results.trials if trial.ended), key=lambda trial: trial.ended)
    began = min(trial.ended - trial.seconds for trial in timed)
    took = timed[-1].ended - began
    units = (("hours", 3600.0), ("minutes", 60.0), ("seconds", 1.0))
    unit, seconds = next((each for each in units if took > 2 * each[1]), units[-1])

    def when(trials: Iterable[Outcome]) -> list[float]:
        return [(trial.ended - began) / seconds for trial in trials]

    def draw(axes: Axes) -> None:
        scored = [trial for trial in timed if trial.score is not None]
        scores = np.array([trial.score for trial in scored], float)
        axes.step(
            [*when(scored), took / seconds],
            [*np.maximum.accumulate(scores), scores.max()],
            where="post",
            color=COLOURS["blue"],
            label="best so far",
        )
        axes.plot(when(scored), scores, "o", markersize=5, color=COLOURS["blue"], alpha=0.6)
        _ring(axes, results, [(trial, (when([trial])[0], trial.score or 0.0)) for trial in scored])
        failed = when(trial for trial in timed if trial.score is None)
        if failed:
            bottom = axes.get_xaxis_transform()
            axes.plot(
                *(failed, [0.03] * len(failed), "x"),
                color=COLOURS["soft"],
                label="failed",
                transform=bottom,
            )
        axes.margins(y=0.14)
        axes.set_xlim(left=0)
        axes.set(xlabel=f"{unit} since the first trial began", ylabel="score")
        _legend(axes)

    return draw


def _front(results: Results, one: Metric, other: Metric) -> Callable[[Axes], None]:
    trials = [trial for trial in results.scored if {one.name, other.name} <= trial.figures.keys()]
    ahead = pareto.trials_of_front(results, (one, other))

    def place(trial: Outcome) -> tuple[float, float]:
        return trial.figures[one.name], trial.figures[other.name]

    def draw(axes: Axes) -> None:
        behind = [place(trial) for trial in trials if trial not in ahead]
        _dots(axes, behind, "o", markersize=5, color=COLOURS["soft"], alpha=0.6)
        # The step bounds what the front's trials reach: each holds on its worse side.
        steps = "steps-pre" if one.higher else "steps-post"
        front = sorted(place(trial) for trial in ahead)
        _dots(axes, front, "-", drawstyle=steps, color=COLOURS["blue"], linewidth=1.2)
        _dots(axes, front, "o", markersize=6, color=COLOURS["blue"], label="Pareto front")
        _ring(axes, results, [(trial, place(trial)) for trial in trials])
        for axis, metric, values in zip(
            *((axes.xaxis, axes.yaxis), (one, other), zip(*map(place, trials), strict=True)),
            strict=True,
        ):
            _describe(axis, metric, values)
        axes.margins(0.12)
        _legend(axes)

    return draw


def _ring(axes: Axes, results: Results, places: Sequence[tuple[Outcome, tuple[float, float]]]) -> None:
    """Rings the best trial and the first one."""
    for trial, place in places:
        special = mark(results, trial)
        if special:
            _dots(
                *(axes, [place], "o"),
                markersize=11,
                markerfacecolor="none",
                markeredgewidth=2,
                color=special.colour,
                label=special.label,
                zorder=4,
            )


def _dots(axes: Axes, places: Sequence[tuple[float, float]], how: str, **further: Any) -> None:
    axes.plot([x for x, _ in places], [y for _, y in places], how, **further)


def _describe(axis: Axis, metric: Metric, values: Sequence[float]) -> None:
    axis.set_label_text(_words(metric.name) + ("" if metric.higher else ", lower is better"))
    axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    if metric.higher and min(values) >= 0 and max(values) <= 1:
        narrow = max(values) - min(values) < 0.05
        axis.set_major_formatter(PercentFormatter(1, decimals=1 if narrow else 0))


def _learning(histories: Mapping[str, list[dict[str, float]]], name: str) -> Callable[[Axes], None]:
    def draw(axes: Axes) -> None:
        for index, (trial, history) in enumerate(histories.items()):
            label = f"trial {trial}{'' if index else ', the best'}"
            plot_epochs(axes, history, name, _LOOKS[index], label)
        axes.set_ylabel(_words(name))
        _legend(axes)

    return draw


def _legend(axes: Axes) -> None:
    axes.legend(fontsize=9, ncols=4, loc="upper center", bbox_to_anchor=(0.46, -0.17), columnspacing=1.4)


def _words(name: str) -> str:
    return templates.words(name.removeprefix("val_"))

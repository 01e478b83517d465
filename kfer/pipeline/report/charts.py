"""The report's charts: what each shows, and a sentence that says how to read it."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from kfer.pipeline.component import Node
from kfer.pipeline.report.plot import Axis, Plot, svg
from kfer.pipeline.report.templates import heading, words

#: Colours by meaning, as the style sheet names them: never told apart by red and green alone.
BLUE, ORANGE, GREEN, PURPLE, SKY, YELLOW = "c0", "c1", "c2", "c3", "c4", "c5"
PALETTE = (BLUE, ORANGE, GREEN, PURPLE, SKY, YELLOW)
QUIET = "quiet"

_ROW, _REACH = 38, 16
#: Columns of history.csv that say what an epoch was, not how it went.
_NO_CURVES = ("epoch", "stage", "trainable_parameters")
_LOSS, _WEIGHT = "_loss", "_weight"
#: From this ratio of the largest weight to the smallest, they are drawn on a log scale.
_WIDE = 20.0


@dataclass(frozen=True)
class Chart:
    """A drawing and the words around it.

    Attributes:
        title: What it shows.
        svg: The drawing.
        reading: How to read it.
        legend: Pairs of a colour's class and its meaning.
    """

    title: str
    svg: Markup
    reading: str
    legend: tuple[tuple[str, str], ...] = ()


def training_curves(history: Mapping[str, Sequence[float]]) -> list[Chart]:
    """One chart for each figure of the history, the training and the validation value together.

    The weights of the tasks' losses are drawn where they change, all in one chart behind the losses.

    Args:
        history: Columns of history.csv by name, one number an epoch; nan where there is none.
    """
    losses = [column.removesuffix(_LOSS) for column in history if column.endswith(_LOSS)]
    weights = {name: f"{name}{_WEIGHT}" for name in losses if f"{name}{_WEIGHT}" in history}
    left_out = {*_NO_CURVES, *weights.values()}
    names = [n for n in dict.fromkeys(n.removeprefix("val_") for n in history) if n not in left_out]
    first = _first_epoch(history)
    charts = []
    for name in sorted(names, key=_curve_order):
        kinds = (("training", name, BLUE), ("validation", f"val_{name}", ORANGE))
        lines = [(kind, history[column], mark) for kind, column, mark in kinds if column in history]
        count = max(len(values) for _, values, _ in lines)
        low, high = _range([v for _, values, _ in lines for v in values])
        plot = _curve_plot(heading(name), first, count, Axis(words(name), low, high))
        for _, values, mark in lines:
            plot.line([*enumerate(values, first)], mark)
        legend = tuple((mark, kind) for kind, _, mark in lines)
        charts.append(
            Chart(
                heading(name),
                plot.svg(),
                _curve_reading(name, len(lines)),
                () if _is_pace(name) else legend,
            )
        )
    in_force = {name: _finite(history[column]) for name, column in weights.items()}
    if any(values and not math.isclose(min(values), max(values)) for values in in_force.values()):
        behind_losses = sum(_curve_order(name)[0] < 2 for name in names)
        columns = {name: history[column] for name, column in weights.items()}
        charts.insert(behind_losses, _loss_weights(columns, first))
    return charts


def _loss_weights(weights: Mapping[str, Sequence[float]], first: int) -> Chart:
    """All tasks' weights over the epochs, from the first one's number."""
    every = _finite([value for values in weights.values() for value in values])
    low, high = min(every), max(every)
    axis = Axis("weight", *_range(every))
    if low > 0 and high / low >= _WIDE:
        bottom, top = 10.0 ** math.floor(math.log10(low)), 10.0 ** math.ceil(math.log10(high))
        axis = Axis("weight (log scale)", bottom, top, base=10)
    title = "Loss weights"
    plot = _curve_plot(title, first, max(map(len, weights.values())), axis)
    marks = dict(zip(weights, itertools.cycle(PALETTE)))
    for task, values in weights.items():
        plot.line([*enumerate(values, first)], marks[task])
    return Chart(
        title,
        plot.svg(),
        "What each task's own loss is multiplied by in the sum, on average over an epoch. Their ratio to "
        "each other counts, and to the size of the losses.",
        tuple((mark, words(task)) for task, mark in marks.items()),
    )


def _curve_plot(title: str, first: int, count: int, axis: Axis) -> Plot:
    """A small chart over the epochs, from the first one's number."""
    epochs = Axis("epoch", first, max(first + count - 1, first + 1), whole=True)
    return Plot(title, epochs, axis, width=320, height=220)


def _first_epoch(history: Mapping[str, Sequence[float]]) -> int:
    epochs = list(history.get("epoch", ()))
    return 1 if not epochs or epochs[0] == 0 else int(epochs[0])


def _curve_order(name: str) -> tuple[int, str]:
    if _is_pace(name):
        return 3, name
    return (0 if name == "loss" else 1 if name.endswith(_LOSS) else 2), name


def _is_pace(name: str) -> bool:
    """Whether a figure says how training went about it, not how good the network is."""
    return name in ("learning_rate", "images_per_second")


def _curve_reading(name: str, num_lines: int) -> str:
    if name == "loss":
        return "The weighted sum that training makes smaller. Lower is better."
    if name.endswith(_LOSS):
        return "This task's own part of the loss, before its weight. Lower is better."
    if name == "learning_rate":
        return "How large the steps were: a warm-up, then a slow fall to zero."
    if name == "images_per_second":
        return "How fast training was; a dip is an epoch in which the machine had other work."
    if name.endswith("_mae"):
        return "In the unit of the labels, the mean over the task's numbers. Lower is better."
    if num_lines == 1:
        return "Higher is better."
    return "Higher is better. Training images are augmented, so validation may lie above training."


def _finite(values: Sequence[float]) -> list[float]:
    return [value for value in values if math.isfinite(value)]


def _range(values: Sequence[float]) -> tuple[float, float]:
    finite = _finite(values)
    if not finite:
        return 0.0, 1.0
    low, high = min(finite), max(finite)
    margin = 0.06 * (high - low) or 0.05 * abs(high) or 0.5
    return (max(low - margin, 0.0) if low >= 0 else low - margin), high + margin


def people_histogram(counts: Sequence[int]) -> Chart:
    """How many people have how many images.

    Args:
        counts: Images of each person.
    """
    edges = [1, 2]
    while edges[-1] <= max(counts):
        edges.append(edges[-1] * 2)
    bins = list(itertools.pairwise(edges))
    people = [sum(low <= count < high for count in counts) for low, high in bins]
    title = "Images per person, training split"
    plot = Plot(
        title,
        Axis("images per person (log scale)", 1, edges[-1], base=2),
        Axis("people", 0, max(people) * 1.1, whole=True),
    )
    for (low, high), number in zip(bins, people, strict=True):
        span = f"{low}" if high - low == 1 else f"{low} to {high - 1}"
        plot.bar(low * 1.03, high / 1.03, number, GREEN, f"{number:,} people have {span} images")
    return Chart(
        title,
        plot.svg(),
        "A bar between 4 and 8 counts the people with 4 to 7 images. People with one image can be "
        "told from others, but teach nothing about how one face varies.",
    )


def roc(verification: Mapping[str, Any]) -> Chart:
    """True accepts over false accepts, from evaluation.json's verification report."""
    points = [tuple(point) for point in verification["roc"]]
    positive = [far for far, _ in points if far > 0]
    low = min(10 ** math.floor(math.log10(min(positive, default=0.1)) + 1e-9), 0.1)
    title = "ROC: true accepts over false accepts"
    plot = Plot(
        title,
        Axis("false accept rate (log scale)", low, 1.0, base=10, percent=True),
        Axis("true accept rate", 0.0, 1.0, percent=True),
    )
    # What is accepted with no false accept at all has no place on a log scale: it starts the curve.
    strict = max((tar for far, tar in points if far <= low), default=0.0)
    curve = [(low, strict), *((far, tar) for far, tar in points if far > low)]
    chance = [(low * (1 / low) ** (step / 40), low * (1 / low) ** (step / 40)) for step in range(41)]
    plot.line(chance, QUIET)
    plot.line(curve, BLUE)
    eer = verification["eer"]
    plot.dot(eer, 1 - eer, ORANGE, 5, f"equal error rate {eer:.1%}")
    return Chart(
        title,
        plot.svg(),
        "The nearer the curve to the upper left, the better: it says how many genuine pairs are "
        "accepted for the price of how many impostors. The dot is where both kinds of error are equal.",
        ((BLUE, "this model"), (ORANGE, f"equal error rate: {eer:.1%}"), (QUIET, "guessing")),
    )


def similarity_histogram(verification: Mapping[str, Any], threshold: float | None) -> Chart:
    """How similar genuine and impostor pairs are.

    Args:
        verification: evaluation.json's verification report.
        threshold: The similarity from which a pair is accepted in use, if one was chosen.
    """
    histogram = verification["histogram"]
    edges = histogram["edges"]
    kinds = (("impostor", ORANGE, "two people"), ("genuine", BLUE, "one person"))
    used = [
        index
        for index in range(len(edges) - 1)
        if histogram["genuine"][index] or histogram["impostor"][index]
    ]
    first, last = max(used[0] - 1, 0), min(used[-1] + 2, len(edges) - 1)
    shares = {
        kind: [count / max(sum(histogram[kind]), 1) for count in histogram[kind]] for kind, _, _ in kinds
    }
    title = "Similarity of genuine and impostor pairs"
    plot = Plot(
        title,
        Axis("similarity (cosine of two embeddings)", edges[first], edges[last]),
        Axis("share of pairs of that kind", 0.0, 1.15 * max(map(max, shares.values())), percent=True),
    )
    for kind, mark, meaning in kinds:
        for index in used:
            share, low, high = shares[kind][index], edges[index], edges[index + 1]
            if share:
                text = f"{meaning}: {share:.1%} of pairs from {low:.2f} to {high:.2f}"
                plot.bar(low, high, share, mark, text)
    if threshold is not None:
        plot.rule(threshold, f"threshold {threshold:.3f}")
    return Chart(
        title,
        plot.svg(),
        "The less the two hills overlap, the better. Right of the threshold a pair is taken for one "
        "person; it was chosen on validation pairs, at a stated false accept rate.",
        ((BLUE, "genuine: one person"), (ORANGE, "impostor: two people")),
    )


def reliability(expression: Mapping[str, Any]) -> Chart:
    """Accuracy over confidence, from evaluation.json's expression report."""
    bins = [one for one in expression["reliability"] if one["count"]]
    most = max(one["count"] for one in bins)
    title = "Calibration: is the network as sure as it should be?"
    plot = Plot(
        title,
        Axis("confidence (probability of the predicted class)", 0.0, 1.0, percent=True),
        Axis("accuracy", 0.0, 1.0, percent=True),
    )
    plot.line([(0.0, 0.0), (1.0, 1.0)], QUIET)
    plot.line([(one["confidence"], one["accuracy"]) for one in bins], BLUE)
    for one in bins:
        text = (
            f"{one['count']:,} images: confidence {one['confidence']:.0%}, accuracy {one['accuracy']:.0%}"
        )
        radius = 3 + 7 * math.sqrt(one["count"] / most)
        plot.dot(one["confidence"], one["accuracy"], BLUE, radius, text)
    return Chart(
        title,
        plot.svg(),
        "On the grey line, an answer given with 80% confidence is right 80% of the time. Below it the "
        "network is too sure of itself, above it too modest. Larger dots stand for more images. "
        f"Expected calibration error: {expression['expected_calibration_error']:.3f} (0 is perfect).",
        ((BLUE, "this model"), (QUIET, "perfect calibration")),
    )


def lineage(nodes: Sequence[Node], present: Sequence[str]) -> Chart:
    """Which component took what which other one made.

    Args:
        nodes: The graph in its order.
        present: Names of the components that the report is about.
    """
    order = {node.name: index for index, node in enumerate(nodes)}
    arcs = [(upstream, node.name) for node in nodes for upstream in sorted(node.upstream)]
    reach = {arc: _REACH * (order[arc[1]] - order[arc[0]]) ** 0.85 for arc in arcs}
    left = 16 + max(reach.values(), default=0)
    marks = []
    for upstream, name in arcs:
        top, bottom = (_ROW * (order[end] + 0.5) for end in (upstream, name))
        # A cubic curve comes three quarters of the way to its control points.
        bend = left - reach[upstream, name] / 0.75
        marks.append(
            Markup(
                '<path class="edge {0}" d="M{1:.1f} {2} C{3:.1f} {2} {3:.1f} {4} {5:.1f} {4}"/>'
                '<path class="tip" d="M{6:.1f} {7}l7 4l-7 4z"/>'
            ).format(
                BLUE if {upstream, name} <= {*present} else QUIET,
                *(left, top, bend, bottom, left - 9, left - 12, bottom - 4),
            )
        )
    for name, index in order.items():
        row = _ROW * (index + 0.5)
        mark = BLUE if name in present else QUIET
        marks.append(
            Markup(
                '<circle class="node {}" cx="{:.1f}" cy="{}" r="6"/><text x="{:.1f}" y="{}">{}</text>'
            ).format(mark, left, row, left + 16, row + 5, name)
        )
    title = "Which component fed which"
    return Chart(
        title,
        svg(title, round(left) + 150, _ROW * len(order), marks),
        "Read from top to bottom: each arc goes from the component that made something to one that "
        "took it. Grey ones had no part in this report.",
    )

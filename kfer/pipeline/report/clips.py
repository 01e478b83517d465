"""The report's section on clips: how a network comes to its answer, frame by frame."""

from collections.abc import Mapping, Sequence
from typing import Any

from kfer.pipeline.report.charts import BLUE, ORANGE, QUIET, Chart
from kfer.pipeline.report.faces import Split
from kfer.pipeline.report.plot import Axis, Plot


def over_time(evaluation: Mapping[str, Any] | None, split: Split | None) -> dict[str, Any] | None:
    """What the page shows of clips; None where there are none, or the network needs all frames.

    Args:
        evaluation: evaluation.json.
        split: The test split, whose clips are shown.
    """
    report = (evaluation or {}).get("clips")
    if not report:
        return None
    examples = [] if split is None else report["examples"]
    return {
        "report": report,
        "accuracy": _accuracy(report["accuracy_by_frame"]),
        "examples": [
            (split.face(each["index"], ""), _answers(each, split.expressions))
            for each in examples
            if split is not None
        ],
    }


def _accuracy(by_frame: list[float | None]) -> Chart:
    title = "Accuracy by frames seen"
    points = [(float(frame), value) for frame, value in enumerate(by_frame, 1) if value is not None]
    plot = Plot(
        title,
        Axis("frames seen", 1, max(len(by_frame), 2), whole=True),
        Axis("accuracy", 0.0, 1.0, percent=True),
    )
    plot.line(points, BLUE)
    return Chart(
        title,
        plot.svg(),
        "What the network would say if the clip ended there. Where it rises late, the class shows late.",
    )


def _answers(example: Mapping[str, Any], names: Sequence[str]) -> Chart:
    """The probability of a clip's class, and of the strongest other one, after each frame."""
    label, by_frame = example["label"], example["probabilities"]
    last = by_frame[-1]
    other = max(
        (index for index in range(len(last)) if index != label), key=lambda index: _mean(by_frame, index)
    )
    title = names[label]
    plot = Plot(
        f"{title}: probabilities by frames seen",
        Axis("frames seen", 1, max(len(by_frame), 2), whole=True),
        Axis("probability", 0.0, 1.0, percent=True),
        width=420,
        height=170,
    )
    plot.line([(1.0, 0.5), (float(max(len(by_frame), 2)), 0.5)], QUIET)
    for index, mark in ((other, ORANGE), (label, BLUE)):
        plot.line([(float(frame), row[index]) for frame, row in enumerate(by_frame, 1)], mark)
    return Chart(title, plot.svg(), "", ((BLUE, names[label]), (ORANGE, names[other])))


def _mean(by_frame: list[list[float]], index: int) -> float:
    return sum(row[index] for row in by_frame) / len(by_frame)

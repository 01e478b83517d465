"""Small charts as inline SVG: text stays text, and colours come from the page's style sheet.

A mark's class `c0`, `c1` ... picks its colour, so that light and dark pages need one drawing.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 22, 12, 46
_TICK_STEPS = (1, 2, 2.5, 5, 10)


@dataclass(frozen=True)
class Axis:
    """One direction of a chart.

    Attributes:
        label: What is measured, with its unit.
        low: Value at the left or lower end; above 0 where `base` is given.
        high: Value at the other end, above `low`.
        base: Equal steps multiply, and ticks are powers of this number; 0 for a linear scale.
        percent: Whether shares are written in percent.
        whole: Whether only whole numbers make sense.
    """

    label: str
    low: float
    high: float
    base: int = 0
    percent: bool = False
    whole: bool = False

    def position(self, value: float) -> float:
        """Where a value lies, 0 at the low end and 1 at the high one; beyond them, at the end."""
        low, high = self.low, self.high
        if self.base:
            low, high, value = (math.log(number) for number in (low, high, max(value, low)))
        return min(max((value - low) / (high - low), 0.0), 1.0)

    def ticks(self) -> list[float]:
        """Round values between the ends, three to seven of them."""
        if self.base:
            first, last = (math.log(end, self.base) for end in (self.low, self.high))
            return [float(self.base**power) for power in _whole_between(first, last)]
        step = _round_step((self.high - self.low) / 5)
        if self.whole:
            step = max(1, math.ceil(step))
        return [index * step for index in _whole_between(self.low / step, self.high / step)]

    def text(self, value: float) -> str:
        """A tick's value as it is written."""
        if self.percent:
            return f"{100 * value:.10g}%"
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


class Plot:
    """A chart that is drawn mark by mark.

    Args:
        title: Read out where the chart cannot be seen.
        x: The axis from left to right.
        y: The axis from bottom to top.
        width: Of the drawing in pixels; the page scales it.
        height: Of the drawing in pixels.
    """

    def __init__(self, title: str, x: Axis, y: Axis, width: int = 420, height: int = 270) -> None:
        self._title, self._x, self._y = title, x, y
        self._width, self._height = width, height
        self._marks: list[Markup] = []

    def line(self, points: Sequence[tuple[float, float]], mark: str) -> None:
        """Joins points by a line; a lone one is a dot. Points that are not finite leave a gap."""
        part: list[tuple[float, float]] = []
        for point in [*points, (math.nan, math.nan)]:
            if all(math.isfinite(value) for value in point):
                part.append(point)
                continue
            if len(part) == 1:
                self.dot(*part[0], mark)
            elif part:
                places = " ".join(f"{self._across(x):.1f},{self._up(y):.1f}" for x, y in part)
                self._marks.append(Markup('<polyline class="line {}" points="{}"/>').format(mark, places))
            part = []

    def dot(self, x: float, y: float, mark: str, radius: float = 4, text: str = "") -> None:
        """A disc, with a text that is shown while it is pointed at."""
        self._marks.append(
            Markup(
                '<circle class="dot {}" cx="{:.1f}" cy="{:.1f}" r="{:.1f}"><title>{}</title></circle>'
            ).format(mark, self._across(x), self._up(y), radius, text)
        )

    def bar(self, low: float, high: float, value: float, mark: str, text: str = "") -> None:
        """A bar from `low` to `high` along x that reaches up to `value`."""
        left, right, top = self._across(low), self._across(high), self._up(value)
        self._marks.append(
            Markup(
                '<rect class="bar {}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}">'
                "<title>{}</title></rect>"
            ).format(mark, left, top, max(right - left, 0), self._height - _BOTTOM - top, text)
        )

    def rule(self, x: float, text: str) -> None:
        """A dashed upright line with a text at its upper end, towards the chart's middle."""
        across = self._across(x)
        is_right = across > self._width / 2
        self._marks.append(
            Markup(
                '<line class="rule" x1="{0:.1f}" x2="{0:.1f}" y1="{1}" y2="{2}"/>'
                '<text class="note" x="{3:.1f}" y="{4}" text-anchor="{5}">{6}</text>'
            ).format(
                across,
                _TOP,
                self._height - _BOTTOM,
                across + (-6 if is_right else 6),
                _TOP + 12,
                "end" if is_right else "start",
                text,
            )
        )

    def svg(self) -> Markup:
        """The drawing."""
        return svg(self._title, self._width, self._height, [*self._frame(), *self._marks])

    def _across(self, x: float) -> float:
        return _LEFT + self._x.position(x) * (self._width - _LEFT - _RIGHT)

    def _up(self, y: float) -> float:
        return self._height - _BOTTOM - self._y.position(y) * (self._height - _TOP - _BOTTOM)

    def _frame(self) -> list[Markup]:
        bottom, right = self._height - _BOTTOM, self._width - _RIGHT
        marks = []
        for value in self._y.ticks():
            up = self._up(value)
            marks.append(
                Markup(
                    '<line class="gridline" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>'
                    '<text class="tick" x="{}" y="{:.1f}" text-anchor="end">{}</text>'
                ).format(_LEFT, right, up, up, _LEFT - 7, up + 4, self._y.text(value))
            )
        for value in self._x.ticks():
            across = self._across(value)
            marks.append(
                Markup(
                    '<line class="gridline" x1="{0:.1f}" x2="{0:.1f}" y1="{1}" y2="{2}"/>'
                    '<text class="tick" x="{0:.1f}" y="{3}" text-anchor="middle">{4}</text>'
                ).format(across, bottom, bottom + 4, bottom + 18, self._x.text(value))
            )
        marks.append(
            Markup(
                '<line class="axis" x1="{0}" x2="{1}" y1="{2}" y2="{2}"/>'
                '<text class="label" x="{3}" y="{4}" text-anchor="middle">{5}</text>'
                '<text class="label" transform="translate(12 {6}) rotate(-90)" text-anchor="middle">'
                "{7}</text>"
            ).format(
                _LEFT,
                right,
                bottom,
                (_LEFT + right) / 2,
                self._height - 7,
                self._x.label,
                (_TOP + bottom) / 2,
                self._y.label,
            )
        )
        return marks


def svg(title: str, width: float, height: float, marks: Sequence[Markup]) -> Markup:
    """A drawing of marks that are escaped already."""
    return Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        width, height, title, Markup("").join(marks)
    )


def _whole_between(first: float, last: float) -> range:
    return range(math.ceil(first - 1e-9), math.floor(last + 1e-9) + 1)


def _round_step(step: float) -> float:
    power = 10.0 ** math.floor(math.log10(step))
    return next(factor * power for factor in _TICK_STEPS if factor * power >= step * (1 - 1e-9))

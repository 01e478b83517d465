import math
import re

import pytest

from kfer.pipeline.report.plot import Axis, Plot


@pytest.mark.parametrize(
    ("axis", "ticks", "texts"),
    [
        (Axis("", 0.0, 1.0, percent=True), [0, 0.2, 0.4, 0.6, 0.8, 1], "0% 20% 40% 60% 80% 100%"),
        (Axis("", 1, 12, whole=True), [3, 6, 9, 12], "3 6 9 12"),
        (Axis("", 1, 2, whole=True), [1, 2], "1 2"),
        (Axis("", 0.001, 1.0, base=10, percent=True), [0.001, 0.01, 0.1, 1], "0.1% 1% 10% 100%"),
        (Axis("", 1, 32, base=2), [1, 2, 4, 8, 16, 32], "1 2 4 8 16 32"),
        (Axis("", -0.3, 0.9), [-0.25, 0, 0.25, 0.5, 0.75], "-0.25 0 0.25 0.5 0.75"),
    ],
)
def test_ticks_are_round_values_within_the_axis(axis, ticks, texts):
    assert axis.ticks() == pytest.approx(ticks)
    assert [axis.text(tick) for tick in axis.ticks()] == texts.split()


def test_log_axis_gives_equal_steps_to_equal_factors():
    axis = Axis("", 0.001, 1.0, base=10)
    assert [axis.position(value) for value in (0.001, 0.01, 0.1, 1.0)] == pytest.approx(
        [0, 1 / 3, 2 / 3, 1]
    )
    assert axis.position(0.0) == 0 and axis.position(2.0) == 1


def test_line_has_a_gap_where_a_value_is_missing():
    plot = Plot("losses", Axis("x", 0, 4), Axis("y", 0, 1))
    plot.line([(0, 0.5), (1, 0.5), (2, math.nan), (3, 0.25), (4, 0.5)], "c0")
    plot.line([(0, 0.1), (1, math.nan)], "c1")
    drawn = plot.svg()
    assert [len(points.split()) for points in re.findall('points="(.*?)"', drawn)] == [2, 2]
    assert drawn.count('class="dot c1"') == 1 and "nan" not in drawn


def test_texts_are_escaped():
    plot = Plot('"<a>', Axis("<b>", 0, 1), Axis("&c", 0, 1))
    plot.rule(0.5, "<script>")
    drawn = plot.svg()
    for text in ("&#34;&lt;a&gt;", "&lt;b&gt;", "&amp;c", "&lt;script&gt;"):
        assert text in drawn

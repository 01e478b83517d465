"""What charts of several networks share."""

import pytest
from matplotlib.figure import Figure

from kfer.comparison import drawing


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.602, 0.631, ["60.5%", "61%", "61.5%", "62%", "62.5%", "63%"]),
        (0.0, 1.0, ["0%", "20%", "40%", "60%", "80%", "100%"]),
    ],
)
def test_ticks_say_the_shares_where_they_are(low, high, expected):
    axes = Figure().subplots()
    axes.set_xlim(low, high)
    drawing.in_percent(axes.xaxis)
    ticks = [place for place in axes.get_xticks() if low <= place <= high]
    assert axes.xaxis.get_major_formatter().format_ticks(ticks) == expected

import re

import pytest

from kfer.pipeline.report.charts import training_curves

LOSSES = {"epoch": [1, 2, 3], "loss": [3, 2, 1], "one_loss": [2, 1, 1], "two_loss": [1, 1, 0]}


def lines(chart):
    """The heights of each line's points, by the colour that the legend names."""
    drawn = re.findall(r'class="line (c\d)" points="(.*?)"', chart.svg)
    heights = {
        mark: [float(point.partition(",")[2]) for point in points.split()] for mark, points in drawn
    }
    return {meaning: heights[mark] for mark, meaning in chart.legend if mark in heights}


def weights_of(**columns):
    charts = training_curves(LOSSES | {f"{name}_weight": values for name, values in columns.items()})
    return next((chart for chart in charts if chart.title == "Loss weights"), None)


def test_weights_are_drawn_together_where_one_changes():
    chart = weights_of(one=[1.0, 1.5, 2.0], two=[1.0, 1.0, 1.0])
    drawn = lines(chart)
    assert list(drawn) == ["one", "two"]
    # Upwards on a drawing is towards smaller numbers.
    assert drawn["one"][0] > drawn["one"][1] > drawn["one"][2]
    assert drawn["two"][0] == drawn["two"][2] == drawn["one"][0]


@pytest.mark.parametrize("last", [0.1, 0.1 + 1e-12, float("nan")])
def test_weights_that_stay_are_not_drawn(last):
    assert weights_of(one=[0.1, 0.1, last], two=[1.0, 1.0, 1.0]) is None


def test_weights_far_apart_are_drawn_on_a_log_scale():
    assert "log scale" not in weights_of(one=[1.0, 1.0, 10.0], two=[1.0, 1.0, 1.0]).svg
    chart = weights_of(one=[0.01, 0.1, 1.0], two=[1.0, 1.0, 1.0])
    heights = lines(chart)["one"]
    assert "log scale" in chart.svg
    assert heights[0] - heights[1] == pytest.approx(heights[1] - heights[2], abs=0.2)


def test_weights_come_behind_the_losses_and_have_no_charts_of_their_own():
    history = LOSSES | {"one_weight": [1.0, 2.0, 3.0], "val_one_accuracy": [0.1, 0.2, 0.3]}
    titles = [chart.title for chart in training_curves(history)]
    assert titles == ["Loss", "One loss", "Two loss", "Loss weights", "One accuracy"]


def test_a_figure_that_is_called_a_weight_is_drawn_as_any_other():
    # Without a loss of that name it is no task's weight.
    (chart,) = training_curves({"epoch": [1, 2], "val_body_weight": [70.0, 80.0]})
    assert chart.title == "Body weight"


@pytest.mark.parametrize(
    ("column", "title", "better"),
    [
        ("val_angles_mae", "Angles mean absolute error", "Lower is better"),
        ("val_angles_ccc", "Angles concordance", "Higher is better"),
        ("val_units_macro_f1", "Units macro F1", "Higher is better"),
        ("gloss_accuracy", "Gloss accuracy", "Higher is better"),
    ],
)
def test_the_reading_says_which_way_is_better(column, title, better):
    (chart,) = training_curves({"epoch": [1, 2], column: [0.1, 0.2]})
    assert chart.title == title and better in chart.reading

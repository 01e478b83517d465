import numpy as np
import pytest
from matplotlib.figure import Figure
from toy_tuning import RATE, SIZE, make_results, scored_by

from kfer.comparison.drawing import COLOURS, save_png
from kfer.tuning import coordinates, pareto, plots
from kfer.tuning.columns import differing
from kfer.tuning.importance import Importance


def drawn(panel):
    figure = Figure(figsize=(panel.width, panel.height), layout="constrained")
    axes = figure.subplots()
    panel.draw(axes)
    figure.canvas.draw()
    return axes


def texts(axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def lines(axes, count: int):
    return [line for line in axes.lines if len(line.get_xdata()) == count]


def test_every_trial_is_a_line_through_its_values(results):
    (panel,) = coordinates.coordinates(results)
    axes, found = drawn(panel), differing(results)
    scored, failed = lines(axes, len(found) + 1), lines(axes, len(found))
    assert (len(scored), len(failed)) == (12, 2)
    best = [line for line in scored if line.get_color() == COLOURS["orange"]]
    assert len(best) == 1
    expected = [column.place(results.best.values[column.name]) for column in found]
    assert list(best[0].get_xdata()) == pytest.approx([*expected, 1.0])
    assert {line.get_linestyle() for line in failed} == {"--"}
    assert {column.name for column in found} <= set(texts(axes))


def test_better_trials_are_stronger(results):
    (panel,) = coordinates.coordinates(results)
    blue = [line for line in drawn(panel).lines if line.get_color() == COLOURS["blue"]]
    by_score = sorted(blue, key=lambda line: line.get_xdata()[-1])
    strengths = [line.get_alpha() for line in by_score]
    assert strengths == sorted(strengths) and strengths[0] < strengths[-1]


def test_names_and_values_do_not_overlap():
    (panel,) = coordinates.coordinates(make_results(20, ()))
    axes = drawn(panel)
    boxes = [text.get_window_extent() for text in axes.texts]
    overlapping = [
        (one.get_text(), other.get_text())
        for index, one in enumerate(axes.texts)
        for other, box in list(zip(axes.texts, boxes, strict=True))[index + 1 :]
        if boxes[index].overlaps(box)
    ]
    assert overlapping == []


def test_the_best_so_far_never_falls(results):
    (panel,) = plots.over_time(results)
    axes = drawn(panel)
    (best,) = [line for line in axes.lines if line.get_label() == "best so far"]
    assert np.all(np.diff(best.get_ydata()) >= 0) and best.get_ydata()[-1] == results.best.score
    # 14 trials of two workers: the last ended seven times 700 s and 37 s after the search began.
    assert best.get_xdata()[-1] == pytest.approx((7 * 700 - 50 + 37) / 60, abs=1)
    assert "minutes" in axes.get_xlabel()
    (crosses,) = [line for line in axes.lines if line.get_label() == "failed"]
    assert len(crosses.get_xdata()) == 2


def test_the_front_is_marked_and_joined(results):
    (panel,) = plots.fronts(results)
    axes = drawn(panel)
    ahead = pareto.trials_of_front(results, pareto.metrics(results))
    (front,) = [line for line in axes.lines if line.get_label() == "Pareto front"]
    assert len(front.get_xdata()) == len(ahead)
    labels = {line.get_label() for line in axes.lines}
    assert {"the best", "as set"} <= labels


def test_a_first_trial_that_is_best_has_one_mark(results):
    made = scored_by(results, lambda trial: -float(trial.trial))
    assert coordinates.mark(made, made.trials[0]).label == "the best (as set)"
    assert coordinates.mark(made, made.trials[1]) is None


def test_bars_are_the_shares():
    (panel,) = plots.importances(Importance({RATE: 0.6, SIZE: 0.1}, 0.5))
    axes = drawn(panel)
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([0.6, 0.1, 0.3])
    assert {RATE, SIZE, "60%", "several together", "30%"} <= set(texts(axes))
    assert "explain 50% of" in panel.reading
    assert plots.importances(Importance(reason="none")) == []


def test_the_three_best_trials_learn(results):
    for panel in plots.learning(results):
        found = drawn(panel).lines
        assert len(found) == 3 and len(found[0].get_xdata()) == 3
        assert found[0].get_label() == f"trial {results.best.trial}, the best"


def test_pictures_are_written(tmp_path, results):
    save_png(plots.learning(results), tmp_path / "learning.png", columns=2)
    assert (tmp_path / "learning.png").stat().st_size > 10_000

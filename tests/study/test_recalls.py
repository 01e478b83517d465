import numpy as np
import pytest

from kfer import metrics
from kfer.settings import PipelineSettings, TaskSettings, TuningSettings
from kfer.study import StudySettings, recalls

#: Of four classes, of which nothing is labelled as the third.
LABELS = np.array([0, 0, 0, 0, 1, 1, 3])
PREDICTIONS = np.array([0, 0, 0, 2, 0, 1, 1])


def test_a_class_has_a_figure_by_its_name(settings):
    found = recalls.figures(settings)
    assert [figure.name for figure in found] == [
        f"expression_recall_{name}" for name in ("angry", "happy", "sad")
    ]
    assert {(figure.task, figure.drawn) for figure in found} == {("expression", "images")}


def test_without_expressions_there_is_none():
    base = PipelineSettings(
        tasks={"identity": TaskSettings("embedding")}, tuning=TuningSettings(trials=0)
    )
    assert recalls.figures(StudySettings("people", base, {"alone": {}})) == ()


def test_recall_is_the_share_told_right_of_a_class_that_has_images():
    found = recalls.intervals(LABELS, PREDICTIONS, 4)
    assert {key: interval.value for key, interval in found.items()} == {
        "recall_0": 3 / 4,
        "recall_1": 1 / 2,
        "recall_3": 0.0,
    }
    # Of none of one, the exact interval's end is where that has a chance of 2.5 %.
    assert (found["recall_3"].low, found["recall_3"].high) == pytest.approx((0, 0.975))
    assert found["recall_0"] == metrics.share_interval(3, 4)


def test_resamples_count_images_as_often_as_they_are_drawn():
    counts = np.array([[1, 1, 1, 1, 1, 1, 1], [2, 0, 0, 3, 0, 2, 0.0]])
    found = recalls.of_resamples(LABELS, PREDICTIONS, 4)(counts)
    np.testing.assert_allclose(found["recall_0"], [3 / 4, 2 / 5])
    np.testing.assert_allclose(found["recall_1"], [1 / 2, 1])
    # Its only image is not in the second.
    np.testing.assert_allclose(found["recall_3"], [0, np.nan])
    assert "recall_2" not in found

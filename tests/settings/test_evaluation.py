import pytest

from kfer.settings import EvaluationSettings, LabelSettings, PipelineSettings


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"resamples": 0}, "resamples must be at least 1; got 0"),
        ({"min_slice_examples": 0}, "min_slice_examples must be at least 1; got 0"),
        ({"slices": ("pose", "pose")}, r"slices must be different names; got \('pose', 'pose'\)"),
    ],
)
def test_values_that_are_not_allowed_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        EvaluationSettings(**values)


def test_examples_carry_the_attributes_of_slices():
    labels = PipelineSettings(evaluation=EvaluationSettings(slices=("pose",))).labels()
    assert labels["pose"] == LabelSettings("classes")
    assert set(labels) == {"expression", "identity", "pose"}

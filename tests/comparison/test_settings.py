from pathlib import Path

import pytest

from kfer.comparison import ComparisonSettings
from kfer.pipeline import config
from kfer.settings import (
    DataSettings,
    ModelSettings,
    SourceSettings,
    TaskSettings,
    TrainingSettings,
    dotted,
)

PROJECT = Path(__file__).parents[2]


def make(**changes) -> ComparisonSettings:
    given = {
        "name": "toy",
        "candidates": {"one": ModelSettings()},
        "data": DataSettings(),
        "training": TrainingSettings(),
    }
    return ComparisonSettings(**{**given, **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"candidates": {}}, "at least one network"),
        ({"candidates": {"one": {"backbone": "compact"}}}, "must be ModelSettings"),
        ({"candidates": {"a/b": ModelSettings()}}, "letters, digits, - and _"),
        ({"seeds": ()}, "at least one; got"),
        ({"seeds": (1, 1)}, r"different numbers, at least one; got \(1, 1\)"),
        ({"data": DataSettings((SourceSettings("lfw"), SourceSettings("orl")))}, "got lfw, orl"),
        (
            {"expression": TaskSettings(names=("a", "b"), weight=0.0)},
            "kind classes with a weight above 0",
        ),
        ({"resamples": 0}, "resamples must be at least 1; got 0"),
        ({"int8_images": 0}, "int8_images must be at least 1; got 0"),
        ({"references": {"a paper": 53.4}}, r"a paper must be in \[0, 1\]; got 53\.4"),
    ],
)
def test_what_makes_no_comparison_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        make(**changes)


def test_settings_are_overridden_by_name():
    changed = dotted.override(make(), {"training.epochs": "3", "seeds": "0,1", "timed_steps": "4"})
    assert (changed.training.epochs, changed.seeds, changed.timed_steps) == (3, (0, 1), 4)
    with pytest.raises(ValueError, match=r"there is no setting 'training\.epoch'"):
        dotted.override(make(), {"training.epoch": "3"})


def test_the_study_of_the_large_backbones_can_be_read():
    settings = config.load_settings(PROJECT / "pipelines" / "compare_backbones.py", ComparisonSettings)
    assert list(settings.candidates) == ["resnet152", "densenet161", "compact"]
    assert settings.training.epochs >= 8

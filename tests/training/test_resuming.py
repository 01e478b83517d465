import dataclasses
from pathlib import Path

import pytest
from toy_callbacks import abort
from toy_fit import SETTINGS, STAGES, assert_same, build, train


@pytest.mark.parametrize(
    ("settings", "killed_in"),
    [
        ({}, 2),
        ({"stages": STAGES, "layer_decay": 0.7}, 1),  # in the first epoch of the second stage
        pytest.param(  # in its second
            {"stages": STAGES, "layer_decay": 0.7, "optimizer": "sgd"}, 2, marks=pytest.mark.slow
        ),
    ],
)
def test_a_run_that_is_killed_ends_as_one_that_is_not(
    tmp_path: Path, settings: dict, killed_in: int
) -> None:
    settings = dataclasses.replace(SETTINGS, **settings)
    whole, resumed = build(), build()
    expected = train(tmp_path / "whole", whole, settings=settings)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "killed", settings=settings, callbacks=[abort(killed_in)])
    history = train(tmp_path / "killed", resumed, settings=settings)
    assert [figures["epoch"] for figures in history] == list(range(1, settings.total_epochs() + 1))
    assert_same(history, resumed, expected, whole)
    assert train(tmp_path / "killed", settings=settings) == history


def test_other_settings_do_not_go_on_from_a_checkpoint(tmp_path: Path) -> None:
    short = dataclasses.replace(SETTINGS, epochs=1)
    train(tmp_path, settings=short)
    with pytest.raises(ValueError, match=r"epochs was 1 and is 4. Set them as they were, or delete"):
        train(tmp_path)
    with pytest.raises(ValueError, match="is of another network"):
        train(tmp_path, build(num_identities=5), settings=short)


@pytest.mark.parametrize(
    "settings",
    [
        {"average": 0.9, "accumulation": 2, "gradient_clip": 0.5, "optimizer": "lamb"},
        {"average": 0.9, "stages": STAGES, "weighting": "uncertainty", "schedule": "one_cycle"},
        pytest.param({"weighting": "dynamic_average"}, marks=pytest.mark.slow),
        {"weighting": "gradnorm"},
        pytest.param({"weighting": "uw_so"}, marks=pytest.mark.slow),
        pytest.param({"weighting": "pcgrad"}, marks=pytest.mark.slow),
    ],
)
def test_every_part_of_the_recipe_resumes(tmp_path: Path, settings: dict) -> None:
    settings = dataclasses.replace(SETTINGS, epochs=3, **settings)
    whole, resumed = build(), build()
    expected = train(tmp_path / "whole", whole, settings)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "killed", build(), settings, callbacks=[abort(1)])
    history = train(tmp_path / "killed", resumed, settings)
    assert_same(history, resumed, expected, whole)

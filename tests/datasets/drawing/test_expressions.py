import numpy as np
import pytest

from kfer import spec
from kfer.datasets.drawing import ACTION_UNITS, action_units
from kfer.datasets.drawing.expressions import PROTOTYPES, VARIANTS


def _sampled(expression: str, seed: int) -> dict[str, float]:
    return dict(zip(ACTION_UNITS, action_units(expression, np.random.default_rng(seed)), strict=True))


def test_prototypes_are_those_of_emfacs():
    assert set(PROTOTYPES) == set(VARIANTS) == set(spec.EXPRESSIONS)
    numbers = {name: {int(unit[2:]) for unit in units} for name, units in PROTOTYPES.items()}
    assert numbers["happy"] == {6, 12}
    assert numbers["sad"] == {1, 4, 15}
    assert numbers["surprise"] == {1, 2, 5, 26}
    assert numbers["fear"] == {1, 2, 4, 5, 7, 20, 26}
    assert numbers["angry"] == {4, 5, 7, 23}
    assert numbers["disgust"] == {9, 15, 16}
    assert numbers["neutral"] == set()


@pytest.mark.parametrize("expression", spec.EXPRESSIONS)
def test_prototype_is_strong_and_what_does_not_belong_rests(expression):
    for seed in range(20):
        units = _sampled(expression, seed)
        assert all(0.7 <= units[name] <= 1 for name in PROTOTYPES[expression])
        others = set(ACTION_UNITS) - set(PROTOTYPES[expression]) - set(VARIANTS[expression])
        assert all(0 <= units[name] < 0.08 for name in others)


@pytest.mark.parametrize("expression", [name for name, variants in VARIANTS.items() if variants])
def test_variants_come_in_some_images(expression):
    strong = [_sampled(expression, seed)[VARIANTS[expression][0]] >= 0.7 for seed in range(40)]
    assert 8 <= sum(strong) <= 32


def test_vector_is_float32_of_all_units():
    units = action_units("fear", np.random.default_rng(0))
    assert units.shape == (16,)
    assert units.dtype == np.float32


def test_unknown_expression_is_named_with_the_nearest():
    with pytest.raises(ValueError, match=r"is 'suprise'; expected one of angry.*mean 'surprise'"):
        action_units("suprise", np.random.default_rng(0))

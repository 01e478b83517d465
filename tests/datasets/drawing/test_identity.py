import dataclasses

import pytest

from kfer.datasets.drawing import Identity, sample_identity
from kfer.datasets.drawing.identity import HAIR_STYLES, darker, mixed


def test_same_seed_is_the_same_person_and_another_seed_another():
    assert sample_identity(5) == sample_identity(5)
    people = [dataclasses.replace(sample_identity(seed), seed=0) for seed in range(100)]
    assert len(set(people)) == 100


@pytest.mark.parametrize(
    "name",
    [
        field.name
        for field in dataclasses.fields(Identity)
        if field.type == "float" or field.type is float
    ],
)
def test_lengths_are_many_valued(name):
    values = {getattr(sample_identity(seed), name) for seed in range(60)} - {0.0}
    # Optional parts (a bun, a beard) are 0 for most people.
    assert len(values) >= 3


def test_every_hair_style_comes():
    assert {sample_identity(seed).hair_style for seed in range(60)} == set(HAIR_STYLES)
    assert sum(HAIR_STYLES.values()) == pytest.approx(1)


def test_colours_are_bytes():
    for seed in range(60):
        person = sample_identity(seed)
        for colour in (
            person.skin,
            person.hair_colour,
            person.brow_colour,
            person.lip_colour,
            person.iris_colour,
        ):
            assert all(isinstance(value, int) and 0 <= value <= 255 for value in colour)


def test_brows_are_darker_than_skin():
    for seed in range(60):
        person = sample_identity(seed)
        assert sum(person.brow_colour) < sum(person.skin)


def test_darker_and_mixed():
    assert darker((100, 200, 50), 0.5) == (50, 100, 25)
    assert mixed((0, 100, 200), (100, 100, 0), 0.25) == (25, 100, 150)

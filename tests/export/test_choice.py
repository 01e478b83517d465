import numpy as np
import pytest

from kfer.export import choice
from kfer.export.choice import typical
from kfer.input_pipeline import Decoded


def examples(expression: list[int], identity: list[int], source: list[int]) -> Decoded:
    labels = (np.array(values, np.int32) for values in (expression, identity, source))
    count = len(source)
    return Decoded(np.zeros((count, 1, 1, 1), np.uint8), *labels, np.array([""] * count))


# Forty expressions of which one in ten is rare, and twenty people: one with eight images, six with two.
MIXED = examples(
    expression=([0] * 9 + [1]) * 4 + [-1] * 20,
    identity=[-1] * 40 + [7] * 8 + [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6],
    source=[0] * 40 + [1] * 20,
)


def test_calibration_has_as_many_of_each_source_and_class() -> None:
    chosen = choice.for_calibration(MIXED, 16)
    assert np.bincount(MIXED.source[chosen]).tolist() == [8, 8]
    labels = MIXED.expression[chosen]
    assert [np.sum(labels == label) for label in (0, 1)] == [4, 4]
    assert (np.diff(chosen) > 0).all()
    assert chosen.dtype == np.int64
    np.testing.assert_array_equal(choice.for_calibration(MIXED, 16), chosen)


@pytest.mark.parametrize("choose", [choice.for_calibration, choice.for_parity])
def test_there_may_be_fewer_than_asked_for(choose) -> None:
    np.testing.assert_array_equal(choose(MIXED, 500), np.arange(60))
    assert np.bincount(MIXED.source[choose(MIXED, 50)]).tolist() == [30, 20]
    assert choose(examples([], [], []), 5).tolist() == []


def test_parity_has_two_images_of_each_person() -> None:
    chosen = choice.for_parity(MIXED, 32)
    assert np.bincount(MIXED.source[chosen]).tolist() == [16, 16]
    people, images = np.unique(MIXED.identity[chosen[chosen >= 40]], return_counts=True)
    # Eight of the sixteen are two images each of four people, the others are anybody's.
    assert len(people) >= 4 and np.sum(images >= 2) >= 4
    few = choice.for_parity(MIXED, 8)
    assert np.bincount(MIXED.source[few]).tolist() == [4, 4]
    assert np.sum(np.bincount(MIXED.identity[few[few >= 40]]) >= 2) >= 1


def test_an_image_on_which_a_network_explodes_is_not_typical():
    rng = np.random.default_rng(0)
    outputs = {"expression": rng.normal(size=(200, 7)), "embedding": rng.standard_t(3, (200, 128))}
    assert typical(outputs).all()
    outputs["embedding"][31] *= 100
    outputs["expression"][77] *= 100
    assert np.flatnonzero(~typical(outputs)).tolist() == [31, 77]
    assert typical({"expression": np.ones((5, 2))}).all()
    assert typical({"expression": np.array([[1.0], [1.0], [1.0], [1.0], [90.0]])}).all()

import numpy as np
import pytest

from kfer.evaluation.faces import Faces
from kfer.settings import EvaluationSettings

SETTINGS = EvaluationSettings(folds=2)


def faces(angles, identities, settings=SETTINGS):
    angles = np.radians(angles)
    return Faces(np.array(identities), np.stack([np.cos(angles), np.sin(angles)], axis=1), settings)


def test_pairs_have_the_cosines_of_their_images():
    # Two images of each of two people, 10 degrees apart; the people are 90 degrees apart or so.
    pairs = faces([0, 10, 90, 100, 50], [3, 3, 4, 4, -1]).pairs
    assert len(pairs) == 4 and pairs.same.sum() == 2
    np.testing.assert_allclose(pairs.similarities[pairs.same], np.cos(np.radians(10)))
    assert (pairs.similarities[~pairs.same] < np.cos(np.radians(75))).all()
    assert sorted(pairs.folds[pairs.same]) == sorted(pairs.folds[~pairs.same]) == [0, 1]


@pytest.mark.parametrize("identities", [[1, 1, 1, 1], [1, 2, 3, 4], [-1, -1, -1, -1], [1, 1, 2, 3]])
def test_too_few_people_make_no_pairs(identities):
    some = faces([0, 10, 20, 30], identities)
    assert some.pairs is None and some.intervals(10, seed=0) == {}
    assert some.sizes()["num_pairs"] == 0


def test_intervals_are_of_these_faces_and_of_the_threshold_in_use():
    some = faces([0, 10, 90, 100], [3, 3, 4, 4])
    assert {name: figure.value for name, figure in some.intervals(10, seed=0).items()} == {"accuracy": 1}
    strict = some.accepted_from({"threshold": 0.999}).intervals(10, seed=0)
    assert strict["true_accept_rate"].value == 0 and strict["false_accept_rate"].value == 0
    loose = some.accepted_from({"threshold": -1.0}).intervals(10, seed=0)
    assert loose["true_accept_rate"].value == 1 and loose["false_accept_rate"].value == 1
    assert list(some.accepted_from(None).intervals(10, seed=0)) == ["accuracy"]


def test_chosen_faces_keep_settings_and_threshold():
    some = faces([0, 10, 90, 100], [3, 3, 4, -1]).accepted_from({"threshold": 0.5})
    part = some.chosen(np.array([True, False, True, True]))
    assert part.identities.tolist() == [3, 4, -1] and part.threshold == 0.5
    assert part.sizes() == {"num_examples": 2, "num_pairs": 0}

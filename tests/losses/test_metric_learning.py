import math

import numpy as np
import pytest

from kfer import losses
from kfer.losses import addons

# On the unit circle at 0, 60, 90 and 180 degrees.
ANGLES = np.radians([0, 60, 90, 180])
EMBEDDINGS = np.stack([np.cos(ANGLES), np.sin(ANGLES)], -1)
LABELS = [5, 5, 8, -1]
ALL = [losses.triplet_semihard, losses.triplet_hard, losses.supervised_contrastive]


@pytest.fixture(autouse=True)
def own_implementation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addons, "available", lambda: False)


def squared(degrees: float) -> float:
    return 2 - 2 * math.cos(math.radians(degrees))


def test_semihard_by_hand() -> None:
    # From 0 to 60 degrees the negative at 90 is farther. From 60 to 0 it is nearer, at 30 degrees: there
    # is none farther, so it is taken all the same.
    value = losses.triplet_semihard(LABELS, EMBEDDINGS, margin=1.5)
    expected = (squared(60) - squared(90) + 1.5 + squared(60) - squared(30) + 1.5) / 2
    assert float(value) == pytest.approx(expected, rel=1e-5)


def test_semihard_takes_the_nearest_of_the_farther_and_else_the_farthest() -> None:
    # Anchor 0, positive 60. Negatives at 30, 90, 180: 90 is the nearest beyond 60. From 60, the
    # distances are 30, 30, 120: 120 is farther.
    angles = np.radians([0, 60, 30, 90, 180])
    embeddings = np.stack([np.cos(angles), np.sin(angles)], -1)
    value = losses.triplet_semihard([1, 1, 2, 3, 4], embeddings, margin=2.5)
    expected = (squared(60) - squared(90) + 2.5 + squared(60) - squared(120) + 2.5) / 2
    assert float(value) == pytest.approx(expected, rel=1e-5)
    # Without a farther one: from 60, of 30 and 90 at 30 degrees each and 40 at 20 it is not 40.
    angles = np.radians([0, 60, 40, 90])
    embeddings = np.stack([np.cos(angles), np.sin(angles)], -1)
    value = losses.triplet_semihard([1, 1, 2, 3], embeddings, margin=2.5)
    expected = (squared(60) - squared(90) + 2.5 + squared(60) - squared(30) + 2.5) / 2
    assert float(value) == pytest.approx(expected, rel=1e-5)


def test_hard_by_hand() -> None:
    # Chords are 2 sin(angle / 2); the negative at 90 degrees is an anchor without a positive.
    def chord(degrees: float) -> float:
        return 2 * math.sin(math.radians(degrees) / 2)

    value = losses.triplet_hard(LABELS, EMBEDDINGS, margin=1.0)
    gaps = [chord(60) - chord(90), chord(60) - chord(30), 0 - chord(30)]
    assert float(value) == pytest.approx(np.mean([gap + 1.0 for gap in gaps]), rel=1e-5)
    small = losses.triplet_hard(LABELS, EMBEDDINGS, margin=0.45)
    assert float(small) == pytest.approx((gaps[0] + 0.45 + gaps[1] + 0.45) / 3, rel=1e-4)
    soft = losses.triplet_hard(LABELS, EMBEDDINGS, soft=True)
    assert float(soft) == pytest.approx(np.mean(np.log1p(np.exp(gaps))), rel=1e-5)


def test_supervised_contrastive_by_hand() -> None:
    # Two anchors, each with one positive at 60 degrees, and the third example at 90 and at 30.
    def share(*degrees: float) -> float:
        powers = np.exp(np.cos(np.radians(degrees)) / 0.5)
        return powers[0] / powers.sum()

    value = losses.supervised_contrastive(LABELS, EMBEDDINGS, temperature=0.5)
    assert float(value) == pytest.approx(-np.mean(np.log([share(60, 90), share(60, 30)])), rel=1e-5)


def test_supervised_contrastive_averages_an_anchors_positives_outside_the_logarithm() -> None:
    # Three of one person, at 0, 60 and 90 degrees: the mean of the logarithms, not of the shares.
    cosines = EMBEDDINGS[:3] @ EMBEDDINGS[:3].T
    expected = 0.0
    for anchor in range(3):
        others = [other for other in range(3) if other != anchor]
        total = sum(math.exp(cosines[anchor, other]) for other in others)
        expected += -np.mean([cosines[anchor, other] - math.log(total) for other in others]) / 3
    value = losses.supervised_contrastive([4, 4, 4], EMBEDDINGS[:3], temperature=1.0)
    assert float(value) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("loss", ALL)
def test_a_batch_without_two_of_a_person_is_zero(loss, value_and_gradient) -> None:
    for labels in ([1, 2, 3, 4], [1, -1, -1, -1], [1, 2, -1, -1]):
        value, gradient = value_and_gradient(loss, labels, EMBEDDINGS)
        assert value == 0
        np.testing.assert_array_equal(gradient, np.zeros_like(EMBEDDINGS))


@pytest.mark.parametrize("loss", [losses.triplet_semihard, losses.triplet_hard])
def test_a_batch_of_one_person_has_no_triplet(loss, value_and_gradient) -> None:
    value, gradient = value_and_gradient(loss, [1, 1, 1, -1], EMBEDDINGS)
    assert value == 0
    np.testing.assert_array_equal(gradient, np.zeros_like(EMBEDDINGS))


@pytest.mark.parametrize("loss", ALL)
def test_order_and_numbers_of_people_do_not_count(loss) -> None:
    embeddings = np.random.default_rng(0).normal(size=(8, 4))
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    labels = np.array([0, 1, 0, 2, 1, 1, 3, 2])
    order = np.random.default_rng(1).permutation(8)
    value = float(loss(labels, embeddings))
    assert value > 0
    assert float(loss(90 - labels[order], embeddings[order])) == pytest.approx(value, rel=1e-5)


@pytest.mark.parametrize("loss", ALL)
def test_people_far_apart_have_little_loss(loss) -> None:
    embeddings = np.repeat(np.eye(3), 2, axis=0)
    together, apart = loss([0, 0, 1, 1, 2, 2], embeddings), loss([0, 1, 1, 2, 2, 0], embeddings)
    assert float(together) < 1e-3 < float(apart)

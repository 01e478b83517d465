import dataclasses

import numpy as np
import pytest

from kfer import metrics
from kfer.study import differences
from kfer.study.differences import Expressions, Pairs

NOBODY = np.full(400, -1)
#: What one network is wrong about, and what another.
WRONG = ([0, 1, 2, 8], [0, 8, 9])


def expressions(right: np.ndarray, people: np.ndarray = NOBODY) -> Expressions:
    """Two classes in turn, told right where it says so."""
    labels = np.arange(len(right)) % 2
    return Expressions(labels, np.where(right, labels, 1 - labels), people, 2)


def pairs(similarities: np.ndarray) -> Pairs:
    return Pairs(similarities, np.arange(400) % 2 == 0, np.arange(400) // 2 % 10)


def test_a_difference_is_the_second_less_the_first():
    first, second = (expressions(np.arange(400) < right) for right in (200, 300))
    found = differences.of_expressions([first], [second], 50)
    assert found["accuracy"].value == pytest.approx(0.25)
    turned = differences.of_expressions([second], [first], 50)["accuracy"]
    ends = (turned.value, turned.high, turned.low)
    assert ends == pytest.approx([-end for end in vars(found["accuracy"]).values()])


def test_networks_that_say_the_same_do_not_differ_however_images_are_drawn():
    same = expressions(np.random.default_rng(0).random(400) < 0.6)
    assert vars(differences.of_expressions([same], [same], 50)["accuracy"]) == dict.fromkeys(
        ("value", "low", "high"), 0.0
    )


def test_the_interval_is_that_of_the_paired_difference():
    # Both are wrong about 150 images, only the second about 20 and only the first about 40 more.
    first = np.ones(400, bool)
    second = np.ones(400, bool)
    first[:190], second[:150], second[190:210] = False, False, False
    found = differences.of_expressions([expressions(first)], [expressions(second)], 4000)["accuracy"]
    assert found.value == pytest.approx(20 / 400)
    # Of +1 for 40 images, -1 for 20 and 0 for the rest: the normal approximation.
    error = np.std(second.astype(float) - first) / 20
    assert (found.low, found.high) == pytest.approx((0.05 - 1.96 * error, 0.05 + 1.96 * error), abs=0.003)
    unpaired = metrics.class_intervals(np.arange(400) % 2, expressions(second).predictions, 2, 4000, 0)
    width = unpaired["accuracy"].high - unpaired["accuracy"].low
    assert found.high - found.low < 0.9 * width


def test_images_of_one_person_are_drawn_together():
    people = np.repeat(np.arange(40), 10)
    first, second = (expressions(people % number == 0, people) for number in (3, 2))
    by_person = differences.of_expressions([first], [second], 2000)["accuracy"]
    alone = [dataclasses.replace(said, people=NOBODY) for said in (first, second)]
    by_image = differences.of_expressions([alone[0]], [alone[1]], 2000)["accuracy"]
    ratio = (by_person.high - by_person.low) / (by_image.high - by_image.low)
    assert by_person.value == by_image.value and ratio == pytest.approx(10**0.5, rel=0.15)


def test_several_seeds_count_by_their_mean():
    low, middle, high = (expressions(np.arange(400) < right) for right in (100, 200, 300))
    found = differences.of_expressions([low, high], [middle, high], 50)
    assert found["accuracy"].value == pytest.approx((0.5 + 0.75) / 2 - (0.25 + 0.75) / 2)


def test_a_recall_differs_by_what_its_class_is_told_right_more_often():
    labels = np.array([0] * 8 + [1] * 4)
    first, second = (np.where(np.isin(np.arange(12), wrong), 1 - labels, labels) for wrong in WRONG)
    told = [Expressions(labels, said, NOBODY[:12], 3) for said in (first, second)]
    found = differences.of_expressions(told[:1], told[1:], 2000)
    # Of eight 5 and then 7, of four 3 and then 2; the third has no image.
    assert found["recall_0"].value == pytest.approx(2 / 8)
    assert found["recall_1"].value == pytest.approx(-1 / 4)
    assert found["accuracy"].value == pytest.approx(1 / 12)
    assert "recall_2" not in found
    # The second is right about all that the first is, of 0, and wrong about all of 1 that it is not.
    assert found["recall_0"].low == 0 < found["recall_0"].high < 1
    assert -1 < found["recall_1"].low < 0 == found["recall_1"].high


def test_equal_means_of_seeds_have_no_sign():
    # (0.1 + 0.7) / 2 and (0.2 + 0.6) / 2 are not the same number in binary.
    first, second = (
        [expressions(np.arange(20) < 2 * right) for right in counts] for counts in ((1, 7), (2, 6))
    )
    assert differences.of_expressions(first, second, 50)["accuracy"].value == 0.0


def test_pairs_have_accuracy_and_true_accepts_of_both():
    rng = np.random.default_rng(1)
    noise, genuine = rng.normal(size=400), np.arange(400) % 2 == 0
    first, second = pairs(noise + genuine), pairs(noise + 3 * genuine)
    found = differences.of_pairs([first], [second], 200)
    for name, figure in {
        "accuracy": lambda told: metrics.verification_accuracy(*vars(told).values()).mean,
        "tar_at_far_0.01": lambda told: metrics.tar_at_far(
            metrics.roc(told.similarities, told.same), 0.01
        ),
    }.items():
        assert found[name].value == pytest.approx(figure(second) - figure(first)), name
        assert 0 < found[name].low < found[name].value < found[name].high


def test_other_images_or_pairs_are_refused():
    one = expressions(np.ones(400, bool))
    with pytest.raises(ValueError, match="judged on the same images; they differ"):
        differences.of_expressions([one], [expressions(np.ones(398, bool), NOBODY[:398])], 5)
    with pytest.raises(ValueError, match="judged on the same images; they differ"):
        differences.of_expressions([one], [dataclasses.replace(one, labels=1 - one.labels)], 5)
    told = pairs(np.arange(400.0))
    with pytest.raises(ValueError, match="judged on the same pairs; they differ"):
        differences.of_pairs([told], [dataclasses.replace(told, same=~told.same)], 5)

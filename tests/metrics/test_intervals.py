"""Intervals against drawing examples one resample at a time and asking the figure itself."""

import numpy as np
import pytest

from kfer import metrics

NAN = float("nan")
RESAMPLES = 2000


def drawn_interval(figure, num, seed=7, resamples=1000):
    rng = np.random.default_rng(seed)
    values = [figure(rng.integers(0, num, num)) for _ in range(resamples)]
    return np.quantile(values, [0.025, 0.975])


def test_class_intervals():
    rng = np.random.default_rng(0)
    labels, predictions = rng.integers(-1, 3, 300), rng.integers(0, 3, 300)
    predictions[:120] = np.maximum(labels[:120], 0)
    known = labels >= 0
    truth, said = labels[known], predictions[known]
    found = metrics.class_intervals(labels, predictions, 3, RESAMPLES, seed=1)
    assert found == metrics.class_intervals(truth, said, 3, RESAMPLES, seed=1)
    confusion = metrics.confusion_matrix(labels, predictions, 3)
    assert found["accuracy"].value == pytest.approx(metrics.accuracy(labels, predictions))
    assert found["macro_f1"].value == pytest.approx(metrics.macro_f1(confusion))
    for name, figure in {
        "accuracy": lambda d: np.mean(truth[d] == said[d]),
        "macro_f1": lambda d: metrics.macro_f1(metrics.confusion_matrix(truth[d], said[d], 3)),
    }.items():
        expected = drawn_interval(figure, len(truth))
        assert (found[name].low, found[name].high) == pytest.approx(expected, abs=0.01), name


def test_class_intervals_of_people_are_wider_than_of_their_images():
    # Each of 30 people has 10 images, told right or wrong all together.
    people = np.repeat(np.arange(30), 10)
    labels, predictions = np.zeros(300, int), np.repeat(np.arange(30) % 3 == 0, 10).astype(int)
    by_image = metrics.class_intervals(labels, predictions, 2, RESAMPLES, seed=0)["accuracy"]
    by_person = metrics.class_intervals(labels, predictions, 2, RESAMPLES, 0, people)["accuracy"]
    ratio = (by_person.high - by_person.low) / (by_image.high - by_image.low)
    assert by_person.value == by_image.value and ratio == pytest.approx(10**0.5, rel=0.1)


def test_groups_of_missing_labels_are_not_drawn():
    labels, predictions = np.array([0, -1, 1, 1, -1]), np.array([0, 0, 0, 1, 1])
    groups = np.array([5, 6, 5, 7, 8])
    known = labels >= 0
    assert metrics.class_intervals(labels, predictions, 2, 50, 0, groups) == metrics.class_intervals(
        labels[known], predictions[known], 2, 50, 0, groups[known]
    )


def test_nothing_labelled_has_no_figure():
    found = metrics.class_intervals(np.array([-1, -1]), np.array([0, 1]), 2, 10, seed=0)
    assert np.isnan(found["accuracy"].value) and np.isnan(found["macro_f1"].value)


def test_label_intervals():
    rng = np.random.default_rng(0)
    labels, probabilities = rng.integers(0, 2, (200, 3)).astype(float), rng.random((200, 3))
    labels[rng.random((200, 3)) < 0.2] = NAN
    found = metrics.label_intervals(labels, probabilities, RESAMPLES, seed=1)["macro_f1"]
    assert found.value == pytest.approx(metrics.per_label(labels, probabilities).macro_f1)

    def macro_f1(chosen):
        there, said = labels[chosen] == 1, (probabilities[chosen] >= 0.5) & ~np.isnan(labels[chosen])
        return np.mean(2 * (there & said).sum(0) / (there.sum(0) + said.sum(0)))

    expected = drawn_interval(macro_f1, 200)
    assert (found.low, found.high) == pytest.approx(expected, abs=0.012)


def test_number_intervals():
    rng = np.random.default_rng(0)
    labels = rng.normal(10, 2, (150, 2))
    predictions = labels + rng.normal(0.5, 1, (150, 2))
    labels[rng.random((150, 2)) < 0.2] = NAN
    found = metrics.number_intervals(labels, predictions, RESAMPLES, seed=1)
    means = metrics.per_number(labels, predictions).means()
    assert set(found) == {"mean_absolute_error", "concordance"}
    for name, interval in found.items():
        assert interval.value == pytest.approx(means[name])
        expected = drawn_interval(
            lambda d, name=name: metrics.per_number(labels[d], predictions[d]).means()[name], 150
        )
        assert (interval.low, interval.high) == pytest.approx(expected, abs=0.015), name


def pairs(num, seed=0, decimals=3):
    rng = np.random.default_rng(seed)
    same = np.arange(num) % 2 == 0
    similarities = np.clip(rng.normal(np.where(same, 0.6, 0.2), 0.2), -1, 1).round(decimals)
    return similarities, same, np.arange(num) // 2 % 5


@pytest.mark.parametrize("decimals", [1, 3])
def test_pair_intervals_have_the_figures_of_the_curve(decimals):
    similarities, same, folds = pairs(400, decimals=decimals)
    found = metrics.pair_intervals(similarities, same, folds, (0.1, 0.001), 100, seed=0)
    curve = metrics.roc(similarities, same)
    accuracy = metrics.verification_accuracy(similarities, same, folds).mean
    assert list(found) == ["accuracy", "tar_at_far_0.1", "tar_at_far_0.001"]
    assert found["accuracy"].value == pytest.approx(accuracy)
    assert found["tar_at_far_0.1"].value == metrics.tar_at_far(curve, 0.1)
    assert found["tar_at_far_0.001"].value == metrics.tar_at_far(curve, 0.001)


def test_pair_intervals_are_those_of_drawing_pairs_of_each_kind():
    similarities, same, folds = pairs(400, decimals=2)
    found = metrics.pair_intervals(similarities, same, folds, (0.1,), RESAMPLES, seed=0)
    genuine, impostor = np.flatnonzero(same), np.flatnonzero(~same)
    rng = np.random.default_rng(3)
    drawn = [
        np.concatenate([rng.choice(genuine, len(genuine)), rng.choice(impostor, len(impostor))])
        for _ in range(800)
    ]
    rates = [metrics.tar_at_far(metrics.roc(similarities[d], same[d]), 0.1) for d in drawn]
    expected = np.quantile(rates, [0.025, 0.975])
    interval = found["tar_at_far_0.1"]
    assert (interval.low, interval.high) == pytest.approx(expected, abs=0.015)
    # The threshold's own uncertainty widens it: the share above a fixed threshold varies less.
    threshold = metrics.threshold_at_far(metrics.roc(similarities, same), 0.1)
    fixed = metrics.accept_intervals(similarities, same, threshold, RESAMPLES, seed=0)
    accepted = fixed["true_accept_rate"]
    assert interval.high - interval.low > 1.2 * (accepted.high - accepted.low)


def test_the_interval_of_verification_accuracy_is_as_wide_as_the_binomial_says():
    similarities, same, folds = pairs(1000)
    found = metrics.pair_intervals(similarities, same, folds, (), RESAMPLES, seed=0)["accuracy"]
    error = np.sqrt(found.value * (1 - found.value) / 1000)
    assert (found.low, found.high) == pytest.approx(
        (found.value - 1.96 * error, found.value + 1.96 * error), abs=0.004
    )


def test_accept_intervals_by_hand():
    similarities = np.array([0.9, 0.5, 0.5, 0.1, 0.6, 0.2])
    same = np.array([True, True, True, True, False, False])
    found = metrics.accept_intervals(similarities, same, 0.5, 500, seed=0)
    assert found["true_accept_rate"].value == 3 / 4 and found["false_accept_rate"].value == 1 / 2
    assert 0 <= found["false_accept_rate"].low < found["false_accept_rate"].high <= 1


def test_one_pair_of_a_kind_gives_no_interval():
    similarities, same = np.array([0.9, 0.6, 0.2, 0.1]), np.array([True, False, False, False])
    found = metrics.pair_intervals(similarities, same, np.array([0, 0, 1, 1]), (0.1,), 10, seed=0)
    assert found["tar_at_far_0.1"].value == 1 and np.isnan(found["tar_at_far_0.1"].low)

import numpy as np
import pytest

from kfer import metrics
from kfer.metrics import bootstrap


def test_the_bootstrap_gives_what_drawing_images_gives():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 400)
    predictions = np.where(rng.random(400) < 0.6, labels, rng.integers(0, 3, 400))
    confusion = metrics.confusion_matrix(labels, predictions, 3)
    accuracy, macro_f1 = metrics.confusion_intervals(confusion, 4000, seed=1)

    drawn = [rng.integers(0, 400, 400) for _ in range(2000)]
    accuracies = [np.mean(labels[d] == predictions[d]) for d in drawn]
    scores = [metrics.macro_f1(metrics.confusion_matrix(labels[d], predictions[d], 3)) for d in drawn]
    assert accuracy.value == np.mean(labels == predictions)
    assert [accuracy.low, accuracy.high] == pytest.approx(
        np.quantile(accuracies, [0.025, 0.975]), abs=0.006
    )
    assert macro_f1.value == metrics.macro_f1(confusion)
    assert [macro_f1.low, macro_f1.high] == pytest.approx(np.quantile(scores, [0.025, 0.975]), abs=0.006)


def test_the_bootstrap_of_accuracy_is_as_wide_as_the_binomial_says():
    # 70 of 100: the standard error is sqrt(0.7 * 0.3 / 100), 0.0458; 1.96 of them are 0.0898.
    accuracy, _ = metrics.confusion_intervals(np.array([[40, 10], [20, 30]]), 20_000, seed=0)
    assert accuracy.value == 0.7
    assert (accuracy.low, accuracy.high) == pytest.approx((0.7 - 0.0898, 0.7 + 0.0898), abs=0.011)


def test_the_bootstrap_is_seeded():
    confusion = np.array([[5, 2], [1, 4]])
    assert metrics.confusion_intervals(confusion, 50, seed=3) == metrics.confusion_intervals(
        confusion, 50, seed=3
    )
    assert metrics.confusion_intervals(confusion, 50, seed=3) != metrics.confusion_intervals(
        confusion, 50, seed=4
    )


def test_a_class_that_a_resample_lacks_is_left_out_of_its_macro_f1():
    # All images are right: macro F1 is 1 in every resample, also in those without the rare class.
    _, macro_f1 = metrics.confusion_intervals(np.diag([50, 1]), 300, seed=0)
    assert (macro_f1.low, macro_f1.value, macro_f1.high) == (1, 1, 1)


def test_no_images_are_no_figure():
    with pytest.raises(ValueError, match="at least one image"):
        metrics.confusion_intervals(np.zeros((3, 3), int), 10, seed=0)


def mean_of(values):
    """The mean of the drawn values, as figures for `intervals`."""
    return lambda counts: {"mean": counts @ values / counts.sum(axis=1)}


def test_the_interval_of_a_mean_is_as_wide_as_its_standard_error_says():
    # The mean of 400 numbers of variance 1 has standard error 1 / 20; 1.96 of them are 0.098.
    values = np.random.default_rng(0).normal(size=400)
    values = (values - values.mean()) / values.std()
    mean = bootstrap.intervals(mean_of(values), 400, 4000, seed=1)["mean"]
    assert mean.value == pytest.approx(0, abs=1e-12)
    assert (mean.low, mean.high) == pytest.approx((-0.098, 0.098), abs=0.008)


def test_examples_of_one_group_count_as_one_draw():
    # 100 people with 16 equal images each are no surer than 100 images.
    people = np.random.default_rng(0).normal(size=100)
    images, owner = np.repeat(people, 16), np.repeat(np.arange(100), 16)
    of_people = bootstrap.intervals(mean_of(people), 100, 4000, seed=1)["mean"]
    grouped = bootstrap.intervals(mean_of(images), 1600, 4000, seed=2, groups=owner)["mean"]
    alone = bootstrap.intervals(mean_of(images), 1600, 4000, seed=2)["mean"]
    width = of_people.high - of_people.low
    assert grouped.high - grouped.low == pytest.approx(width, rel=0.05)
    assert alone.high - alone.low == pytest.approx(width / 4, rel=0.05)


def test_a_stratum_keeps_its_number_in_every_resample():
    strata = np.array([True] * 3 + [False] * 50)
    seen = []

    def figures(counts):
        seen.append(counts)
        return {"share": counts @ strata / counts.sum(axis=1)}

    share = bootstrap.intervals(figures, 53, 200, seed=0, strata=strata)["share"]
    assert share.low == share.value == share.high == 3 / 53
    drawn = np.concatenate(seen[1:])
    assert drawn.shape == (200, 53)
    assert (drawn[:, :3].sum(axis=1) == 3).all() and (drawn[:, 3:].sum(axis=1) == 50).all()
    assert len(np.unique(drawn, axis=0)) > 190


def test_every_example_is_drawn_equally_often():
    seen = []

    def figures(counts):
        seen.append(counts)
        return {"none": counts[:, 0]}

    bootstrap.intervals(figures, 5, 4000, seed=0)
    drawn = np.concatenate(seen[1:])
    # Each count is binomial of 5 draws at 1 / 5: mean 1, variance 0.8.
    assert drawn.mean(axis=0) == pytest.approx(np.ones(5), abs=0.06)
    assert drawn.var(axis=0) == pytest.approx(np.full(5, 0.8), abs=0.08)


def test_small_steps_draw_as_often_as_one_large_one(monkeypatch):
    values = np.random.default_rng(0).normal(size=50)
    at_once = bootstrap.intervals(mean_of(values), 50, 3000, seed=1)["mean"]
    monkeypatch.setattr(bootstrap, "_MOST_NUMBERS", 50 * 7)
    seen = []
    in_steps = bootstrap.intervals(
        lambda counts: (seen.append(len(counts)), mean_of(values)(counts))[1], 50, 3000, seed=1
    )["mean"]
    assert seen[0] == 1 and max(seen) == 7 and sum(seen[1:]) == 3000
    assert (in_steps.low, in_steps.high) == pytest.approx((at_once.low, at_once.high), abs=0.03)


def test_resamples_without_a_figure_are_left_out():
    # The figure is the mean of those drawn of the first two: nan where neither is.
    first = np.array([1.0, 1.0, 0.0, 0.0])

    def figures(counts):
        with np.errstate(invalid="ignore"):
            return {"mean": counts @ (first * 3) / (counts @ first)}

    mean = bootstrap.intervals(figures, 4, 500, seed=0)["mean"]
    assert (mean.low, mean.value, mean.high) == (3, 3, 3)


@pytest.mark.parametrize(
    ("num", "groups", "strata"),
    [(0, None, None), (1, None, None), (6, np.zeros(6), None), (6, None, np.array([0, 1, 1, 1, 1, 1]))],
)
def test_what_varies_over_nothing_has_no_interval(num, groups, strata):
    mean = bootstrap.intervals(
        lambda counts: {"mean": np.ones(len(counts))}, num, 10, seed=0, groups=groups, strata=strata
    )["mean"]
    assert mean.value == 1 and np.isnan(mean.low) and np.isnan(mean.high)


def test_a_figure_without_a_value_has_no_interval():
    figure = bootstrap.intervals(lambda counts: {"none": counts[:, 0] * np.nan}, 5, 10, seed=0)["none"]
    assert np.isnan([figure.value, figure.low, figure.high]).all()


def test_balanced_accuracy_counts_each_class_as_much_as_any_other():
    # 90 of 100 and 2 of 4, and a class without images.
    confusion = np.array([[90, 10, 0], [1, 2, 1], [0, 0, 0]])
    found = metrics.balanced_accuracy_interval(confusion, 20_000, seed=0)
    assert found.value == pytest.approx((0.9 + 0.5) / 2)
    # The small class says nearly all: none of its 4 comes in 1 of 16 draws, all 4 likewise.
    assert (found.low, found.high) == pytest.approx((0.45, 0.95), abs=0.03)
    with pytest.raises(ValueError, match="at least one image; it is empty"):
        metrics.balanced_accuracy_interval(np.zeros((2, 2), int), 10, seed=0)


def test_the_interval_of_a_share_is_the_exact_one():
    # None of 5: up to 1 - 0.025 ** (1 / 5) may be, Clopper and Pearson's upper end.
    none, half = metrics.share_interval(0, 5), metrics.share_interval(50, 100)
    assert (none.value, none.low) == (0.0, 0.0) and none.high == pytest.approx(1 - 0.025 ** (1 / 5))
    assert half.value == 0.5 and half.low + half.high == pytest.approx(1.0)

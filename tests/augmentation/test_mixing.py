import numpy as np
import pytest
import tensorflow as tf

from kfer.augmentation import MIX, mixed_name
from kfer.augmentation.mixing import mix

NAN = float("nan")


def numbered(count: int, size: int = 20) -> np.ndarray:
    """Images whose every pixel is the image's own number."""
    return np.tile(np.arange(count, dtype=np.float32)[:, None, None, None], [1, size, size, 1])


def mixed(settings, count=200, size=20, labels=None, seed=1):
    """Images of `numbered`, labels, weights and partners after mixing."""
    labels = {"number": np.arange(count, dtype=np.int32)} if labels is None else labels
    images, found = mix(tf.constant(numbered(count, size)), labels, settings, [seed, seed])
    found = {name: label.numpy() for name, label in found.items()}
    return images.numpy(), found, found[MIX]


def test_the_names_of_the_companions():
    assert mixed_name("expression") == "expression/mixed"
    assert MIX == "mix"


def test_mixup_is_the_mean_by_the_weights_of_the_labels(only):
    images, labels, weights = mixed(only(mixup=1.0))
    partners = labels["number/mixed"]
    expected = weights * np.arange(200) + (1 - weights) * partners
    np.testing.assert_allclose(images, np.tile(expected[:, None, None, None], [1, 20, 20, 1]), atol=1e-3)
    np.testing.assert_array_equal(labels["number"], np.arange(200))
    assert sorted(partners) == list(range(200))
    assert np.all(partners != np.arange(200))


def test_cutmix_weighs_labels_by_the_area_of_each(only):
    images, labels, weights = mixed(only(cutmix=1.0))
    own = images[..., 0] == np.arange(200)[:, None, None]
    other = images[..., 0] == labels["number/mixed"][:, None, None]
    assert np.all(own ^ other)
    np.testing.assert_allclose(weights, own.mean(axis=(1, 2)), atol=1e-6)
    rows, columns = other.any(axis=2), other.any(axis=1)
    np.testing.assert_array_equal(other, rows[:, :, None] & columns[:, None, :])
    for sides in (rows, columns):
        assert np.all((np.diff(sides.astype(int), axis=1, prepend=0) == 1).sum(axis=1) <= 1)


def test_weights_are_beta_distributed(only):
    uniform = mixed(only(mixup=1.0, mixup_alpha=1.0), 4000, 1)[2]
    np.testing.assert_allclose(np.quantile(uniform, [0.1, 0.5, 0.9]), [0.1, 0.5, 0.9], atol=0.03)
    # The variance of Beta(a, a) is 1 / (4 (2 a + 1)).
    for alpha in (0.2, 2.0):
        weights = mixed(only(mixup=1.0, mixup_alpha=alpha), 4000, 1)[2]
        assert weights.mean() == pytest.approx(0.5, abs=0.02)
        assert weights.var() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.05)
    assert np.isfinite(mixed(only(mixup=1.0, mixup_alpha=0.01), 4000, 1)[2]).all()


def test_a_rectangle_s_area_is_beta_distributed_where_the_edge_does_not_cut_it(only):
    # With a large alpha the area is a half, and its quarter when the centre is in a corner.
    weights = mixed(only(cutmix=1.0, cutmix_alpha=1000.0), 500, 50)[2]
    assert weights.min() == pytest.approx(0.5, abs=0.05)
    assert weights.max() == pytest.approx(1 - 0.5 / 4, abs=0.05)


def test_as_many_as_stated_are_mixed_in_either_way(only):
    images, _, weights = mixed(only(mixup=0.3, cutmix=0.5, mixup_alpha=5.0, cutmix_alpha=5.0), 2000, 8)
    several = np.array([len(np.unique(image)) > 1 for image in images])
    apart = np.array([np.abs(image - index).max() > 1e-3 for index, image in enumerate(images)])
    assert several.mean() == pytest.approx(0.5, abs=0.05)
    assert (apart & ~several).mean() == pytest.approx(0.3, abs=0.05)
    alone = ~apart
    np.testing.assert_array_equal(weights[alone], 1)
    np.testing.assert_array_equal(images[alone], numbered(2000, 8)[alone])


def test_what_is_not_mixed_has_its_own_label_twice(only):
    _, labels, weights = mixed(only(mixup=0.4), 300, 1)
    alone = labels["number/mixed"] == np.arange(300)
    np.testing.assert_array_equal(weights[alone], 1)
    assert alone.mean() == pytest.approx(0.6, abs=0.1)


def test_every_label_has_a_companion_of_its_kind_with_the_same_partner(only):
    labels = {
        "expression": np.arange(20, dtype=np.int32) - 1,
        "units": np.stack([np.arange(20), np.full(20, NAN)], axis=1).astype(np.float32),
    }
    _, found, _ = mixed(only(mixup=1.0), 20, 2, labels)
    assert found.keys() == {"expression", "units", "expression/mixed", "units/mixed", "mix"}
    for name, label in labels.items():
        assert found[mixed_name(name)].dtype == label.dtype
        np.testing.assert_array_equal(found[name], label)
    partners = found["expression/mixed"] + 1
    np.testing.assert_array_equal(found["units/mixed"], labels["units"][partners])
    assert found["mix"].dtype == np.float32


def partly_labelled() -> dict[str, np.ndarray]:
    """Thirty with an expression, thirty with an identity, thirty with both, ten with neither."""
    kind = np.arange(100) // 10
    return {
        "expression": np.where((kind < 3) | ((kind >= 6) & (kind < 9)), 2, -1).astype(np.int32),
        "identity": np.where((kind >= 3) & (kind < 9), 5, -1).astype(np.int32),
        "number": np.arange(100, dtype=np.int32),
    }


def test_mixing_restricted_to_a_task_leaves_every_other_label_alone(only):
    labels = partly_labelled()
    del labels["number"]
    labels["pose"] = np.full([100, 3], NAN, np.float32)
    labels["pose"][:5, 1] = 0.5  # Some part of a label is a label.
    images, _, weights = mixed(only(mixup=1.0, mix_tasks=("expression",)), 100, 2, labels)
    eligible = np.arange(100) // 5 < 6
    eligible[:5] = False
    np.testing.assert_array_equal(weights < 1, eligible)
    # And nobody else's face is in them.
    np.testing.assert_array_equal(images[~eligible], numbered(100, 2)[~eligible])
    assert images[eligible].max() < 30


def test_of_several_tasks_the_two_share_one(only):
    labels = partly_labelled()
    number = labels.pop("number")
    settings = only(mixup=1.0, mixup_alpha=5.0, mix_tasks=("expression", "identity"))
    images, labels, weights = mixed(settings, 100, 1, labels)
    partner = (images[:, 0, 0, 0] - weights * number) / np.where(weights < 1, 1 - weights, 1)
    partner = np.round(partner).astype(int)[weights < 1]
    own = np.flatnonzero(weights < 1)
    assert len(own) > 40
    kinds = [{"expression"}] * 30 + [{"identity"}] * 30 + [{"expression", "identity"}] * 30
    assert all(kinds[one] & kinds[other] for one, other in zip(own, partner, strict=True))
    assert {1, 2} == {len(kinds[one]) for one in own}
    assert np.all(weights[90:] == 1)


def test_a_batch_without_two_that_may_be_mixed_stays(only):
    labels = {"expression": np.array([1, -1, -1], np.int32), "identity": np.array([-1, 4, 4], np.int32)}
    images, found, weights = mixed(only(mixup=1.0, mix_tasks=("expression",)), 3, 2, labels)
    np.testing.assert_array_equal(images, numbered(3, 2))
    np.testing.assert_array_equal(weights, 1)
    np.testing.assert_array_equal(found["identity/mixed"], labels["identity"])


def test_a_task_without_labels_is_refused(only):
    with pytest.raises(ValueError, match=r"mix_tasks names expresion, but .* labels of number"):
        mixed(only(mixup=1.0, mix_tasks=("expresion",)), 4, 2)

import numpy as np
import pytest

from kfer.input_pipeline.decoded import Decoded
from kfer.input_pipeline.order import Order, without_few_images
from kfer.settings import SamplingSettings


def faces(expression=(), identity=(), source=(), **further) -> Decoded:
    """Examples with these labels; those that are not given are missing."""
    count = max(len(expression), len(identity), *(len(label) for label in further.values()), 0)

    def labels(given, default: int) -> np.ndarray:
        return np.array(given if len(given) else [default] * count, np.int32)

    return Decoded(
        images=np.zeros([count, 1, 1, 1], np.uint8),
        expression=labels(expression, -1),
        identity=labels(identity, -1),
        source=labels(source, 0),
        filename=np.array([""] * count),
        further=further,
    )


def drawn(decoded: Decoded, batch_size: int, steps: int, weights=None, seed=0, **sampling) -> np.ndarray:
    """Examples of the first steps, [steps, batch_size]."""
    order = Order(decoded, batch_size, seed, weights, SamplingSettings(**sampling))
    return np.stack([order.indices(step) for step in range(steps)])


# 64, 16 and 4 examples of three classes, and 16 without one.
UNEVEN = faces(expression=[0] * 64 + [1] * 16 + [2] * 4 + [-1] * 16)


@pytest.mark.parametrize(
    ("power", "places"),
    [
        (0.0, (64, 16, 4)),
        (0.5, (48, 24, 12)),  # 8 : 4 : 2 of 84
        (1.0, (28, 28, 28)),
    ],
)
def test_an_epoch_has_the_same_number_of_each_class(power, places):
    epochs = drawn(UNEVEN, 100, 20, balance=("expression",), balance_power=power)
    for epoch in epochs:
        labels = UNEVEN.expression[epoch]
        assert [np.sum(labels == label) for label in (0, 1, 2, -1)] == [*places, 16]
    # 7 epochs of 28 are 49 rounds of 4: every example of a class is seen as often as any other.
    for label, count in zip((0, 1, 2), places, strict=True):
        seen = np.bincount(epochs.ravel(), minlength=100)[UNEVEN.expression == label]
        assert seen.sum() == 20 * count
        assert np.ptp(seen) <= 1


def test_classes_are_mixed_within_an_epoch():
    labels = UNEVEN.expression[drawn(UNEVEN, 10, 200, balance=("expression",))]
    shares = [np.mean(labels == label) for label in (0, 1, 2)]
    assert shares == pytest.approx([0.28] * 3)
    # A batch of 10 has none of a class with 0.28 of the places about once in 27 times.
    assert np.mean([label in batch for batch in labels for label in (0, 1, 2)]) > 0.9


def test_people_are_balanced_like_classes_and_nobody_is_left_out():
    identity = np.repeat(np.arange(41), [1] * 40 + [60])
    epoch = drawn(faces(identity=identity), 100, 1, balance=("identity",), balance_power=0.3)
    counts = np.bincount(identity[epoch].ravel(), minlength=41)
    # 60 ** 0.7 = 17.57 beside 40 ones: 30.5 of 100 places, and 1.74 for each of the others, which
    # have the larger remainder.
    assert counts[40] == 30
    assert np.bincount(counts[:40]).tolist() == [0, 10, 30]


def test_each_source_is_balanced_by_itself():
    expression = [0] * 30 + [1] * 10 + [1] * 20
    source = [0] * 40 + [1] * 20
    batches = drawn(faces(expression, source=source), 20, 40, weights=(1, 1), balance=("expression",))
    labels = np.array(expression)[batches]
    of_first = np.array(source)[batches] == 0
    assert (of_first.sum(axis=1) == 10).all()
    assert np.mean(labels[of_first]) == 0.5  # 20 and 20 of its 40 examples
    assert (labels[~of_first] == 1).all()


def test_any_feature_with_classes_can_be_balanced():
    pose = np.array([0] * 9 + [1] * 3, np.int32)
    decoded = faces(expression=[0] * 12, source=[0, 1, 1, 1] * 3, pose=pose)
    assert np.bincount(pose[drawn(decoded, 12, 1, balance=("pose",))[0]]).tolist() == [6, 6]
    assert decoded.source[drawn(decoded, 12, 1, balance=("source",))].mean() == 0.5


def test_each_task_is_balanced_among_what_it_labels():
    """One group has expressions of one source, people of another, and some of neither."""
    expression = np.array([0] * 27 + [1] * 3 + [-1] * 30)
    identity = np.array([-1] * 30 + [0] * 16 + [1] * 4 + [-1] * 10)
    epochs = drawn(faces(expression, identity), 60, 6, balance=("expression", "identity"))
    for epoch in epochs:
        assert [np.sum(expression[epoch] == label) for label in (0, 1)] == [15, 15]
        assert [np.sum(identity[epoch] == person) for person in (0, 1)] == [10, 10]
        assert np.sum(epoch >= 50) == 10


def test_what_two_tasks_label_is_balanced_by_both():
    expression = np.array([0] * 10 + [1] * 10 + [0, 1] + [1, 0])
    identity = np.array([0] * 10 + [1] * 10 + [1, 0] + [-1, -1])
    epoch = drawn(faces(expression, identity), 24, 1, balance=("expression", "identity"))[0]
    both = epoch[epoch < 22]
    pairs = np.bincount(2 * expression[both] + identity[both], minlength=4)
    assert sorted(pairs.tolist()) == [5, 5, 6, 6]
    assert sorted(epoch[epoch >= 22].tolist()) == [22, 23]


@pytest.mark.parametrize(
    "sampling",
    [
        {},
        {"balance": ("expression", "identity"), "balance_power": 0.5},
        {"balance": ("expression",), "balance_power": 0.7},
        {"people_per_batch": 3, "images_per_person": 2},
        {"people_per_batch": 2, "images_per_person": 3, "balance": ("identity",)},
    ],
)
@pytest.mark.parametrize("weights", [None, (2, 1)])
def test_a_step_is_a_function_of_the_seed_alone(sampling, weights):
    decoded = faces([0, 0, 0, 1, -1] * 6, [0, 0, 1, 1, 2, 3] * 5, source=[0] * 20 + [1] * 10)
    settings = SamplingSettings(**sampling)
    forwards, again, other = (Order(decoded, 12, seed, weights, settings) for seed in (5, 5, 6))
    steps = {step: forwards.indices(step) for step in range(12)}
    for step in reversed(range(12)):  # As a run that starts there would ask.
        np.testing.assert_array_equal(again.indices(step), steps[step])
    assert not np.array_equal(other.indices(0), steps[0])
    assert len(np.unique(np.stack(list(steps.values())), axis=0)) == 12


def test_people_come_with_several_images_each_side_by_side():
    identity = np.repeat(np.arange(7), [1, 2, 3, 4, 5, 6, 7])
    batches = drawn(faces(identity=identity), 12, 30, people_per_batch=3, images_per_person=4)
    for batch in batches:
        people = identity[batch].reshape(3, 4)
        assert (people == people[:, :1]).all()
        assert len(set(people[:, 0].tolist())) == 3
        for person, images in zip(people[:, 0], batch.reshape(3, 4), strict=True):
            assert person > 0  # who has one image is nobody's positive
            assert len(set(images.tolist())) == min(4, person + 1)
    # Six people, two batches a round: everybody comes once in each.
    rounds = identity[batches].reshape(15, 24)
    assert all(np.bincount(people, minlength=7).tolist() == [0] + [4] * 6 for people in rounds)
    assert set(batches.ravel().tolist()) == set(range(1, 28))


def test_the_others_of_a_batch_come_as_ever_and_stand_between_people():
    decoded = faces(identity=np.repeat(np.arange(5), 4), source=[0] * 16 + [1] * 4)
    batches = drawn(decoded, 20, 10, people_per_batch=4, images_per_person=3)
    units = batches.reshape(10, 4, 5)
    people = decoded.identity[units[:, :, :3]]
    assert (people == people[:, :, :1]).all()
    others = units[:, :, 3:].ravel()  # 80: four rounds of 20
    assert (np.bincount(others) == 4).all()
    of_first_source = drawn(decoded, 20, 10, (1, 0), people_per_batch=4, images_per_person=3)
    assert (decoded.source[of_first_source] == 0).all()


def test_a_batch_can_be_of_people_alone():
    decoded = faces(identity=[0, 0, 1, 1, 2, 2], source=[0, 0, 0, 0, 1, 1])
    for weights in (None, (3, 1)):
        batches = drawn(decoded, 4, 30, weights, people_per_batch=2, images_per_person=2)
        assert set(batches.ravel().tolist()) == set(range(6))


def test_people_with_few_images_lose_their_identity():
    decoded = faces(identity=[4, -1, 4, 4, 0, 2, 2], expression=[0, 1, 2, 0, 1, -1, -1])
    assert without_few_images(decoded, 1).identity.tolist() == decoded.identity.tolist()
    left = without_few_images(decoded, 3)
    assert left.identity.tolist() == [4, -1, 4, 4, -1, -1, -1]
    assert left.identity.dtype == np.int32
    assert left.expression is decoded.expression
    # The last two have no other label: they are not drawn.
    assert np.unique(drawn(left, 5, 3, least_images_per_person=3)).tolist() == [0, 1, 2, 3, 4]
    assert np.unique(drawn(left, 7, 3)).tolist() == [0, 1, 2, 3, 4, 5, 6]


def test_numbers_are_labels_too():
    landmarks = np.array([[np.nan, np.nan], [np.nan, 1.0]], np.float32)
    assert drawn(faces(landmarks=landmarks), 1, 2, least_images_per_person=2).tolist() == [[1], [1]]


@pytest.mark.parametrize(
    ("sampling", "message"),
    [
        ({"balance": ("pose",)}, "must be of features with classes: expression, identity, s"),
        ({"balance": ("landmarks",)}, "expression, identity, source; got 'landmarks'"),
        ({"balance": ("expression",)}, "'expression', of which no training example has a label"),
        (
            {"people_per_batch": 3, "images_per_person": 2},
            "sampling.people_per_batch is 3, but only 2 people have two training images or more",
        ),
        ({"people_per_batch": 2, "images_per_person": 4}, "2 people with 4 images each are more than a"),
    ],
)
def test_sampling_that_cannot_be_met(sampling, message):
    decoded = faces(identity=[0, 0, 1, 1, 2], landmarks=np.zeros([5, 2], np.float32))
    with pytest.raises(ValueError, match=message):
        Order(decoded, 7, 0, None, SamplingSettings(**sampling))


def test_nothing_is_left_to_train_on():
    left = without_few_images(faces(identity=[0, 1, 1]), 3)
    with pytest.raises(ValueError, match="there is no example to train on"):
        Order(left, 2, 0, None, SamplingSettings(least_images_per_person=3))

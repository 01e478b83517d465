import dataclasses
import math

import numpy as np
import pytest

from kfer.input_pipeline import batches
from kfer.input_pipeline.decoded import Decoded
from kfer.settings import AugmentationSettings, SamplingSettings


def faces(count: int, source: list[int] | None = None, size: int = 6) -> Decoded:
    """Examples whose identity is their own index."""
    random = np.random.default_rng(0)
    return Decoded(
        images=random.integers(0, 256, [count, size, size, 1], dtype=np.uint8),
        expression=(np.arange(count) % 4 - 1).astype(np.int32),
        identity=np.arange(count, dtype=np.int32),
        source=np.array(source or [0] * count, np.int32),
        filename=np.array([f"{index}.png" for index in range(count)]),
    )


def first(dataset, count: int) -> list:
    return list(dataset.take(count).as_numpy_iterator())


def chosen(decoded: Decoded, batch_size: int, steps: int, **arguments) -> np.ndarray:
    """Indices of the examples in each of the first batches, [steps, batch_size]."""
    dataset = batches.for_training(decoded, batch_size, arguments.pop("seed", 0), None, **arguments)
    return np.stack([labels["identity"] for _, labels in first(dataset, steps)])


def assert_equal(one: list, other: list) -> None:
    for (images, labels), (other_images, other_labels) in zip(one, other, strict=True):
        np.testing.assert_array_equal(images, other_images)
        np.testing.assert_array_equal(labels["expression"], other_labels["expression"])
        np.testing.assert_array_equal(labels["identity"], other_labels["identity"])


def test_images_and_labels_belong_together():
    decoded = faces(20)
    for images, labels in first(batches.for_training(decoded, 8, 0, None), 5):
        assert images.dtype == np.float32
        assert labels["expression"].dtype == labels["identity"].dtype == np.int32
        np.testing.assert_array_equal(images, decoded.images[labels["identity"]])
        np.testing.assert_array_equal(labels["expression"], decoded.expression[labels["identity"]])


@pytest.mark.parametrize("batch_size", [4, 5, 12, 30])
def test_without_weights_every_example_comes_once_an_epoch(batch_size):
    epochs = 3
    seen = chosen(faces(12), batch_size, -(-12 * epochs // batch_size)).ravel()
    by_epoch = seen[: 12 * epochs].reshape(epochs, 12)
    np.testing.assert_array_equal(np.sort(by_epoch), np.tile(np.arange(12), (epochs, 1)))
    assert len(np.unique(by_epoch, axis=0)) == epochs


def test_same_seed_gives_the_same_batches_and_another_seed_others():
    def made(seed):
        dataset = batches.for_training(faces(50), 16, seed, AugmentationSettings())
        return first(dataset, 4)

    assert_equal(made(1), made(1))
    assert not np.array_equal(made(1)[0][1]["identity"], made(2)[0][1]["identity"])


@pytest.mark.parametrize("weights", [None, (3.0, 1.0)])
def test_resuming_at_a_step_gives_the_batches_of_that_step(weights):
    decoded = faces(30, source=[0] * 20 + [1] * 10)

    def made(start, count):
        dataset = batches.for_training(decoded, 8, 3, AugmentationSettings(), start, weights)
        return first(dataset, count)

    assert_equal(made(0, 12)[9:], made(9, 3))


def test_augmentation_differs_from_step_to_step():
    dataset = batches.for_training(faces(1, size=16), 2, 0, AugmentationSettings())
    (one, _), (two, _) = first(dataset, 2)
    assert len(np.unique(np.concatenate([one, two]).reshape(4, -1), axis=0)) == 4


def test_weights_fix_the_count_of_each_source_in_every_batch():
    # Shares of ten: 5.71, 2.86, 1.43; the largest remainders are those of the second and the first.
    source = [0] * 7 + [1] * 40 + [2] * 3
    seen = chosen(faces(50, source), 10, 21, weights=(4, 2, 1))
    for batch in seen:
        assert np.bincount(np.array(source)[batch], minlength=3).tolist() == [6, 3, 1]
    # Each source cycles on its own: 126 of 7, 63 of 40 and 21 of 3 examples.
    counts = np.bincount(seen.ravel(), minlength=50)
    assert counts[:7].tolist() == [18] * 7
    assert set(counts[7:47]) == {1, 2}
    assert counts[47:].tolist() == [7] * 3


def test_sources_are_shuffled_within_a_batch():
    seen = chosen(faces(40, [0] * 20 + [1] * 20), 8, 20, weights=(1, 1))
    assert len(np.unique(seen < 20, axis=0)) > 5


def test_weight_zero_leaves_a_source_out():
    seen = chosen(faces(8, [0, 1] * 4), 4, 5, weights=(1, 0))
    assert set(seen.ravel()) == {0, 2, 4, 6}


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ((1.0,), "1 weights, but examples of source 1; give every source a weight"),
        ((1.0, 0.01), "source 1 has weight 0.01 of 1.01: no example in a batch of 4"),
        ((1.0, 1.0, 1.0), "source 2 has weight 1 but no example"),
        ((1.0, -1.0), "must not be negative"),
        ((0.0, 0.0), "not all 0"),
    ],
)
def test_weights_that_cannot_be_met(weights, message):
    with pytest.raises(ValueError, match=message):
        batches.for_training(faces(8, [0, 1] * 4), 4, 0, None, weights=weights)


def test_sampling_chooses_examples_and_labels():
    decoded = dataclasses.replace(faces(9), identity=np.array([0, 0, 0, 1, 1, 1, 2, 2, 3], np.int32))
    sampling = SamplingSettings(people_per_batch=2, images_per_person=3, least_images_per_person=3)
    for images, labels in first(batches.for_training(decoded, 8, 0, None, sampling=sampling), 4):
        people = labels["identity"].reshape(2, 4)[:, :3]
        assert sorted(people[:, 0]) == [0, 1]
        assert (people == people[:, :1]).all()
        of_others = np.setdiff1d(labels["identity"], [0, 1])
        assert set(of_others) <= {-1}
        assert images.shape == (8, 6, 6, 1)


def test_rows_are_those_of_the_whole_batch():
    rows = np.array([5, 0, 3])
    for weights in (None, (0.5, 0.5)):
        decoded = faces(9, [0, 0, 0, 0, 1, 1, 1, 1, 1])
        whole = chosen(decoded, 6, 4, weights=weights)
        np.testing.assert_array_equal(chosen(decoded, 6, 4, weights=weights, rows=rows), whole[:, rows])


def test_processes_augment_their_rows_apart():
    # One image only: what differs is the augmentation.
    augmentation = AugmentationSettings(flip=0.0, erase=0.0)
    parts = [
        first(batches.for_training(faces(1), 4, 0, augmentation, rows=rows), 1)[0][0]
        for rows in ([0, 1], [2, 3], [0, 1])
    ]
    assert parts[0].shape == (2, 6, 6, 1)
    assert not np.allclose(parts[0], parts[1])
    np.testing.assert_array_equal(parts[0], parts[2])


def test_batches_carry_the_labels_that_are_learned():
    decoded = faces(8)
    (_, labels), *_ = first(batches.for_training(decoded, 4, 0, None, learned=["expression"]), 1)
    assert set(labels) == {"expression"}
    with pytest.raises(ValueError, match="carry no 'pose'; they carry expression"):
        batches.for_training(decoded, 4, 0, None, learned=["pose"])


def test_nothing_to_train_on():
    with pytest.raises(ValueError, match="no example to train on"):
        batches.for_training(faces(0), 4, 0, None)


def test_evaluation_gives_all_in_order_with_the_rest():
    decoded = faces(10)
    dataset = batches.for_evaluation(decoded, 4)
    made = first(dataset, 9)
    assert [len(images) for images, _ in made] == [4, 4, 2]
    assert dataset.cardinality() == 3
    np.testing.assert_array_equal(np.concatenate([images for images, _ in made]), decoded.images)
    for name in ("expression", "identity"):
        joined = np.concatenate([labels[name] for _, labels in made])
        np.testing.assert_array_equal(joined, getattr(decoded, name))
    assert made[0][0].dtype == np.float32


def test_training_and_evaluation_have_one_structure():
    training = batches.for_training(faces(4), 2, 0, None).element_spec
    evaluation = batches.for_evaluation(faces(4), 2).element_spec
    assert training[0].shape == (2, 6, 6, 1)
    assert evaluation[0].is_compatible_with(training[0])
    assert all(evaluation[1][k].is_compatible_with(v) for k, v in training[1].items())


def test_mapped_images_give_the_batches_of_images_in_memory(tmp_path):
    decoded = faces(20)
    np.save(tmp_path / "images.npy", decoded.images)
    mapped = Decoded(
        np.load(tmp_path / "images.npy", mmap_mode="r"),
        decoded.expression,
        decoded.identity,
        decoded.source,
        decoded.filename,
    )
    assert isinstance(mapped.images, np.memmap)
    one, other = (
        first(batches.for_training(d, 8, 0, AugmentationSettings()), 4) for d in (decoded, mapped)
    )
    assert_equal(one, other)


@pytest.mark.parametrize(("count", "steps"), [(1, 1), (8, 1), (9, 2), (16, 2)])
def test_steps_per_epoch_reach_every_example(count, steps):
    assert batches.steps_per_epoch(faces(count), 8) == steps


def test_speed_is_that_of_the_dataset():
    slow = batches.for_evaluation(faces(400), 4).map(lambda x, y: (x, y))
    assert batches.measure_speed(slow, 0.2) > 0
    assert batches.measure_speed(batches.for_training(faces(8), 4, 0, None), 0.2) > 100


@pytest.mark.slow
def test_training_batches_are_faster_than_training_steps():
    """A compact network trains on some 300 images a second here; the input must be ten times that."""
    decoded = faces(28709, size=48)
    dataset = batches.for_training(decoded, 128, 0, AugmentationSettings())
    speed = batches.measure_speed(dataset, 5.0)
    print(f"{speed:,.0f} images a second")
    assert speed > 3000


def test_mixed_batches_say_of_whom_they_are_and_by_how_much():
    decoded = faces(64)
    settings = AugmentationSettings(0, 0, 0, 0, 0, 0, 0, mixup=1.0)
    (images, labels), *_ = first(batches.for_training(decoded, 16, 0, settings), 1)
    own, partner = decoded.images[labels["identity"]], decoded.images[labels["identity/mixed"]]
    weight = labels["mix"][:, None, None, None]
    np.testing.assert_allclose(images, weight * own + (1 - weight) * partner, atol=1e-3)
    np.testing.assert_array_equal(
        labels["expression/mixed"], decoded.expression[labels["identity/mixed"]]
    )


def test_a_batch_is_described_by_the_names_of_its_examples() -> None:
    names = np.array([f"{number}.png" for number in range(9)])
    labels = np.zeros(9, np.int32)
    decoded = Decoded(np.arange(9, dtype=np.uint8).reshape(9, 1, 1, 1), labels, labels, labels, names)
    describe = batches.batch_describer(decoded, 7, seed=3)
    images, _ = next(iter(batches.for_training(decoded, 7, 3, None, start_step=5)))
    seen = [f"{int(image)}.png" for image in images.numpy().ravel()]
    assert describe(5) == ", ".join(seen[:5]) + " and 2 more"
    assert batches.batch_describer(decoded, 4, seed=3)(0).count(".png") == 4


def test_the_share_of_faces_with_a_partner() -> None:
    people = np.array([0, 0, 0, 1, 2, -1], np.int32)
    names = np.array([""] * 6)
    decoded = Decoded(np.zeros((6, 1, 1, 1), np.uint8), people, people, np.zeros(6, np.int32), names)
    assert batches.share_with_partner(decoded, 6, seed=0) == 3 / 5
    lone = SamplingSettings(least_images_per_person=2)
    assert batches.share_with_partner(decoded, 4, seed=0, sampling=lone) == 1.0
    nobody = dataclasses.replace(decoded, identity=np.full(6, -1, np.int32))
    assert math.isnan(batches.share_with_partner(nobody, 4, seed=0))

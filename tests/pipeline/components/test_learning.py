import dataclasses
from pathlib import Path

import numpy as np
import pytest

from kfer.pipeline.artifacts import TransformedExamples
from kfer.pipeline.components.learning import Learning
from kfer.settings import (
    AugmentationSettings,
    DataSettings,
    ModelSettings,
    SamplingSettings,
    TaskSettings,
    TrainingSettings,
    default_tasks,
)

CACHED = TrainingSettings(cache_features=True, batch_size=4)
STILL = AugmentationSettings(0, 0, 0, 0, 0, 0, 0)


@pytest.fixture
def examples(tmp_path: Path) -> TransformedExamples:
    artifact = TransformedExamples(tmp_path)
    artifact.write_labels({"num_identities": 2, "sources": ["faces"]})
    folder = artifact.split("train")
    folder.mkdir()
    np.save(folder / "images.npy", np.arange(6 * 4, dtype=np.uint8).reshape(6, 2, 2, 1))
    for name in ("expression", "identity", "source"):
        np.save(folder / f"{name}.npy", np.arange(6, dtype=np.int32) % 2)
    np.save(folder / "filename.npy", np.array([""] * 6))
    return artifact


def learning(
    examples: TransformedExamples, augmentation: AugmentationSettings, loss: str = ""
) -> Learning:
    data = DataSettings(memory_budget_gb=0.5)
    tasks = {**default_tasks(), "identity": TaskSettings("embedding", loss=loss)}
    return Learning(examples, data, augmentation, ModelSettings(), tasks)


def test_features_come_in_the_batches_in_which_their_images_do(examples: TransformedExamples) -> None:
    given = learning(examples, STILL)
    cache = given.cache(CACHED)
    assert cache is not None and cache.memory_budget_gb == 0.5
    features = dataclasses.replace(
        cache.examples, images=cache.examples.images[:, 0, 0, 0] / np.float32(8)
    )
    batches = zip(given.batches(CACHED)(3).take(3), cache.make_batches(features, 3).take(3), strict=True)
    for (images, labels), (found, same_labels) in batches:
        np.testing.assert_array_equal(found, images[:, 0, 0, 0] / 8)
        np.testing.assert_array_equal(same_labels["identity"], labels["identity"])


def test_nothing_is_cached_unless_asked_for(examples: TransformedExamples) -> None:
    assert learning(examples, AugmentationSettings()).cache(TrainingSettings()) is None


def test_features_of_augmented_images_are_not_kept(examples: TransformedExamples) -> None:
    augmentation = dataclasses.replace(STILL, flip=0.5, contrast=0.1)
    with pytest.raises(
        ValueError, match=r"another image of it in each epoch: set these to 0: flip, contr"
    ):
        learning(examples, augmentation).cache(CACHED)


def test_batches_are_sampled_as_the_training_says(examples: TransformedExamples) -> None:
    people = SamplingSettings(people_per_batch=2, images_per_person=3)
    settings = TrainingSettings(batch_size=6, sampling=people)
    for _, labels in learning(examples, STILL).batches(settings)(0).take(3):
        assert sorted(labels["identity"].numpy().reshape(2, 3).tolist()) == [[0] * 3, [1] * 3]


@pytest.mark.parametrize(
    ("loss", "sampling", "told"),
    [
        ("triplet_hard", {}, True),
        ("triplet_hard", {"people_per_batch": 2, "images_per_person": 2}, False),
        ("arcface", {}, False),
    ],
)
def test_faces_that_have_nobody_to_be_compared_with_are_told(
    examples: TransformedExamples, caplog: pytest.LogCaptureFixture, loss: str, sampling: dict, told: bool
) -> None:
    folder = examples.split("train")
    np.save(folder / "images.npy", np.zeros((60, 16, 16, 1), np.uint8))
    for name in ("expression", "source"):
        np.save(folder / f"{name}.npy", np.arange(60, dtype=np.int32) % 2)
    np.save(folder / "identity.npy", np.arange(60, dtype=np.int32) // 2)
    np.save(folder / "filename.npy", np.array([""] * 60))
    examples.write_labels({"num_identities": 30, "sources": ["a", "b"]})
    given = learning(examples, STILL, loss)
    settings = TrainingSettings(batch_size=4, sampling=SamplingSettings(**sampling))
    given.build_model(settings, {"identity": TaskSettings("embedding", loss=loss)})
    assert ("triplet_hard of identity learns from two images of one person" in caplog.text) == told

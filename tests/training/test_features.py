from pathlib import Path

import keras
import numpy as np
import pytest

from kfer.input_pipeline import Decoded
from kfer.training.features import with_features


def examples(count: int) -> Decoded:
    labels = np.arange(count, dtype=np.int32)
    images = np.random.default_rng(0).integers(0, 256, (count, 4, 4, 1), np.uint8)
    return Decoded(images, labels, labels, labels, labels.astype(str))


def trunk() -> keras.Model:
    """In training, its dropout would leave nothing as it is."""
    images = keras.Input((4, 4, 1))
    features = keras.layers.Dropout(0.9)(keras.layers.Rescaling(0.5)(images))
    return keras.Model(images, keras.layers.MaxPooling2D(2)(features))


@pytest.mark.parametrize(("budget", "mapped"), [(1.0, False), (1e-6, True)])
def test_features_are_those_of_the_trunk_in_the_order_of_the_images(
    tmp_path: Path, budget: float, mapped: bool
) -> None:
    given = examples(300)  # more than a batch of the trunk, and not a multiple
    found = with_features(trunk(), given, budget, tmp_path / "features.npy")
    blocks = given.images.reshape(300, 2, 2, 2, 2, 1).astype(np.float32)
    np.testing.assert_array_equal(found.images, 0.5 * blocks.max(axis=(2, 4)))
    assert found.images.dtype == np.float32
    assert isinstance(found.images, np.memmap) == mapped == (tmp_path / "features.npy").exists()
    np.testing.assert_array_equal(found.identity, given.identity)


def test_features_of_a_killed_run_are_replaced(tmp_path: Path) -> None:
    (tmp_path / "features.npy").write_bytes(b"half")
    found = with_features(trunk(), examples(3), 0.0, tmp_path / "features.npy")
    assert found.images.shape == (3, 2, 2, 1)

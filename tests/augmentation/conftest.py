"""What tests of augmentation share."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from kfer.settings import AugmentationSettings

NOTHING = AugmentationSettings(0, 0, 0, 0, 0, 0, 0)


@pytest.fixture(scope="session")
def only() -> Callable[..., AugmentationSettings]:
    """Settings in which the named steps alone are on."""
    return lambda **settings: dataclasses.replace(NOTHING, **settings)


@pytest.fixture(scope="session")
def noise() -> Callable[..., np.ndarray]:
    """Images of uniform noise, float32 [count, size, size, channels]."""

    def make(count: int = 8, size: int = 16, channels: int = 1, seed: int = 0) -> np.ndarray:
        random = np.random.default_rng(seed)
        return random.uniform(0, 255, [count, size, size, channels]).astype(np.float32)

    return make

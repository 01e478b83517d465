"""Clips of noise, and networks of them small enough for tests."""

import keras
import numpy as np
from toy_tasks import tasks

from kfer import models
from kfer.settings import ModelSettings


def build(kind: str, frames: int, **arguments) -> keras.Model:
    settings = ModelSettings(
        backbone_arguments={"widths": [4, 8], "blocks": 1},
        embedding_size=5,
        temporal=kind,
        temporal_units=(6, 4),
    )
    return models.build(settings, 16, 1, tasks(3), 4, seed=0, frames=frames, **arguments)


def clips(number: int = 2, frames: int = 5) -> np.ndarray:
    return np.random.default_rng(0).integers(1, 256, (number, frames, 16, 16, 1)).astype(np.uint8)

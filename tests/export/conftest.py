"""A small network of the interface that exports take, with outputs that differ between images."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import keras
import numpy as np
import pytest

from kfer import export, preprocessing
from kfer.models import heads
from kfer.settings import ExportSettings, TaskSettings

SIZE = 16
#: The standard deviation of the angles.
DEGREES = 30.0
EXPRESSION = {"expression": TaskSettings(names=("calm", "glad", "sad", "wild"))}
IDENTITY = {"identity": TaskSettings("embedding")}
# In an order that is not the alphabet's.
FURTHER = {
    "votes": TaskSettings("soft_classes", ("young", "old", "unclear"), feature="age_votes"),
    "units": TaskSettings("multi_label", ("brow", "lips")),
    "angles": TaskSettings("regression", ("yaw", "pitch")),
}


@dataclass(frozen=True)
class Toy:
    model: keras.Model
    tasks: dict[str, TaskSettings]
    images: np.ndarray
    size: int = SIZE

    @cached_property
    def reference(self) -> dict[str, np.ndarray]:
        return export.keras_outputs(self.model, self.tasks, self.images)

    @property
    def channels(self) -> int:
        return self.images.shape[-1]

    def save_tflite(self, folder: Path, variants: Sequence[str], **settings: object) -> dict[str, Path]:
        """The files of `export.save_tflite` by their names."""
        # Few images, each with patches that no other has: all of their range is needed.
        chosen = ExportSettings(tflite=tuple(variants), **{"calibration_percentile": 100.0, **settings})
        made = export.save_tflite(
            *(self.model, folder, self.tasks, chosen, self.images, self.size, self.channels)
        )
        return {name: file.path for name, file in made.items()}

    def write_golden(self, folder: Path, variants: Sequence[str], **settings: object) -> Path:
        """Files, and golden vectors beside them; the path of golden.json."""
        images = export.golden_images(self.size)
        pixels = np.asarray(preprocessing.prepare_images(images, self.size, self.channels))
        reference = export.keras_outputs(self.model, self.tasks, pixels)
        return export.write_golden(
            folder, images, self.save_tflite(folder, variants, **settings), reference
        )

    def unit(self, name: str) -> float:
        """How much the numbers of an output differ between images, roughly."""
        task = self.tasks.get(name)
        return DEGREES if task is not None and task.kind == "regression" else 1.0

    @property
    def rgb(self) -> np.ndarray:
        return np.repeat(self.images, 3 // self.channels, axis=-1)


def make_toy(channels: int, tasks: dict[str, TaskSettings]) -> Toy:
    random = np.random.default_rng(0)
    inputs = keras.Input((SIZE, SIZE, channels), name="image")
    features = keras.layers.Rescaling(1 / 127.5, offset=-1.0)(inputs)
    for width in (8, 16):
        features = keras.layers.Conv2D(width, 3, 2, padding="same", use_bias=False)(features)
        features = keras.layers.BatchNormalization()(features)
        features = keras.layers.ReLU()(features)
    features = keras.layers.Flatten()(features)
    outputs = {}
    for name, task in tasks.items():
        if task.kind == "embedding":
            vectors = keras.layers.Dense(32)(features)
            vectors = heads.L2Normalization(name="embedding")(vectors)
            outputs["embedding"] = vectors
            outputs["identity"] = heads.CosineLogits(5, name="identity")(vectors)
        else:
            outputs[name] = keras.layers.Dense(len(task.names), name=name)(features)
    model = keras.Model(inputs, outputs)
    for weight in model.weights:
        values = random.normal(0, 0.4, weight.shape)
        weight.assign(1 + np.abs(values) if "variance" in weight.path else values)
    # Large patches, for what is finer the layers average away; and darker than an image may be, for
    # the range of the pixels is not to be learned from these.
    patches = random.integers(0, 200, (24, 4, 4, channels), np.uint8)
    images = patches.repeat(SIZE // 4, axis=1).repeat(SIZE // 4, axis=2)
    said = model.predict(images, verbose=0)
    for name, task in tasks.items():
        if task.kind != "embedding":
            # Logits that differ, and angles in degrees.
            spread = DEGREES if task.kind == "regression" else 2
            mean, deviation = said[name].mean(axis=0), said[name].std(axis=0)
            head = model.get_layer(name)
            kernel, bias = head.get_weights()
            head.set_weights([spread * kernel / deviation, spread * (bias - mean) / deviation])
    return Toy(model, tasks, images)


@pytest.fixture(scope="session")
def grey() -> Toy:
    """A task of each kind."""
    return make_toy(1, EXPRESSION | IDENTITY | FURTHER)


@pytest.fixture(scope="session")
def colour() -> Toy:
    return make_toy(3, EXPRESSION | IDENTITY)


@pytest.fixture(scope="session")
def only_expression() -> Toy:
    return make_toy(1, EXPRESSION)


@pytest.fixture(scope="session")
def only_embedding() -> Toy:
    return make_toy(1, IDENTITY)

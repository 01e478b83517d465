"""A small network of the interface that exports take, with outputs that differ between images."""

from dataclasses import dataclass

import keras
import numpy as np
import pytest

from kfer import export
from kfer.models import heads

SIZE = 16


@dataclass(frozen=True)
class Toy:
    model: keras.Model
    images: np.ndarray
    reference: dict[str, np.ndarray]
    size: int = SIZE
    labels: tuple[str, ...] = ("calm", "glad", "sad", "wild")

    @property
    def channels(self) -> int:
        return self.images.shape[-1]

    @property
    def rgb(self) -> np.ndarray:
        return np.repeat(self.images, 3 // self.channels, axis=-1)


def make_toy(channels: int, expression: bool = True, embedding: bool = True) -> Toy:
    random = np.random.default_rng(0)
    inputs = keras.Input((SIZE, SIZE, channels), name="image")
    features = keras.layers.Rescaling(1 / 127.5, offset=-1.0)(inputs)
    for width in (8, 16):
        features = keras.layers.Conv2D(width, 3, 2, padding="same", use_bias=False)(features)
        features = keras.layers.BatchNormalization()(features)
        features = keras.layers.ReLU()(features)
    features = keras.layers.Flatten()(features)
    outputs = {}
    if expression:
        outputs["expression"] = keras.layers.Dense(4, name="expression")(features)
    if embedding:
        vectors = keras.layers.Dense(32)(features)
        vectors = heads.L2Normalization(name="embedding")(vectors)
        outputs["embedding"] = vectors
        outputs["identity"] = heads.CosineLogits(5, name="identity")(vectors)
    model = keras.Model(inputs, outputs)
    for weight in model.weights:
        values = random.normal(0, 0.4, weight.shape)
        weight.assign(1 + np.abs(values) if "variance" in weight.path else values)
    # Large patches, for what is finer the layers average away; and darker than an image may be, for
    # the range of the pixels is not to be learned from these.
    patches = random.integers(0, 200, (24, 4, 4, channels), np.uint8)
    images = patches.repeat(SIZE // 4, axis=1).repeat(SIZE // 4, axis=2)
    if expression:
        logits = model.predict(images, verbose=0)["expression"]
        mean, deviation = logits.mean(axis=0), logits.std(axis=0)
        head = model.get_layer("expression")
        kernel, bias = head.get_weights()
        head.set_weights([2 * kernel / deviation, 2 * (bias - mean) / deviation])
    return Toy(model, images, export.keras_outputs(model, images))


@pytest.fixture(scope="session")
def grey() -> Toy:
    return make_toy(channels=1)


@pytest.fixture(scope="session")
def colour() -> Toy:
    return make_toy(channels=3)


@pytest.fixture(scope="session")
def only_expression() -> Toy:
    return make_toy(channels=1, embedding=False)


@pytest.fixture(scope="session")
def only_embedding() -> Toy:
    return make_toy(channels=1, expression=False)

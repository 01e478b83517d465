"""A training of seconds: two tasks, on images of which brightness and slope say all."""

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from toy_tasks import tasks

from kfer import models, training
from kfer.input_pipeline import Decoded, for_training
from kfer.settings import (
    FineTuningStage,
    ModelSettings,
    TaskSettings,
    TrainingSettings,
)

STEPS, BATCH, SIZE = 4, 6, 8
# Not fewer channels: there TensorFlow 2.21 writes past its memory (oneDNN, AVX2).
TOY = ModelSettings(backbone_arguments={"widths": [8, 16], "blocks": 1}, embedding_size=4)
SETTINGS = TrainingSettings(epochs=4, batch_size=BATCH, learning_rate=0.02, validation_pairs=20)


def examples(seed: int, count: int, first_identity: int = 0) -> Decoded:
    """Images whose brightness is the expression and whose slope is the person."""
    generator = np.random.default_rng(seed)
    expression = generator.integers(0, 3, count).astype(np.int32)
    identity = generator.integers(0, 4, count).astype(np.int32)
    slope = np.linspace(-1, 1, SIZE) * (identity[:, None] - 1.5) * 20
    images = np.zeros((count, SIZE, SIZE, 1)) + slope[:, None, :, None]
    images += (60 + 60 * expression)[:, None, None, None] + generator.normal(0, 5, images.shape)
    return Decoded(
        images=np.clip(images, 0, 255).astype(np.uint8),
        expression=np.where(np.arange(count) % 3 == 0, -1, expression).astype(np.int32),
        identity=np.where(np.arange(count) % 3 == 1, -1, identity + first_identity).astype(np.int32),
        source=np.zeros(count, np.int32),
        filename=np.array([""] * count),
    )


TRAIN, VALIDATION = examples(0, 60), examples(1, 40, first_identity=4)


def make_batches(start_step: int) -> tf.data.Dataset:
    def batch(step: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        chosen = tf.random.stateless_uniform([BATCH], [7, step], 0, len(TRAIN.images), tf.int64)
        labels = {"expression": TRAIN.expression, "identity": TRAIN.identity}
        return tf.gather(TRAIN.images, chosen), {k: tf.gather(v, chosen) for k, v in labels.items()}

    return tf.data.Dataset.counter(start_step).map(batch)


def build(own: dict[str, TaskSettings] | None = None, num_identities: int = 4) -> keras.Model:
    return models.build(TOY, SIZE, 1, own or tasks(), num_identities, seed=0)


def train(
    work_dir: Path,
    model: keras.Model | None = None,
    settings: TrainingSettings = SETTINGS,
    own: dict[str, TaskSettings] | None = None,
    **arguments: object,
) -> list:
    own = own or tasks()
    model = model or build(own)
    return training.train(model, make_batches, STEPS, VALIDATION, settings, own, work_dir, **arguments)


def assert_same(history: list, model: keras.Model, expected: list, other: keras.Model) -> None:
    """Both runs say the same of each epoch, but for the speed, and end in the same state."""
    for name in expected[0].keys() - {"images_per_second"}:
        np.testing.assert_allclose(
            [figures[name] for figures in history],
            [figures[name] for figures in expected],
            atol=1e-4,
            err_msg=name,
        )
    for old, new in zip(other.variables, model.variables, strict=True):
        np.testing.assert_allclose(new, old, atol=1e-4, err_msg=old.path)


STAGES = (FineTuningStage(1), FineTuningStage(2, ("stage2",), learning_rate_factor=0.5))


def cache(memory_budget_gb: float) -> training.FeatureCache:
    def batches(examples: Decoded, start_step: int) -> tf.data.Dataset:
        return for_training(examples, BATCH, 0, None, start_step)

    return training.FeatureCache(TRAIN, batches, memory_budget_gb)

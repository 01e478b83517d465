"""What the Tuner and the Trainer share: the same examples, the same network."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import keras
import tensorflow as tf

from kfer import input_pipeline, models, training
from kfer.pipeline.artifacts import TransformedExamples
from kfer.settings import AugmentationSettings, DataSettings, ModelSettings, TrainingSettings


class Learning:
    """Transformed examples and settings, as training functions.

    Raises:
        ValueError: No training example has a label that is wanted, or there are fewer than two people.
    """

    def __init__(
        self,
        transformed_examples: TransformedExamples,
        data: DataSettings,
        augmentation: AugmentationSettings,
        model: ModelSettings,
    ) -> None:
        self._splits = transformed_examples
        self._data, self._augmentation, self._model = data, augmentation, model
        labels = transformed_examples.labels()
        self.num_identities, self._sources = labels["num_identities"], labels["sources"]
        self.examples = self._load(transformed_examples.split("train"))

    @cached_property
    def validation(self) -> input_pipeline.Decoded:
        """The validation split."""
        return self._load(self._splits.split("validation"))

    def _load(self, folder: Path) -> input_pipeline.Decoded:
        return input_pipeline.load_decoded(folder, self._data.memory_budget_gb)

    def build_model(self, settings: TrainingSettings) -> keras.Model:
        """A new network with the heads that the settings give a weight."""
        training.check_labels(self.examples, settings, self._sources)
        return models.build(
            self._model,
            self._data.image_size,
            self._data.channels,
            len(self._data.expressions) if settings.expression_weight else 0,
            self.num_identities if settings.identity_weight else 0,
            settings.seed,
            settings.mixed_precision,
        )

    def batches(self, settings: TrainingSettings) -> Callable[[int], tf.data.Dataset]:
        """From a step, the training batches from there on."""
        shares = [source.weight for source in self._data.sources]
        weights = [share or 0.0 for share in shares] if any(shares) else None

        def from_step(step: int) -> tf.data.Dataset:
            return input_pipeline.for_training(
                self.examples, settings.batch_size, settings.seed, self._augmentation, step, weights
            )

        return from_step

    def steps_per_epoch(self, settings: TrainingSettings) -> int:
        """Batches that make one epoch."""
        return input_pipeline.steps_per_epoch(self.examples, settings.batch_size)

"""What the Tuner and the Trainer share: the same examples, the same network."""

import logging
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from pathlib import Path

import keras
import tensorflow as tf

from kfer import input_pipeline, models, training
from kfer.pipeline.artifacts import TransformedExamples
from kfer.settings import (
    AugmentationSettings,
    DataSettings,
    ModelSettings,
    TrainingSettings,
    active,
)
from kfer.settings.tasks import PAIRWISE_LOSSES, Tasks, learned

_FEW_PARTNERS = 0.5
_log = logging.getLogger(__name__)


class Learning:
    """Transformed examples and settings, as training functions.

    Args:
        transformed_examples: Of the pipeline.
        data: As the examples were made with.
        augmentation: Of training images.
        model: Of the network.
        tasks: What it learns.
        decoded: Splits that were read before, by their folders; those that are read are added.

    Raises:
        ValueError: No training example has a label that is wanted, or there are fewer than two people.
    """

    def __init__(
        self,
        transformed_examples: TransformedExamples,
        data: DataSettings,
        augmentation: AugmentationSettings,
        model: ModelSettings,
        tasks: Tasks,
        decoded: dict[Path, input_pipeline.Decoded] | None = None,
    ) -> None:
        self._splits = transformed_examples
        self._decoded = {} if decoded is None else decoded
        self._data, self._augmentation, self._model = data, augmentation, model
        # Labels that are carried for the evaluation alone are none of the training's.
        self._learned = [task.feature or name for name, task in learned(tasks).items()]
        labels = transformed_examples.labels()
        self.num_identities, self._sources = labels["num_identities"], labels["sources"]
        self.examples = self._load(transformed_examples.split("train"))

    @cached_property
    def validation(self) -> input_pipeline.Decoded:
        """The validation split."""
        return self._load(self._splits.split("validation"))

    def _load(self, folder: Path) -> input_pipeline.Decoded:
        if folder not in self._decoded:
            self._decoded[folder] = input_pipeline.load_decoded(folder, self._data.memory_budget_gb)
        return self._decoded[folder]

    def build_model(self, settings: TrainingSettings, tasks: Tasks) -> keras.Model:
        """A new network with the heads of the tasks that have a weight."""
        training.check_labels(self.examples, tasks, self._sources)
        self._warn_of_lone_faces(settings, tasks)
        return models.build(
            self._model,
            self._data.image_size,
            self._data.channels,
            tasks,
            self.num_identities,
            settings.seed,
            settings.mixed_precision,
            self._data.frames,
            self._data.num_samples,
        )

    def _warn_of_lone_faces(self, settings: TrainingSettings, tasks: Tasks) -> None:
        """Where a loss compares faces of one batch, says so if most have nobody to be compared with."""
        for name, task in active(tasks).items():
            if task.loss not in PAIRWISE_LOSSES:
                continue
            drawn = (
                self.examples,
                settings.batch_size,
                settings.seed,
                self._weights(),
                settings.sampling,
            )
            share = input_pipeline.share_with_partner(*drawn)
            if not share >= _FEW_PARTNERS:
                _log.warning(
                    "  %s of %s learns from two images of one person in a batch: %.0f %% of the faces "
                    "have such a partner. Set training.sampling.people_per_batch, images_per_person",
                    *(task.loss, name, 100 * (share if share > 0 else 0.0)),
                )

    def batches(self, settings: TrainingSettings) -> training.MakeBatches:
        """From a step, and maybe the rows that are wanted, the training batches from there on."""
        return partial(self._batches, settings, self._augmentation, self.examples)

    def describe_batch(self, settings: TrainingSettings) -> Callable[[int], str]:
        """From a step, which examples its batch has."""
        return input_pipeline.batch_describer(
            *(self.examples, settings.batch_size, settings.seed, self._weights(), settings.sampling)
        )

    def cache(self, settings: TrainingSettings) -> training.FeatureCache | None:
        """What the training needs to run a frozen backbone once; None where the settings do not ask.

        Raises:
            ValueError: They do, but images are augmented.
        """
        if not settings.cache_features:
            return None
        active = self._augmentation.active()
        if active:
            raise ValueError(
                "training.cache_features keeps what the backbone says of each image, but augmentation "
                f"makes another image of it in each epoch: set these to 0: {', '.join(active)} (of "
                "augmentation), or set training.cache_features to false"
            )
        return training.FeatureCache(
            self.examples,
            partial(self._batches, settings, None),
            self._data.memory_budget_gb,
        )

    def _batches(
        self,
        settings: TrainingSettings,
        augmentation: AugmentationSettings | None,
        examples: input_pipeline.Decoded,
        step: int,
        rows: Sequence[int] | None = None,
    ) -> tf.data.Dataset:
        return input_pipeline.for_training(
            *(examples, settings.batch_size, settings.seed, augmentation, step),
            *(self._weights(), settings.sampling, rows, self._learned, self._data.frames),
        )

    def _weights(self) -> list[float] | None:
        shares = [source.weight for source in self._data.sources]
        return [share or 0.0 for share in shares] if any(shares) else None

    def steps_per_epoch(self, settings: TrainingSettings) -> int:
        """Batches that make one epoch."""
        return input_pipeline.steps_per_epoch(self.examples, settings.batch_size)

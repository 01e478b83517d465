"""Trials of a search on transformed examples."""

import dataclasses
import gc
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras

from kfer import input_pipeline, training
from kfer.pipeline.artifacts import TransformedExamples
from kfer.pipeline.components.learning import Learning
from kfer.search import Train
from kfer.settings import PipelineSettings, active


class Trials(Train):
    """Trains networks one after the other, on examples that are decoded once.

    Args:
        transformed_examples: Of the pipeline.
        example_share: Share of the training split that an epoch sees.
        features_dir: Where what a frozen backbone says of the examples is kept for all trials.
    """

    def __init__(
        self, transformed_examples: TransformedExamples, example_share: float, features_dir: Path
    ) -> None:
        self._arguments = transformed_examples, example_share, features_dir
        self._decoded: dict[Path, input_pipeline.Decoded] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        """Without the examples: another process reads them from the disk."""
        return Trials, self._arguments

    def figures(self, settings: PipelineSettings) -> list[str]:
        """Returns the names of the validation figures that epochs will have."""
        learning = self._learning(settings)
        return training.validation_figures(
            learning.validation, active(settings.tasks), learning.num_identities
        )

    def __call__(
        self,
        settings: PipelineSettings,
        work_dir: Path,
        score: Callable[[Mapping[str, float]], float],
        until: int,
    ) -> list[dict[str, float]]:
        """Trains from the checkpoint in a folder, if there is one, until an epoch."""
        _, example_share, features_dir = self._arguments
        learning, tasks = self._learning(settings), settings.tasks
        cache = learning.cache(settings.training)
        try:
            return training.train(
                learning.build_model(settings.training, tasks),
                learning.batches(settings.training),
                max(1, round(learning.steps_per_epoch(settings.training) * example_share)),
                learning.validation,
                settings.training,
                tasks,
                work_dir,
                cache=cache and dataclasses.replace(cache, shared_dir=features_dir),
                class_counts=training.class_counts(learning.examples, tasks),
                describe_batch=learning.describe_batch(settings.training),
                score=score,
                until=until,
            )
        finally:
            # Else what Keras and TensorFlow keep of each network adds up.
            keras.backend.clear_session()
            gc.collect()

    def _learning(self, settings: PipelineSettings) -> Learning:
        return Learning(
            self._arguments[0],
            settings.data,
            settings.augmentation,
            settings.model,
            settings.tasks,
            self._decoded,
        )

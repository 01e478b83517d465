"""Trainer: the network, trained with the values that the Tuner found."""

import dataclasses
import json
import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kfer.pipeline.artifacts import HyperParameters, Model, ModelRun, TransformedExamples
from kfer.pipeline.component import Input, Output, Work, component
from kfer.pipeline.components.outside import saved_networks
from kfer.processes import in_fresh_process
from kfer.settings import (
    AugmentationSettings,
    DataSettings,
    ModelSettings,
    PipelineSettings,
    TaskSettings,
    TrainingSettings,
)
from kfer.settings.space import with_values

_log = logging.getLogger(__name__)


@component(fingerprint=saved_networks)
def trainer(
    transformed_examples: Input[TransformedExamples],
    hyperparameters: Input[HyperParameters],
    model: Output[Model],
    model_run: Output[ModelRun],
    work: Work,
    data: DataSettings,
    augmentation: AugmentationSettings,
    model_settings: ModelSettings,
    training: TrainingSettings,
    tasks: Mapping[str, TaskSettings],
) -> str:
    """Trains, or goes on from the last finished epoch of a run that was killed."""
    values = hyperparameters.best_values()
    settings = with_values(
        PipelineSettings(
            tasks=tasks, data=data, augmentation=augmentation, model=model_settings, training=training
        ),
        values,
    )
    arguments = (transformed_examples, model, model_run, work, settings, values)
    if training.strategy != "multi_worker":
        return _train(*arguments)
    # Processes must be connected before one of them uses TensorFlow. That the others end when they are
    # done is then of no concern for the components that follow.
    return in_fresh_process(_train, *arguments)


def _train(
    transformed_examples: TransformedExamples,
    model: Model,
    model_run: ModelRun,
    work: Path,
    settings: PipelineSettings,
    values: Mapping[str, Any],
) -> str:
    from kfer import input_pipeline, models
    from kfer import training as trainers
    from kfer.backbones.stages import described
    from kfer.pipeline.components.learning import Learning

    chosen, tasks = settings.training, settings.tasks
    devices = trainers.connect(chosen)
    learning = Learning(transformed_examples, settings.data, settings.augmentation, settings.model, tasks)
    cache = learning.cache(chosen)
    batches = learning.batches(chosen)
    input_speed = input_pipeline.measure_speed(batches(0), seconds=1.0)
    _log.info("  the input pipeline gives %s images a second", f"{input_speed:,.0f}")
    network = learning.build_model(chosen, tasks)
    told = described(models.backbone(network), models.branches(network).values())
    _log.info("  stages of the backbone, with their parameters: %s", told)
    counts = trainers.parameter_counts(network, chosen)
    history = trainers.train(
        network,
        batches,
        learning.steps_per_epoch(chosen),
        learning.validation,
        chosen,
        tasks,
        work,
        cache=cache,
        class_counts=trainers.class_counts(learning.examples, tasks),
        describe_batch=learning.describe_batch(chosen),
    )
    model.keras_file.parent.mkdir()
    network.save(model.keras_file)
    if devices.is_chief:
        shutil.copytree(work / "logs", model_run.path / "logs")
        shutil.copy(work / "history.csv", model_run.path / "history.csv")
    facts = {
        "backbone": settings.model.backbone,
        "num_parameters": network.count_params(),
        "num_examples": len(learning.examples),
        "num_identities": learning.num_identities,
        "epochs": len(history),
        "stages": [
            {**dataclasses.asdict(stage), **dataclasses.asdict(count)}
            for stage, count in zip(chosen.planned_stages(), counts, strict=True)
        ],
        "input_images_per_second": input_speed,
        "values": values,
    }
    (model_run.path / "training.json").write_text(json.dumps(facts, indent=1))
    return f"{settings.model.backbone}, {facts['num_parameters']:,} parameters, {len(history)} epochs"

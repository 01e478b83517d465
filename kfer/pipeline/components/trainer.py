"""Trainer: the network, trained with the values that the Tuner found."""

import dataclasses
import json
import logging
import shutil
from collections.abc import Mapping
from pathlib import Path

from kfer.pipeline.artifacts import HyperParameters, Model, ModelRun, TransformedExamples
from kfer.pipeline.component import Input, Output, Work, component
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


@component()
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
    arguments = (transformed_examples, hyperparameters, model, model_run, work)
    settings = (data, augmentation, model_settings, training, tasks)
    if training.strategy != "multi_worker":
        return _train(*arguments, *settings)
    # Processes must be connected before one of them uses TensorFlow. That the others end when they are
    # done is then of no concern for the components that follow.
    return in_fresh_process(_train, *arguments, *settings)


def _train(
    transformed_examples: TransformedExamples,
    hyperparameters: HyperParameters,
    model: Model,
    model_run: ModelRun,
    work: Path,
    data: DataSettings,
    augmentation: AugmentationSettings,
    model_settings: ModelSettings,
    training: TrainingSettings,
    tasks: Mapping[str, TaskSettings],
) -> str:
    from kfer import input_pipeline, models
    from kfer import training as trainers
    from kfer.backbones.stages import described
    from kfer.pipeline.components.learning import Learning

    values = hyperparameters.best_values()
    settings = PipelineSettings(
        tasks=tasks, data=data, augmentation=augmentation, model=model_settings, training=training
    )
    settings = with_values(settings, values)
    chosen, tasks, model_settings = settings.training, settings.tasks, settings.model
    devices = trainers.connect(chosen)
    learning = Learning(transformed_examples, data, settings.augmentation, model_settings, tasks)
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
        "backbone": model_settings.backbone,
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
    return f"{model_settings.backbone}, {facts['num_parameters']:,} parameters, {len(history)} epochs"

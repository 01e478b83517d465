"""Tuner: which values of the settings that are searched serve best."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from kfer.pipeline.artifacts import HyperParameters, TransformedExamples, TunerResults
from kfer.pipeline.component import Input, Output, Work, component
from kfer.pipeline.components.outside import saved_networks
from kfer.settings import (
    AugmentationSettings,
    DataSettings,
    ModelSettings,
    PipelineSettings,
    TaskSettings,
    TrainingSettings,
    TuningSettings,
)
from kfer.settings.space import with_values


@component(fingerprint=saved_networks)
def tuner(
    transformed_examples: Input[TransformedExamples],
    best_hyperparameters: Output[HyperParameters],
    tuner_results: Output[TunerResults],
    work: Work,
    data: DataSettings,
    augmentation: AugmentationSettings,
    model_settings: ModelSettings,
    training: TrainingSettings,
    tasks: Mapping[str, TaskSettings],
    tuning: TuningSettings,
    studied: Mapping[str, Any],
) -> str:
    """Searches with Keras Tuner, where a killed search goes on, or takes what a study found."""
    settings = PipelineSettings(
        tasks=tasks,
        data=data,
        augmentation=augmentation,
        model=model_settings,
        training=training,
        tuning=tuning,
    )
    if tuning.trials == 0:
        with_values(settings, studied)  # A study of other tasks is found out before the training.
        best_hyperparameters.write_best_values(studied)
        (tuner_results.path / "trials.json").write_text("[]")
        if not studied:
            return "no trials asked for; the settings stay as they are"
        return f"the best of the study {tuning.study}: {_told(studied)}"
    from kfer import search
    from kfer.pipeline.components.trials import Trials

    train = Trials(transformed_examples, tuning.example_share, work / "features")
    found = search.search(train, settings, work)
    shutil.copy(work / "best_hyperparameters.txt", best_hyperparameters.path)
    best_hyperparameters.write_best_values(found.best.judged_values(settings))
    trials = json.dumps([asdict(trial) for trial in found.trials], indent=1)
    (tuner_results.path / "trials.json").write_text(trials)
    failed = sum(trial.score is None for trial in found.trials)
    return (
        f"best of {len(found.trials)} trials{f', of which {failed} failed' if failed else ''}, by "
        f"{found.rule}: {_told(found.best.values)}"
    )


def _told(values: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in values.items()
    )

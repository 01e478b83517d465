"""Tuner: which loss weights and learning rate serve best."""

import json
import shutil
from collections.abc import Mapping

from kfer.pipeline.artifacts import HyperParameters, TransformedExamples, TunerResults
from kfer.pipeline.component import Input, Output, Work, component
from kfer.settings import (
    AugmentationSettings,
    DataSettings,
    ModelSettings,
    TaskSettings,
    TrainingSettings,
    TuningSettings,
)


@component()
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
) -> str:
    """Searches with Keras Tuner; finished trials of a run that was killed are kept."""
    if tuning.trials == 0:
        best_hyperparameters.write_best_values({})
        (tuner_results.path / "trials.json").write_text("[]")
        return "no trials asked for; the settings stay as they are"
    from kfer import training as trainers
    from kfer import tuning as tuners
    from kfer.pipeline.components.learning import Learning

    learning = Learning(transformed_examples, data, augmentation, model_settings, tasks)
    best, trials = tuners.search(
        learning.build_model,
        learning.batches,
        learning.steps_per_epoch(training),
        learning.validation,
        training,
        tasks,
        tuning,
        work,
        trainers.class_counts(learning.examples, tasks),
    )
    shutil.copy(work / "best_hyperparameters.txt", best_hyperparameters.path)
    best_hyperparameters.write_best_values(best)
    (tuner_results.path / "trials.json").write_text(json.dumps(trials, indent=1))
    values = ", ".join(f"{name} {value:.3g}" for name, value in best.items())
    return f"best of {len(trials)} trials: {values}"

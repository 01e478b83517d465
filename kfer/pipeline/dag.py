"""The graph: which component takes whose outputs."""

from pathlib import Path

from kfer.pipeline.component import LatestBlessed, Node
from kfer.pipeline.components import (
    evaluator,
    example_gen,
    example_validator,
    infra_validator,
    pusher,
    schema_gen,
    statistics_gen,
    trainer,
    transform,
    tuner,
)
from kfer.pipeline.studied import best_values
from kfer.settings import PipelineSettings


def build(settings: PipelineSettings, root: Path) -> list[Node]:
    """The ten components with their inputs and settings, in an order in which they can run.

    Args:
        settings: The pipeline's settings.
        root: The pipeline root; datasets are prepared under it.

    Raises:
        FileNotFoundError: There is no such file as `settings.tuning.study`.
        ValueError: It is no study's.
    """
    examples = example_gen(
        data=settings.data,
        labels=settings.labels(),
        data_dir=settings.data_dir,
        prepared_dir=str(root / "datasets"),
    )
    statistics = statistics_gen(examples=examples["examples"])
    schema = schema_gen(statistics=statistics["statistics"])
    anomalies = example_validator(
        statistics=statistics["statistics"],
        schema=schema["schema"],
        data=settings.data,
        tasks=settings.tasks,
    )
    transformed = transform(
        examples=examples["examples"], anomalies=anomalies["anomalies"], data=settings.data
    )
    tuned = tuner(
        transformed_examples=transformed["transformed_examples"],
        data=settings.data,
        augmentation=settings.augmentation,
        model_settings=settings.model,
        training=settings.training,
        tasks=settings.tasks,
        tuning=settings.tuning,
        # Not its file's name alone: the cache is to know what it says.
        studied=best_values(settings.tuning.study) if settings.tuning.study else {},
    )
    trained = trainer(
        transformed_examples=transformed["transformed_examples"],
        hyperparameters=tuned["best_hyperparameters"],
        data=settings.data,
        augmentation=settings.augmentation,
        model_settings=settings.model,
        training=settings.training,
        tasks=settings.tasks,
    )
    evaluated = evaluator(
        model=trained["model"],
        transformed_examples=transformed["transformed_examples"],
        # The judgement of the latest blessed model before this one, to compare with.
        baseline=LatestBlessed("Evaluator", "evaluation", "blessing", "model"),
        data=settings.data,
        tasks=settings.tasks,
        evaluation_settings=settings.evaluation,
    )
    checked = infra_validator(
        model=trained["model"],
        evaluation=evaluated["evaluation"],
        transformed_examples=transformed["transformed_examples"],
        name=settings.name,
        data=settings.data,
        tasks=settings.tasks,
        export=settings.export,
    )
    pushed = pusher(
        serving_model=checked["serving_model"],
        blessing=evaluated["blessing"],
        infra_blessing=checked["infra_blessing"],
        name=settings.name,
        serving_dir=str(Path(settings.serving_dir).absolute()),
    )
    return [
        examples,
        statistics,
        schema,
        anomalies,
        transformed,
        tuned,
        trained,
        evaluated,
        checked,
        pushed,
    ]

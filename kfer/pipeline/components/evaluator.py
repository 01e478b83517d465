"""Evaluator: how good the network is, and whether it may be used."""

import json
from collections.abc import Mapping

from kfer import spec
from kfer.pipeline.artifacts import (
    Model,
    ModelBlessing,
    ModelEvaluation,
    TransformedExamples,
)
from kfer.pipeline.component import Input, Output, component
from kfer.settings import DataSettings, EvaluationSettings, TaskSettings


@component()
def evaluator(
    model: Input[Model],
    transformed_examples: Input[TransformedExamples],
    baseline: Input[ModelEvaluation] | None,
    evaluation: Output[ModelEvaluation],
    blessing: Output[ModelBlessing],
    data: DataSettings,
    tasks: Mapping[str, TaskSettings],
    evaluation_settings: EvaluationSettings,
) -> str:
    """Judges the network on the test split and blesses it where it reaches its bounds.

    The latest blessed model counts as a bound where it was judged on the same examples.
    """
    import numpy as np

    from kfer import evaluation as judging
    from kfer import input_pipeline, models

    judged_on = transformed_examples.path.name
    test, validation = (
        input_pipeline.load_decoded(transformed_examples.split(split), data.memory_budget_gb)
        for split in ("test", "validation")
    )
    pairs_folder = transformed_examples.split("pairs")
    pairs = input_pipeline.load_pairs(pairs_folder) if pairs_folder.is_dir() else None
    network = models.load(model.keras_file)
    report, predictions = judging.evaluate(
        network,
        test,
        validation,
        pairs,
        tasks,
        transformed_examples.names(),
        evaluation_settings,
    )
    report["judged_on"] = judged_on
    if data.frames and report["expression"]:
        report["clips"] = judging.clip_report(network, test, spec.EXPRESSION)
    np.savez(evaluation.path / "predictions.npz", **predictions)  # type: ignore[arg-type]
    (evaluation.path / "evaluation.json").write_text(json.dumps(report, indent=1))
    earlier = baseline and baseline.report()
    comparable = earlier["metrics"] if earlier and earlier.get("judged_on") == judged_on else None
    verdict = judging.bless(report["metrics"], evaluation_settings, comparable)
    (blessing.path / ("BLESSED" if verdict.blessed else "NOT_BLESSED")).touch()
    checks = {"reasons": verdict.reasons, "checks": verdict.checks}
    (blessing.path / "checks.json").write_text(json.dumps(checks, indent=1))
    figures = ", ".join(
        f"{name.replace('_', ' ')} {value:.3f}"
        for name, value in report["metrics"].items()
        if value is not None
    )
    return f"{'blessed' if verdict.blessed else 'NOT blessed'}: {figures}" + "".join(
        f"; {reason}" for reason in verdict.reasons
    )

"""InfraValidator: the exports, each loaded in a fresh process and compared with Keras."""

import json
from collections.abc import Mapping

from kfer.pipeline.artifacts import (
    InfraBlessing,
    Model,
    ModelEvaluation,
    ServingModel,
    TransformedExamples,
)
from kfer.pipeline.component import Input, Output, component
from kfer.settings import DataSettings, ExportSettings, TaskSettings


@component()
def infra_validator(
    model: Input[Model],
    evaluation: Input[ModelEvaluation],
    transformed_examples: Input[TransformedExamples],
    serving_model: Output[ServingModel],
    infra_blessing: Output[InfraBlessing],
    name: str,
    data: DataSettings,
    tasks: Mapping[str, TaskSettings],
    export: ExportSettings,
) -> str:
    """Makes the folder that the Pusher pushes, and blesses it where every export agrees."""
    from kfer import export as exporting
    from kfer import input_pipeline, models

    facts = transformed_examples.labels()
    train, test = (
        input_pipeline.load_decoded(transformed_examples.split(split), data.memory_budget_gb)
        for split in ("train", "test")
    )
    write = exporting.write_clip_model if data.frames else exporting.write_model
    found = write(
        serving_model.path,
        name,
        models.load(model.keras_file),
        tasks,
        export,
        train,
        test,
        evaluation.report(),
        # Examples that an older kfer made have no versions.
        dict(zip(facts["sources"], facts.get("versions", facts["sources"]), strict=True)),
    )
    record = {"parity": found.parity, "reasons": found.reasons}
    (infra_blessing.path / "parity.json").write_text(json.dumps(record, indent=1))
    (infra_blessing.path / ("INFRA_NOT_BLESSED" if found.reasons else "INFRA_BLESSED")).touch()
    if found.reasons:
        return "NOT blessed: " + "; ".join(found.reasons)
    return f"{len(found.parity)} exports load in a fresh process and agree with Keras"

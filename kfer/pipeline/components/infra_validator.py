"""InfraValidator: the exports, each loaded in a fresh process and compared with Keras."""

import json
import logging
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kfer import spec
from kfer.pipeline.artifacts import (
    InfraBlessing,
    Model,
    ModelEvaluation,
    ServingModel,
    TransformedExamples,
)
from kfer.pipeline.component import Input, Output, component
from kfer.settings import DataSettings, ExportSettings, TaskSettings

if TYPE_CHECKING:
    import numpy as np

_log = logging.getLogger(__name__)


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
    import numpy as np

    from kfer import export as exporting
    from kfer import input_pipeline, models

    report = json.loads((evaluation.path / "evaluation.json").read_text())
    train, test = (
        input_pipeline.load_decoded(transformed_examples.split(split), data.memory_budget_gb)
        for split in ("train", "test")
    )
    network = models.load(model.keras_file)
    folder = serving_model.path
    tasks = exporting.exported_tasks(network, tasks)
    _log.info("  exporting the SavedModel")
    exporting.save_saved_model(network, folder, tasks, data.image_size, data.channels)
    calibration = _spread(train.source, export.calibration_images)
    files = exporting.save_tflite(
        network,
        folder,
        tasks,
        export.tflite,
        np.stack([train.images[index] for index in calibration]),
        data.image_size,
        data.channels,
    )
    chosen = _spread(test.source, export.parity_images)
    images = np.stack([test.images[index] for index in chosen])
    labels = {task: test.label(settings.feature or task)[chosen] for task, settings in tasks.items()}
    reference = exporting.keras_outputs(network, tasks, images)
    parity: dict[str, Any] = {}
    for variant, place in {"saved_model": folder, **files}.items():
        _log.info("  comparing %s with Keras on %d images in a fresh process", variant, len(images))
        outputs = run_in_fresh_process(place, np.broadcast_to(images, (*images.shape[:3], 3)))
        parity[variant] = exporting.parity_report(reference, outputs, tasks, labels)
    reasons = exporting.check_parity(parity, export)
    if spec.EXPRESSION in tasks:
        exporting.write_labels(folder / "labels.txt", tasks[spec.EXPRESSION].names)
    exporting.write_model_json(
        folder / "model.json",
        name=name,
        image_size=data.image_size,
        channels=data.channels,
        tasks=tasks,
        temperatures=_temperatures(report["calibration"]),
        embedding_size=reference[spec.EMBEDDING].shape[1] if spec.EMBEDDING in reference else None,
        verification=report["threshold"],
        metrics=report["metrics"],
        parity=parity,
    )
    record = {"parity": parity, "reasons": reasons}
    (infra_blessing.path / "parity.json").write_text(json.dumps(record, indent=1))
    (infra_blessing.path / ("INFRA_NOT_BLESSED" if reasons else "INFRA_BLESSED")).touch()
    if reasons:
        return "NOT blessed: " + "; ".join(reasons)
    return f"{len(parity)} exports load in a fresh process and agree with Keras"


def _temperatures(calibration: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """By task, those that the validation split determines."""
    return {
        task: found["temperature"]
        for task, found in calibration.items()
        if found["temperature"] is not None
    }


def _spread(sources: "np.ndarray", count: int) -> "np.ndarray":
    """Positions of `count` examples, evenly over the sources and over each source."""
    import numpy as np

    present = np.unique(sources)
    share = -(-count // max(len(present), 1))
    chosen = []
    for source in present:
        positions = np.flatnonzero(sources == source)
        chosen.append(
            positions[np.linspace(0, len(positions) - 1, min(share, len(positions))).astype(int)]
        )
    return np.sort(np.concatenate(chosen))[:count]


def run_in_fresh_process(model: Path, images: "np.ndarray") -> Mapping[str, "np.ndarray"]:
    """What a SavedModel or `.tflite` file says of uint8 images [n, size, size, 3].

    Raises:
        RuntimeError: The process failed; the message holds what it printed.
    """
    import numpy as np

    with tempfile.TemporaryDirectory() as temporary:
        given, said = Path(temporary) / "images.npy", Path(temporary) / "outputs.npz"
        np.save(given, images)
        command = [sys.executable, "-m", "kfer.inference", str(model), str(given), str(said)]
        process = subprocess.run(command, capture_output=True, text=True)
        if process.returncode:
            raise RuntimeError(f"{model.name} does not run in a fresh process: {process.stderr[-2000:]}")
        with np.load(said) as outputs:
            return dict(outputs)

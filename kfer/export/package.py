"""The whole folder of a model: its exports, what describes them, and the proof that they agree."""

import concurrent.futures
import dataclasses
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kfer import spec
from kfer.export import choice, flatbuffer, parity
from kfer.export.card import figures_of, write_card
from kfer.export.description import write_labels, write_model_json
from kfer.export.fresh import run_in_fresh_process
from kfer.export.golden import golden_images, write_golden
from kfer.export.metadata import with_metadata
from kfer.export.network import exported_tasks, keras_outputs, output_of, weights_digest
from kfer.export.saved_model import save_saved_model
from kfer.export.tflite import save_tflite
from kfer.input_pipeline import Decoded
from kfer.preprocessing import prepare_images
from kfer.settings import ExportSettings
from kfer.settings.tasks import Tasks

_WORST_LAYERS = 5
# What an export that LiteRT is slow in is asked of.
_FEW_IMAGES = 500
# Texts of the settings that model.json repeats.
_ABOUT = ("license", "data_license", "pretrained_on", "limits", "intended_use")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Comparison:
    """How the exports compare with Keras.

    Attributes:
        parity: The `parity_report` of each, "saved_model" or the TFLite file's name without its ending.
        reasons: Why they are not near enough; empty where they are.
    """

    parity: dict[str, dict[str, Any]]
    reasons: list[str]


def write_model(
    folder: Path,
    name: str,
    model: keras.Model,
    tasks: Tasks,
    settings: ExportSettings,
    train: Decoded,
    test: Decoded,
    evaluation: Mapping[str, Any],
    sources: Mapping[str, str],
) -> Comparison:
    """Writes all that leaves kfer of a network, and compares each export with Keras in a fresh process.

    Args:
        folder: Where to write: the SavedModel, `<variant>.tflite`, golden/, labels.txt,
            MODEL_CARD.md and model.json.
        name: The model's name.
        model: The trained network.
        tasks: What it was trained for.
        settings: What is exported, and how near to Keras it must be.
        train: The training split, which calibrates integer variants.
        test: The test split, of which exports are compared on some.
        evaluation: The Evaluator's report.
        sources: The name and version of each source's dataset, by the source's name, in the order of
            `train.source`.

    Raises:
        ValueError: What `save_saved_model` and `save_tflite` refuse.
        RuntimeError: An export does not run.
    """
    tasks = exported_tasks(model, tasks)
    image_size, channels = test.images.shape[2], test.images.shape[3]
    _log.info("  exporting the SavedModel")
    save_saved_model(model, folder, tasks, image_size, channels)
    calibration = choice.for_calibration(train, settings.calibration_images)
    images = _taken(train, calibration)
    files = save_tflite(model, folder, tasks, settings, images, image_size, channels, measure_noise=True)
    for file in files.values():
        described = with_metadata(
            file.path.read_bytes(), file.tasks, name, normalized=settings.normalize_embedding
        )
        file.path.write_bytes(described)
    exports: dict[str, tuple[Path, Tasks]] = {parity.SAVED_MODEL: (folder, tasks)}
    exports |= {export: (file.path, file.tasks) for export, file in files.items()}
    chosen = choice.for_parity(test, settings.parity_images)
    few = np.isin(chosen, choice.for_parity(test, _FEW_IMAGES))
    images = _taken(test, chosen)
    labels = {task: test.label(task_.feature or task)[chosen] for task, task_ in tasks.items()}
    reference = keras_outputs(model, tasks, images)
    _log.info(
        "  comparing %d exports with Keras on %d images in fresh processes", len(exports), len(images)
    )
    asked_of = {
        export: few if parity.is_slow(export) else np.full(len(images), True) for export in exports
    }
    answers = _asked(
        {export: (place, images[asked_of[export]]) for export, (place, _) in exports.items()}
    )
    reports = {}
    for export, (place, its_tasks) in exports.items():
        said, asked = dict(answers[export]), asked_of[export]
        if spec.EMBEDDING in said and place != folder and not settings.normalize_embedding:
            lengths = np.linalg.norm(said[spec.EMBEDDING], axis=1, keepdims=True)
            said[spec.EMBEDDING] = said[spec.EMBEDDING] / lengths
        names = [output_of(task, task_) for task, task_ in its_tasks.items()]
        expected = {output: reference[output][asked] for output in names}
        known = {task: values[asked] for task, values in labels.items()}
        reports[export] = parity.parity_report(expected, said, its_tasks, known)
        if export in files:
            worst = files[export].noise[:_WORST_LAYERS]
            reports[export]["worst_layers"] = [dataclasses.asdict(layer) for layer in worst]
    if files:
        drawn = golden_images(image_size)
        prepared = prepare_images(tf.constant(drawn), image_size, channels).numpy()
        paths = {export: file.path for export, file in files.items()}
        write_golden(folder, drawn, paths, keras_outputs(model, tasks, prepared))
    describe(
        *(
            folder,
            name,
            model,
            tasks,
            settings,
            image_size,
            channels,
            train,
            evaluation,
            sources,
            reports,
        ),
        embedding_size=reference[spec.EMBEDDING].shape[1] if spec.EMBEDDING in reference else None,
        contents={
            file.path.name: flatbuffer.contents(flatbuffer.read(file.path.read_bytes()))
            for file in files.values()
        },
    )
    return Comparison(reports, parity.check_parity(reports, settings))


def describe(
    folder: Path,
    name: str,
    model: keras.Model,
    tasks: Tasks,
    settings: ExportSettings,
    image_size: int,
    channels: int,
    train: Decoded,
    evaluation: Mapping[str, Any],
    sources: Mapping[str, str],
    reports: Mapping[str, Mapping[str, Any]],
    embedding_size: int | None,
    contents: Mapping[str, Mapping[str, Any]],
    clip: Mapping[str, Any] | None = None,
) -> None:
    """Writes labels.txt, MODEL_CARD.md and model.json beside the exports of a network.

    Args:
        folder: Where they are.
        name: As for `write_model`, like what is not told here.
        model: Likewise.
        tasks: What the exports have an output for.
        settings: Likewise.
        image_size: Height and width of the network's input in pixels.
        channels: 1 for grey, 3 for RGB.
        train: Likewise.
        evaluation: Likewise.
        sources: Likewise.
        reports: The `parity_report` of each export.
        embedding_size: Numbers in an embedding; None without one.
        contents: Of TFLite files by name, `flatbuffer.contents`.
        clip: As `write_model_json` takes it.
    """
    if spec.EXPRESSION in tasks:
        write_labels(folder / "labels.txt", tasks[spec.EXPRESSION].names)
    counts = np.bincount(train.source, minlength=len(sources))
    trained_on = {source: int(count) for source, count in zip(sources, counts, strict=False)}
    card = folder / "MODEL_CARD.md"
    write_card(card, name, tasks, settings, image_size, trained_on, sources, evaluation, reports)
    write_model_json(
        folder / "model.json",
        name=name,
        image_size=image_size,
        channels=channels,
        tasks=tasks,
        temperatures=_temperatures(evaluation["calibration"]),
        embedding_size=embedding_size,
        weights=weights_digest(model),
        alignment={"margin": settings.face_margin, "shift": settings.face_shift},
        verification=evaluation["threshold"],
        metrics=evaluation["metrics"],
        figures=figures_of(evaluation, tasks),
        parity=reports,
        sources=trained_on,
        datasets=sources,
        contents=contents,
        about={name: getattr(settings, name) for name in _ABOUT},
        clip=clip,
    )


def _asked(exports: Mapping[str, tuple[Path, np.ndarray]]) -> dict[str, Mapping[str, np.ndarray]]:
    """What each export says of its images; as many are asked at the same time as there are cores."""
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        # The slowest, int16, comes last: it begins first.
        asked = {
            export: pool.submit(
                run_in_fresh_process, place, np.broadcast_to(images, (*images.shape[:3], 3))
            )
            for export, (place, images) in reversed(list(exports.items()))
        }
        return {export: answer.result() for export, answer in asked.items()}


def _taken(examples: Decoded, positions: np.ndarray) -> np.ndarray:
    """Images of a split that may lie on a disk, uint8 `[n, size, size, channels]`."""
    return np.stack([examples.images[position] for position in positions])


def _temperatures(calibration: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """By task, those that the validation split determines."""
    return {
        task: found["temperature"]
        for task, found in calibration.items()
        if found["temperature"] is not None
    }

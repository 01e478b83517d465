"""One network with one seed: trained, and judged once on the test split."""

import dataclasses
import hashlib
import logging
from pathlib import Path

import filelock
import numpy as np

from kfer import datasets, evaluation, input_pipeline, models, spec, training
from kfer.comparison import runs
from kfer.comparison.settings import ComparisonSettings
from kfer.files import replacing, told_if_full, write_bytes, write_json
from kfer.settings import EvaluationSettings, labels_of

#: What epochs are compared by.
_BEST = "val_expression_accuracy"
_log = logging.getLogger(__name__)


def load_examples(
    settings: ComparisonSettings, data_dir: str, output_dir: Path
) -> dict[str, input_pipeline.Decoded]:
    """Returns the decoded splits "train", "validation" and "test"; prepared once, then found again.

    Raises:
        FileNotFoundError: Files that the user must download are missing.
        ValueError: The source lacks a split, or its labels are unknown.
    """
    (source,) = settings.data.sources
    missing = sorted(set(spec.SPLITS) - set(source.splits))
    if missing:
        raise ValueError(f"{source.dataset}: expected splits {', '.join(spec.SPLITS)}; {missing} lack")
    builder = datasets.builder(source.dataset, output_dir / "prepared", **source.arguments)
    datasets.prepare(builder, data_dir)
    carried = labels_of(settings.tasks)
    return {
        split: input_pipeline.decode_source(
            builder, split, source, settings.data, carried, output_dir / "decoded"
        )
        for split in spec.SPLITS
    }


def run(settings: ComparisonSettings, name: str, seed: int, data_dir: str, output_dir: Path) -> Path:
    """Trains a candidate, or goes on after the last epoch of a run that was killed.

    Args:
        settings: The comparison.
        name: A key of `settings.candidates`.
        seed: For weights, order and augmentation.
        data_dir: Folder with what the user downloaded.
        output_dir: The comparison's folder.

    Returns:
        The candidate's folder, with "model.keras" (the epoch that was best on validation),
        "history.csv", "test.npz" (float32 probabilities `[n, classes]`, int32 labels `[n]`, unicode
        filename `[n]`) and, last, "result.json"; in their place "failed.json" with the reason, where
        training raised an error.

    Raises:
        ValueError: The folder is of a run with other settings or examples, or another finished run is.
        FloatingPointError: The loss is not a number.
        filelock.Timeout: Another process trains this candidate.
    """
    folder = runs.folder(output_dir, name, seed)
    folder.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(folder / runs.LOCK, timeout=0):
        runs.check_settings(folder, settings, name, seed)
        if not runs.is_finished(folder):
            try:
                with told_if_full(folder):
                    examples = load_examples(settings, data_dir, output_dir)
                    runs.check_examples(output_dir, folder, _digest(examples))
                    _train(settings, name, seed, examples, folder)
            except Exception as error:
                runs.note_failure(folder, f"{type(error).__name__}: {error}")
                raise
            runs.note_failure(folder, "")
    return folder


def _digest(examples: dict[str, input_pipeline.Decoded]) -> str:
    found = hashlib.sha256()
    for split in spec.SPLITS:
        examples[split].add_to(found, [spec.EXPRESSION])
    return found.hexdigest()


def _train(
    settings: ComparisonSettings,
    name: str,
    seed: int,
    examples: dict[str, input_pipeline.Decoded],
    folder: Path,
) -> None:
    chosen = dataclasses.replace(settings.training, seed=seed, stop_metric=_BEST, keep_best=True)
    training.check_labels(examples["train"], settings.tasks)
    network = models.build(
        settings.candidates[name],
        settings.data.image_size,
        settings.data.channels,
        settings.tasks,
        0,
        seed,
        chosen.mixed_precision,
    )
    steps = input_pipeline.steps_per_epoch(examples["train"], chosen.batch_size)
    _log.info("%s, seed %d: %s parameters", name, seed, f"{network.count_params():,}")
    history = training.train(
        network,
        lambda step: input_pipeline.for_training(
            examples["train"],
            chosen.batch_size,
            seed,
            settings.augmentation,
            step,
            sampling=chosen.sampling,
        ),
        steps,
        examples["validation"],
        chosen,
        settings.tasks,
        folder / "work",
        class_counts=training.class_counts(examples["train"], settings.tasks),
    )
    with replacing(folder / runs.MODEL) as new:
        network.save(new)
    test = examples["test"]
    report, predictions = evaluation.evaluate(
        network, test, examples["validation"], None, settings.tasks, {}, EvaluationSettings()
    )
    with replacing(folder / runs.PREDICTIONS) as new:
        np.savez(
            new,
            probabilities=predictions["probabilities"],
            labels=test.expression,
            filename=test.filename,
        )
    write_bytes(folder / "history.csv", (folder / "work" / "history.csv").read_bytes())
    result = {
        "candidate": name,
        "seed": seed,
        "num_parameters": network.count_params(),
        "num_examples": {split: len(decoded) for split, decoded in examples.items()},
        "best_epoch": training.best_epoch(history, _BEST),
        "epochs": len(history),
        "test_accuracy": report["expression"]["accuracy"],
    }
    write_json(folder / runs.RESULT, result)
    _log.info("%s, seed %d: %.3f of the test images right", name, seed, result["test_accuracy"])

"""One network with one seed: trained, and judged once on the test split."""

import dataclasses
import json
import logging
from pathlib import Path

import filelock
import keras
import numpy as np

from kfer import datasets, evaluation, input_pipeline, models, spec, training
from kfer.comparison import runs
from kfer.comparison.records import write_json
from kfer.comparison.settings import ComparisonSettings
from kfer.settings import EvaluationSettings, labels_of

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
        ValueError: The folder is of a run with other settings.
        FloatingPointError: The loss is not a number.
        filelock.Timeout: Another process trains this candidate.
    """
    folder = runs.folder(output_dir, name, seed)
    folder.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(folder / runs.LOCK, timeout=0):
        runs.check_settings(folder, settings, name, seed)
        if not runs.is_finished(folder):
            try:
                _train(settings, name, seed, load_examples(settings, data_dir, output_dir), folder)
            except Exception as error:
                runs.note_failure(folder, f"{type(error).__name__}: {error}")
                raise
            runs.note_failure(folder, "")
    return folder


def _train(
    settings: ComparisonSettings,
    name: str,
    seed: int,
    examples: dict[str, input_pipeline.Decoded],
    folder: Path,
) -> None:
    chosen = dataclasses.replace(settings.training, seed=seed)
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
    best = _KeepBest(network, folder)
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
        [best],
        class_counts=training.class_counts(examples["train"], settings.tasks),
    )
    network.load_weights(best.weights)
    network.save(folder / runs.MODEL)
    test = examples["test"]
    report, predictions = evaluation.evaluate(
        network, test, examples["validation"], None, settings.tasks, {}, EvaluationSettings()
    )
    np.savez(
        folder / runs.PREDICTIONS,
        probabilities=predictions["probabilities"],
        labels=test.expression,
        filename=test.filename,
    )
    (folder / "history.csv").write_bytes((folder / "work" / "history.csv").read_bytes())
    result = {
        "candidate": name,
        "seed": seed,
        "num_parameters": network.count_params(),
        "num_examples": {split: len(decoded) for split, decoded in examples.items()},
        "best_epoch": best.epoch,
        "epochs": len(history),
        "test_accuracy": report["expression"]["accuracy"],
    }
    write_json(folder / runs.RESULT, result)
    _log.info("%s, seed %d: %.3f of the test images right", name, seed, result["test_accuracy"])


class _KeepBest(keras.callbacks.Callback):
    """Keeps the weights of the epoch with the highest validation accuracy, the first of equals."""

    def __init__(self, network: keras.Model, folder: Path) -> None:
        super().__init__()
        self.weights = folder / "best.weights.h5"
        self._network, self._record = network, folder / "best.json"
        found = json.loads(self._record.read_text()) if self._record.exists() else {}
        self.epoch, self._accuracy = found.get("epoch", 0), found.get("accuracy", -1.0)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        accuracy = (logs or {})["val_expression_accuracy"]
        if accuracy > self._accuracy:
            partial = self.weights.with_name("partial.weights.h5")
            self._network.save_weights(partial)
            partial.replace(self.weights)
            self.epoch, self._accuracy = epoch + 1, accuracy
            write_json(self._record, {"epoch": self.epoch, "accuracy": accuracy})

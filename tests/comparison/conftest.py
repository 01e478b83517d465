import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from kfer.comparison import ComparisonSettings, costs
from kfer.settings import DataSettings, ModelSettings, SourceSettings, TaskSettings, TrainingSettings

NAMES = ("angry", "happy", "sad")


def make_settings(**changes) -> ComparisonSettings:
    """Two tiny networks on 84 drawn faces."""
    people = {
        "num_identities": 4,
        "num_heldout_identities": 2,
        "examples_per_identity": 14,
        "heldout_examples_per_identity": 7,
        "image_size": 32,
    }
    tiny = {"widths": (8, 16), "blocks": 1}
    given = {
        "name": "toy",
        "candidates": {
            "plain": ModelSettings(backbone_arguments=tiny),
            "squeezing": ModelSettings(backbone_arguments={**tiny, "squeeze_excitation": True}),
        },
        "data": DataSettings(sources=(SourceSettings("synthetic", arguments=people),), image_size=32),
        "training": TrainingSettings(epochs=2, batch_size=16),
        "resamples": 200,
        "timed_steps": 2,
        "timed_images": 3,
        "calibration_images": 4,
        "int8_images": 10,
        **changes,
    }
    return ComparisonSettings(**given)


@pytest.fixture(scope="session")
def settings() -> ComparisonSettings:
    return make_settings()


@pytest.fixture(scope="session")
def three_classes() -> ComparisonSettings:
    """What `write_run` and `write_study` write the results of."""
    return make_settings(
        data=DataSettings((SourceSettings("synthetic"),)), expression=TaskSettings(names=NAMES)
    )


def write_run(folder: Path, labels: Sequence[int], predictions: Sequence[int], seed: int = 0) -> None:
    """A finished run's folder; the largest probability of a row is its prediction's."""
    folder.mkdir(parents=True)
    probabilities = np.full((len(labels), len(NAMES)), 0.2, np.float32)
    probabilities[np.arange(len(labels)), predictions] = 0.6
    np.savez(
        folder / "test.npz",
        probabilities=probabilities,
        labels=np.array(labels, np.int32),
        filename=np.array([f"{index}.png" for index in range(len(labels))]),
    )
    write_history(folder / "history.csv", 2)
    result = {
        "candidate": folder.name.rpartition("-")[0],
        "seed": seed,
        "num_parameters": 1234,
        "num_examples": {"train": 20, "validation": 5, "test": len(labels)},
        "best_epoch": 2,
        "epochs": 2,
        "test_accuracy": float(np.mean(np.equal(labels, predictions))),
    }
    (folder / "result.json").write_text(json.dumps(result))


def write_history(path: Path, epochs: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [
        {
            "epoch": epoch,
            "loss": 2 / epoch,
            "expression_accuracy": 0.3 * epoch,
            "val_expression_accuracy": 0.25 * epoch,
            "val_expression_macro_f1": 0.2 * epoch,
        }
        for epoch in range(1, epochs + 1)
    ]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


LABELS = [0] * 10 + [1] * 10 + [2] * 10
#: 24, then 15 of 30 right; the first ten of them right in both.
GOOD = [0] * 10 + [1] * 8 + [0] * 2 + [2] * 6 + [1] * 4
POOR = [0] * 10 + [1] * 5 + [2] * 5 + [0] * 10


@pytest.fixture(scope="session")
def write_study() -> Callable[[Path], None]:
    """Writes a study's folder of `three_classes`: both finished, image 0 a duplicate, one measured."""

    def write(output_dir: Path) -> None:
        write_run(output_dir / "runs" / "plain-seed0", LABELS, POOR)
        write_run(output_dir / "runs" / "squeezing-seed0", LABELS, GOOD)
        match = {
            "position": 0,
            "filename": "0.png",
            "label": 0,
            "split": "train",
            "other_filename": "t.png",
            "other_label": 2,
        }
        found = {"num_test_images": len(LABELS), "matches": [match]}
        (output_dir / "duplicates.json").write_text(json.dumps(found))
        measured = {
            "parameters": 1234,
            "trainable_parameters": 1200,
            "multiply_adds": 5_600_000,
            "uncounted": [],
            "training_step_ms": 12.5,
            "batch_size": 16,
            "training_memory_mb": 700.0,
            "saved_model_ms": 3.21,
            "saved_model_cores": 1.5,
            "saved_model_mb": 0.9,
            "int8_ms": 0.45,
            "int8_cores": 1.0,
            "int8_mb": 0.3,
            "int8_images": 10,
            "keras_accuracy": 0.8,
            "int8_accuracy": 0.7,
            "seed": 0,
            "network": costs.fingerprint(output_dir / "runs" / "plain-seed0"),
            "timed_steps": 2,
            "timed_images": 3,
            "calibration_images": 4,
            "machine": "a processor, 2 cores",
        }
        (output_dir / "costs").mkdir()
        (output_dir / "costs" / "plain.json").write_text(json.dumps(measured))

    return write

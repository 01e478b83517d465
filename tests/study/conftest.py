import csv
import dataclasses
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from kfer import files, metrics, spec
from kfer.comparison import runs
from kfer.settings import (
    DataSettings,
    ModelSettings,
    PipelineSettings,
    SourceSettings,
    TaskSettings,
    TrainingSettings,
    TuningSettings,
)
from kfer.study import StudySettings, variant

NAMES = ("angry", "happy", "sad")
VARIANTS = {
    "expression_only": {"tasks.identity.weight": "0"},
    "identity_only": {"tasks.expression.weight": "0"},
    "fixed": {},
    "uncertainty": {"training.weighting": "uncertainty"},
}
#: How often each is right about expressions, and how far genuine pairs lie above impostors.
SKILLS = {
    "expression_only": (0.6, None),
    "identity_only": (None, 1.5),
    "fixed": (0.75, 0.7),
    "uncertainty": (0.61, 1.6),
}
_STUDIED_IMAGES, _PAIRS = 240, 400


def make_settings(**changes) -> StudySettings:
    """Tiny networks on 84 drawn faces."""
    people = {
        "num_identities": 4,
        "num_heldout_identities": 4,
        "examples_per_identity": 12,
        "heldout_examples_per_identity": 6,
        "image_size": 32,
    }
    base = PipelineSettings(
        name="toy",
        tasks={
            "expression": TaskSettings(names=spec.EXPRESSIONS),
            "identity": TaskSettings("embedding", weight=0.1),
        },
        data=DataSettings(sources=(SourceSettings("synthetic", arguments=people),), image_size=32),
        model=ModelSettings(backbone_arguments={"widths": (4, 8), "blocks": 1}, embedding_size=8),
        training=TrainingSettings(epochs=2, batch_size=16),
        tuning=TuningSettings(trials=0),
    )
    given = {"name": "toy", "base": base, "variants": VARIANTS, "resamples": 200, **changes}
    return StudySettings(**given)


@pytest.fixture
def make_study() -> Callable[..., StudySettings]:
    return make_settings


def make_two_sources() -> StudySettings:
    """Expressions alone, learnt with and without drawn faces of a second source."""
    study = make_settings()
    (source,) = study.base.data.sources
    people = {**source.arguments, "num_identities": 3, "examples_per_identity": 14, "seed": 1}
    second = dataclasses.replace(source, weight=1, arguments=people, splits={"train": "train"})
    first = dataclasses.replace(source, weight=1, arguments={**source.arguments, "seed": 0})
    base = dataclasses.replace(
        study.base,
        tasks={"expression": study.base.tasks["expression"]},
        data=dataclasses.replace(study.base.data, sources=(first, second)),
    )
    variants = {"real": {"data.sources.1.weight": "0"}, "mixed": {"data.sources.1.weight": "1"}}
    return make_settings(base=base, variants=variants, seeds=(0, 1), baseline="real")


@pytest.fixture
def two_sources() -> StudySettings:
    return make_two_sources()


@pytest.fixture(scope="session")
def settings() -> StudySettings:
    """What `write_run` writes the results of."""
    base = make_settings().base
    tasks = {**base.tasks, "expression": TaskSettings(names=NAMES)}
    return make_settings(base=dataclasses.replace(base, tasks=tasks))


def write_examples(root: Path, num_identities: int = 50, num_pairs: int = _PAIRS) -> Path:
    """Transformed examples: 240 test images, of which every fourth says who it is and nothing else."""
    folder = root / "Transform" / "transformed_examples" / "1"
    test = folder / "Split-test"
    test.mkdir(parents=True)
    rng = np.random.default_rng(0)
    is_person = np.arange(_STUDIED_IMAGES) % 4 == 0
    expression = np.where(is_person, -1, rng.integers(0, len(NAMES), _STUDIED_IMAGES))
    identity = np.where(is_person, 50 + np.arange(_STUDIED_IMAGES) % 7, -1)
    np.save(test / "expression.npy", expression.astype(np.int32))
    np.save(test / "identity.npy", identity.astype(np.int32))
    labels = {
        "num_examples": {"train": 1000, "validation": 120, "test": _STUDIED_IMAGES},
        "num_pairs": num_pairs,
        "num_identities": num_identities,
    }
    (folder / "labels.json").write_text(json.dumps(labels))
    return folder


def write_run(settings: StudySettings, output_dir: Path, name: str, seed: int = 0) -> Path:
    """A finished run with made-up answers; returns its folder."""
    root, number = variant.pipeline_root(output_dir), f"{name}-{seed}"
    examples = root / "Transform" / "transformed_examples" / "1"
    if not examples.exists():
        write_examples(root)
    expression_skill, identity_skill = SKILLS[name]
    rng = np.random.default_rng([seed, list(SKILLS).index(name)])
    said, tasks = {}, {}
    if expression_skill is not None:
        labels = np.load(examples / "Split-test" / "expression.npy")
        # Some images are easier than others, and for every network.
        hardness = np.random.default_rng(9).random(len(labels)) + 0.1 * rng.normal(size=len(labels))
        wrong = (labels + rng.integers(1, len(NAMES), len(labels))) % len(NAMES)
        predictions = np.where(hardness < expression_skill, labels, wrong)
        said["probabilities"] = np.eye(len(NAMES), dtype=np.float32)[predictions]
        found = metrics.class_intervals(labels, predictions, len(NAMES), 200, 0)
        tasks["expression"] = {"intervals": as_json(found)}
    if identity_skill is not None:
        same = np.arange(_PAIRS) % 2 == 0
        noise = np.random.default_rng(8).normal(size=_PAIRS) + 0.3 * rng.normal(size=_PAIRS)
        told = (noise + identity_skill * same, same, np.arange(_PAIRS) // 2 % 10)
        said |= dict(zip(("similarities", "same", "folds"), told, strict=True))
        tasks["identity"] = {"intervals": as_json(metrics.pair_intervals(*told, (0.1, 0.01), 200, 0))}
    evaluation = root / "Evaluator" / "evaluation" / number
    model_run = root / "Trainer" / "model_run" / number
    for folder in (evaluation, model_run, runs.folder(output_dir, name, seed)):
        folder.mkdir(parents=True)
    np.savez(evaluation / "predictions.npz", **said)
    (evaluation / "evaluation.json").write_text(json.dumps({"tasks": tasks}))
    (model_run / "training.json").write_text(json.dumps({"num_parameters": 1234, "num_examples": 1000}))
    write_history(model_run / "history.csv", settings.learned(name), name)
    chosen = settings.variant(name, seed)
    artifacts = {"model_run": model_run, "evaluation": evaluation, "transformed_examples": examples}
    result = {
        "settings": {group: files.plain(getattr(chosen, group)) for group in variant.GROUPS},
        "artifacts": {kind: str(place.relative_to(root)) for kind, place in artifacts.items()},
        "memory_gb": 1.25,
    }
    folder = runs.folder(output_dir, name, seed)
    (folder / runs.RESULT).write_text(json.dumps(result))
    return folder


def as_json(intervals: Mapping[str, metrics.Interval]) -> dict[str, dict[str, float | None]]:
    return {
        name: {end: None if math.isnan(value) else value for end, value in vars(interval).items()}
        for name, interval in intervals.items()
    }


def write_history(path: Path, tasks: tuple[str, ...], name: str) -> None:
    """Two epochs of 1,008 images each (63 batches of 16): 10 seconds, then 20."""
    rows = [
        {
            "epoch": epoch,
            "loss": 2 / epoch,
            **{
                f"{task}_weight": (0.1 if task == "identity" else 1) * epoch ** (name != "fixed")
                for task in tasks
            },
            "images_per_second": 100.8 / epoch,
        }
        for epoch in (1, 2)
    ]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture(scope="session")
def write_study(settings) -> Callable[..., None]:
    """Writes a study's folder: every variant with these seeds finished."""

    def write(output_dir: Path, *seeds: int) -> None:
        for seed in seeds or (0,):
            for name in settings.variants:
                write_run(settings, output_dir, name, seed)

    return write

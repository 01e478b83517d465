"""Real trials of a search, on a few images of noise."""

import json
import logging
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from kfer import input_pipeline, search
from kfer.pipeline.artifacts import TransformedExamples
from kfer.pipeline.components.trials import Trials
from kfer.settings import (
    AugmentationSettings,
    DataSettings,
    FineTuningStage,
    ModelSettings,
    ParameterSettings,
    PipelineSettings,
    SourceSettings,
    TaskSettings,
    TrainingSettings,
    TuningSettings,
)

NUM_TRAIN, BATCH = 32, 4


@pytest.fixture
def examples(tmp_path: Path) -> TransformedExamples:
    artifact = TransformedExamples(tmp_path / "examples")
    artifact.path.mkdir()
    artifact.write_labels({"num_identities": 2, "sources": ["faces"]})
    random = np.random.default_rng(0)
    for split, count in (("train", NUM_TRAIN), ("validation", 12)):
        folder = artifact.split(split)
        folder.mkdir()
        np.save(folder / "images.npy", random.integers(0, 256, (count, 32, 32, 1), np.uint8))
        np.save(folder / "expression.npy", np.arange(count, dtype=np.int32) % 2)
        np.save(folder / "identity.npy", np.full(count, -1, np.int32))
        np.save(folder / "source.npy", np.zeros(count, np.int32))
        np.save(folder / "filename.npy", np.array([""] * count))
    return artifact


def settings(**tuning: object) -> PipelineSettings:
    """A frozen backbone below one task, at two rates that change nothing in so few steps."""
    rates = {"training.learning_rate": ParameterSettings(values=("1e-9", "2e-9"))}
    arguments = {"tuner": "grid", "trials": 2, "space": rates, **tuning}
    return PipelineSettings(
        tasks={"expression": TaskSettings(names=("calm", "glad"))},
        data=DataSettings(sources=(SourceSettings("faces"),), image_size=32),
        augmentation=AugmentationSettings(0, 0, 0, 0, 0, 0, 0),
        model=ModelSettings(backbone_arguments={"widths": (8, 8), "blocks": 1}, dropout=0.0),
        training=TrainingSettings(stages=(FineTuningStage(9),), batch_size=BATCH, cache_features=True),
        tuning=TuningSettings(**arguments),  # type: ignore[arg-type]
    )


def test_what_trials_share_is_made_once_a_search(
    examples: TransformedExamples, tmp_path: Path, monkeypatch, caplog
) -> None:
    read: Counter[str] = Counter()
    load = input_pipeline.load_decoded

    def counted(folder: Path, *arguments: object) -> input_pipeline.Decoded:
        read[folder.name] += 1
        return load(folder, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(input_pipeline, "load_decoded", counted)
    with caplog.at_level(logging.INFO, "kfer"):
        found = search.search(
            Trials(examples, 1.0, tmp_path / "features"), settings(), tmp_path / "search"
        )
    assert [trial.score is None for trial in found.trials] == [False, False]
    # The images are read once, and a frozen backbone sees them once.
    assert set(read.values()) == {1} and len(read) == 2
    assert len(list((tmp_path / "features").glob("features_*.npy"))) == 2
    seen = [message.split(":")[0] for message in caplog.messages if "backbone" in message]
    assert seen.count("the backbone is run once") == 2


def test_patience_ends_a_trial_that_gets_no_better(examples: TransformedExamples, tmp_path: Path) -> None:
    train = Trials(examples, 1.0, tmp_path / "features")
    found = search.search(train, settings(patience=2, epochs=9), tmp_path / "search")
    assert [trial.epochs for trial in found.trials] == [3, 3]
    # The best epoch of equals is the first.
    assert found.best.figures["epoch"] == 1


def test_an_epoch_of_a_trial_sees_a_share_of_the_examples(
    examples: TransformedExamples, tmp_path: Path
) -> None:
    for share, steps in ((1.0, NUM_TRAIN // BATCH), (0.25, NUM_TRAIN // BATCH // 4), (1e-6, 1)):
        work_dir = tmp_path / str(share)
        train = Trials(examples, share, tmp_path / "features")
        train(settings(), work_dir, lambda figures: 0.0, 1)
        with np.load(work_dir / "checkpoint.npz") as kept:
            assert json.loads(str(kept["json"]))["run"]["steps_per_epoch"] == steps

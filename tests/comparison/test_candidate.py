import dataclasses
from pathlib import Path

import numpy as np
import pytest

from kfer import spec
from kfer.comparison import candidate, duplicates, runs
from kfer.training import callbacks


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, settings) -> Path:
    """A study's folder with its data drawn."""
    folder = tmp_path_factory.mktemp("prepared")
    candidate.load_examples(settings, "", folder)
    return folder


@pytest.fixture
def output_dir(prepared: Path, tmp_path: Path) -> Path:
    """Another study's folder, with the same data."""
    (tmp_path / "prepared").symlink_to(prepared / "prepared")
    return tmp_path


@pytest.mark.slow
def test_a_killed_candidate_ends_as_one_that_was_not(output_dir: Path, prepared, settings, monkeypatch):
    whole = candidate.run(settings, "plain", 0, "", prepared)
    on_epoch_end = callbacks.Record.on_epoch_end

    def killed(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt
        on_epoch_end(self, epoch, logs)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(callbacks.Record, "on_epoch_end", killed)
        candidate.run(settings, "plain", 0, "", output_dir)
    folder = runs.folder(output_dir, "plain", 0)
    assert [row["epoch"] for row in runs.history(folder)] == [1]
    assert runs.failure(folder) == "" and not runs.is_finished(folder)

    resumed = candidate.run(settings, "plain", 0, "", output_dir)
    paces = {"images_per_second"}
    for one, other in zip(runs.history(whole), runs.history(resumed), strict=True):
        assert {k: v for k, v in one.items() if k not in paces} == pytest.approx(
            {k: v for k, v in other.items() if k not in paces}
        )
    np.testing.assert_allclose(
        runs.predictions(whole)["probabilities"], runs.predictions(resumed)["probabilities"], atol=1e-5
    )
    assert runs.result(whole) == runs.result(resumed)
    said = runs.predictions(whole)
    accuracy = np.mean(said["probabilities"].argmax(1) == said["labels"])
    assert runs.result(whole)["test_accuracy"] == pytest.approx(accuracy)


def test_a_candidate_that_diverges_says_so(output_dir: Path, settings):
    training = dataclasses.replace(settings.training, learning_rate=1e30, warmup_epochs=0.0)
    settings = dataclasses.replace(settings, training=training)
    with pytest.raises(FloatingPointError, match="the loss is"):
        candidate.run(settings, "plain", 0, "", output_dir)
    folder = runs.folder(output_dir, "plain", 0)
    assert runs.failure(folder).startswith("FloatingPointError: the loss is nan in epoch 1")
    assert not runs.is_finished(folder)


def test_duplicates_planted_in_decoded_data_are_found(output_dir: Path, settings):
    examples = candidate.load_examples(settings, "", output_dir)
    (train,) = output_dir.glob("decoded/[!.]*-train-*")
    images = np.load(train / "images.npy")
    images[5] = examples[spec.TEST].images[3]
    np.save(train / "images.npy", images)
    examples = candidate.load_examples(settings, "", output_dir)
    test = examples.pop(spec.TEST)
    (match,) = duplicates.find(test, examples)
    assert (match.position, match.split) == (3, "train")
    assert match.other_filename == examples[spec.TRAIN].filename[5]


def test_a_source_without_a_test_split_is_refused(tmp_path: Path, settings):
    (source,) = settings.data.sources
    source = dataclasses.replace(source, splits={"train": "train", "validation": "validation"})
    data = dataclasses.replace(settings.data, sources=(source,))
    with pytest.raises(ValueError, match=r"synthetic: expected splits .*; \['test'\] lack"):
        candidate.load_examples(dataclasses.replace(settings, data=data), "", tmp_path)

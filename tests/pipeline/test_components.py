"""The first half of the graph on a folder of images, some of which are bad."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from kfer.pipeline import runner
from kfer.pipeline.dag import build
from kfer.pipeline.metadata import MetadataStore
from kfer.settings import DataSettings, PipelineSettings, SourceSettings, TrainingSettings

IMAGES = 12


def write_images(folder: Path, split: str, label: str, broken: int = 0) -> None:
    (folder / split / label).mkdir(parents=True)
    pixels = np.random.default_rng([len(split), *label.encode()])
    for number in range(IMAGES):
        image = cv2.imencode(".png", pixels.integers(0, 256, (40, 40, 3), np.uint8))[1].tobytes()
        content = image[: len(image) // 2] if number < broken else image
        (folder / split / label / f"{number:02}.png").write_bytes(content)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    for split in ("validation", "test"):
        for label in ("happy", "sad"):
            write_images(folder, split, label)
    write_images(folder, "train", "sad")
    return folder


def run(folder: Path, to_node: str = "Transform", **training: float) -> runner.RunResult:
    source = SourceSettings("image_folder", arguments={"path": str(folder), "task": "expression"})
    settings = PipelineSettings(
        data=DataSettings(sources=(source,), image_size=32, max_bad_image_share=0.1),
        training=TrainingSettings(**{"identity_weight": 0.0, **training}),
    )
    root = folder.parent / "root"
    store = MetadataStore(root)
    try:
        return runner.run(build(settings, root), store, name="toy", settings="{}", to_node=to_node)
    finally:
        store.close()


def test_a_broken_image_is_named_and_left_out(folder: Path):
    write_images(folder, "train", "happy", broken=1)
    outputs = run(folder).outputs
    anomalies = json.loads((outputs["ExampleValidator"]["anomalies"].path / "anomalies.json").read_text())
    (broken,) = [row for row in anomalies if "Undecodable" in row["short"]]
    assert broken["severity"] == "WARNING"
    assert "00.png" in broken["description"]
    images = np.load(outputs["Transform"]["transformed_examples"].split("train") / "images.npy")
    assert images.shape == (2 * IMAGES - 1, 32, 32, 1)


def test_too_many_broken_images_stop_the_run(folder: Path):
    write_images(folder, "train", "happy", broken=6)
    with pytest.raises(runner.ComponentError, match=r"ExampleValidator failed: .* 6 of 24"):
        run(folder)


def test_a_changed_image_is_noticed(folder: Path):
    write_images(folder, "train", "happy")
    run(folder, to_node="ExampleGen")
    assert run(folder, to_node="ExampleGen").all_cached
    (folder / "train" / "happy" / "00.png").unlink()
    assert not run(folder, to_node="ExampleGen").all_cached


def test_a_task_without_labels_stops_the_run(folder: Path):
    write_images(folder, "train", "happy")
    with pytest.raises(runner.ComponentError, match="identity"):
        run(folder, identity_weight=1.0)


def test_an_unknown_class_folder_is_named(folder: Path):
    write_images(folder, "train", "hapy")
    with pytest.raises(runner.ComponentError, match=r"ExampleGen failed: .*'hapy'.*happy"):
        run(folder)

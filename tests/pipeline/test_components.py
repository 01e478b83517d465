"""The first half of the graph on a folder of images, some of which are bad."""

import dataclasses
import json
import logging
import os
from itertools import product
from pathlib import Path

import cv2
import numpy as np
import pytest

from kfer import input_pipeline
from kfer.datasets import drawing, preparation
from kfer.pipeline import runner
from kfer.pipeline.config import load_settings
from kfer.pipeline.dag import build
from kfer.pipeline.metadata import MetadataStore
from kfer.settings import DataSettings, PipelineSettings, SourceSettings, TaskSettings, default_tasks

PROJECT = Path(__file__).resolve().parents[2]
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


def run(folder: Path, to_node: str = "Transform", identity: float = 0.0) -> runner.RunResult:
    source = SourceSettings("image_folder", arguments={"path": str(folder), "task": "expression"})
    settings = PipelineSettings(
        data=DataSettings(sources=(source,), image_size=32, max_bad_image_share=0.1),
        tasks=default_tasks() | {"identity": TaskSettings("embedding", weight=identity)},
    )
    return run_settings(settings, folder.parent / "root", to_node)


def run_settings(settings: PipelineSettings, root: Path, to_node: str = "Transform") -> runner.RunResult:
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


def label_changed(folder: Path) -> None:
    table = folder / "labels.csv"
    table.write_text(table.read_text().replace("0.png,train,happy", "0.png,train,sad", 1))


def run_table(folder: Path, use_cache: bool = True) -> runner.RunResult:
    arguments = {"path": str(folder), "labels": "labels.csv"}
    source = SourceSettings("image_folder", arguments=arguments, splits={"train": "train"})
    settings = PipelineSettings(data=DataSettings(sources=(source,), image_size=32))
    store = MetadataStore(folder.parent / "root")
    try:
        return runner.run(
            build(settings, folder.parent / "root"),
            store,
            name="toy",
            settings="{}",
            to_node="ExampleGen",
            use_cache=use_cache,
        )
    finally:
        store.close()


def picture(level: int) -> bytes:
    return cv2.imencode(".png", np.full((2, 2), level, np.uint8))[1].tobytes()


@pytest.fixture
def table(tmp_path: Path) -> Path:
    folder, lines = tmp_path / "deep" / "images", ["filename,split,expression"]
    for number in range(4):
        name = f"a/b/c/d/{number}.png"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(picture(7))
        lines.append(f"{name},train,{'sad' if number else 'happy'}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return folder


def expressions(result: runner.RunResult) -> list[int]:
    split = result.outputs["ExampleGen"]["examples"].split("train")
    found = {row["filename"]: row["expression"] for row in input_pipeline.iterate_examples(split)}
    return [found[name] for name in sorted(found)]


def rewritten(folder: Path) -> None:
    """Deep in the folder, of the same size, with the same time: no folder's own time tells of it."""
    file = folder / "a/b/c/d/0.png"
    before = file.stat()
    file.write_bytes(picture(8))
    assert file.stat().st_size == before.st_size
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("change", [label_changed, rewritten])
def test_examples_are_those_of_the_sources_as_they_are(table: Path, change, caplog):
    first = run_table(table)
    assert run_table(table).all_cached
    change(table)
    with caplog.at_level(logging.INFO, "kfer"):
        again = run_table(table)
    assert not again.all_cached
    assert "since it was prepared" in caplog.text and str(table) in caplog.text
    labels = [result.outputs["ExampleGen"]["examples"].labels() for result in (first, again)]
    assert labels[0]["digest"] != labels[1]["digest"]
    if change is label_changed:
        assert expressions(again)[0] != expressions(first)[0]
    assert run_table(table).all_cached


def test_what_no_source_reads_is_no_change(table: Path):
    (table / "notes.md").write_text("x")
    run_table(table)
    (table / "notes.md").write_text("other")
    (table.parent / "other").mkdir()
    assert run_table(table).all_cached


def test_what_is_told_as_left_out_is_renewed(table: Path):
    assert not run_table(table).outputs["ExampleGen"]["examples"].labels()["left_out"]
    (table / "new.avif").write_text("x")
    (told,) = run_table(table).outputs["ExampleGen"]["examples"].labels()["left_out"]
    assert told["names"] == ["new.avif"]


def test_without_the_cache_datasets_are_prepared_again(table: Path, monkeypatch):
    first = run_table(table)
    generated = []
    generate = preparation._generate
    monkeypatch.setattr(
        preparation, "_generate", lambda *given: (generated.append(given), generate(*given))
    )
    again = run_table(table, use_cache=False)
    assert len(generated) == 1
    assert run_table(table).all_cached
    digests = [result.outputs["ExampleGen"]["examples"].labels()["digest"] for result in (first, again)]
    assert digests[0] == digests[1]


def test_a_dataset_that_is_a_source_twice_is_prepared_once(table: Path, tmp_path: Path):
    arguments = {"path": str(table), "labels": "labels.csv"}
    source = SourceSettings("image_folder", arguments=arguments, splits={"train": "train"})
    data, out = DataSettings(sources=(source, source)), tmp_path / "out"
    facts = input_pipeline.write_sources(out, data, {}, "", tmp_path / "prepared", afresh=True)
    assert facts["num_examples"]["train"] == 8


def test_a_task_without_labels_stops_the_run(folder: Path):
    write_images(folder, "train", "happy")
    with pytest.raises(runner.ComponentError, match="identity"):
        run(folder, identity=1.0)


def test_an_unknown_class_folder_is_named(folder: Path):
    write_images(folder, "train", "hapy")
    with pytest.raises(runner.ComponentError, match=r"ExampleGen failed: .*'hapy'.*happy"):
        run(folder)


def write_cmu_faces(folder: Path, people: int = 5) -> None:
    pixels = np.random.default_rng(0)
    for person in range(people):
        for pose, expression, eyes in product(("left", "up"), ("angry", "sad"), ("open", "sunglasses")):
            name = f"person{person}/person{person}_{pose}_{expression}_{eyes}.pgm"
            file = folder / "cmu_faces" / "faces" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(b"P5\n40 40\n255\n" + pixels.integers(0, 256, 1600, np.uint8).tobytes())


@pytest.mark.parametrize("learned", [True, False])
def test_what_is_sliced_reaches_the_evaluation_learned_or_not(tmp_path: Path, learned: bool):
    write_cmu_faces(tmp_path)
    settings = load_settings(PROJECT / "pipelines" / "cmu_faces_tasks.py")
    tasks = settings.tasks if learned else {"expression": settings.tasks["expression"]}
    settings = dataclasses.replace(settings, data_dir=str(tmp_path), tasks=tasks)
    outputs = run_settings(settings, tmp_path / "root").outputs
    examples = outputs["Transform"]["transformed_examples"]
    names = examples.names()
    assert names["source"] == ("cmu_faces/people",)
    assert names["pose"] == ("left", "right", "straight", "up")
    assert names["eyes"] == ("open", "sunglasses")
    test = input_pipeline.load_decoded(examples.split("test"), 1.0)
    assert np.bincount(test.label("pose"), minlength=4).tolist() == [4, 0, 0, 4]
    # What is said of each image is what its file's name says.
    for filename, pose, eyes in zip(
        test.filename, test.further["pose"], test.further["eyes"], strict=True
    ):
        assert filename.split("_")[1] == names["pose"][pose]
        assert filename.endswith(f"_{names['eyes'][eyes]}.pgm")
    summary = json.loads((outputs["StatisticsGen"]["statistics"].path / "summary.json").read_text())
    assert summary["train"]["labels"]["eyes"]["by_name"] == {"open": 12, "sunglasses": 12}


def test_every_kind_of_label_reaches_the_trainer(tmp_path: Path):
    settings = load_settings(PROJECT / "pipelines" / "synthetic_tasks.py")
    (source,) = settings.data.sources
    few = {"num_identities": 2, "num_heldout_identities": 2, "image_size": 48}
    few |= {"examples_per_identity": 7, "heldout_examples_per_identity": 7}
    sources = (dataclasses.replace(source, arguments=few),)
    settings = dataclasses.replace(settings, data=dataclasses.replace(settings.data, sources=sources))
    outputs = run_settings(settings, tmp_path).outputs
    anomalies = json.loads((outputs["ExampleValidator"]["anomalies"].path / "anomalies.json").read_text())
    assert {row["severity"] for row in anomalies} <= {"WARNING"}
    train = input_pipeline.load_decoded(outputs["Transform"]["transformed_examples"].split("train"), 1.0)
    assert {name: label.shape for name, label in train.further.items()} == {
        "action_units": (14, 16),
        "relative_landmarks": (14, 10),
        "head_pose": (14, 3),
    }
    smiles = train.further["action_units"][train.expression == 3]
    learned = settings.tasks["action_units"].names
    assert (smiles[:, [learned.index("AU6"), learned.index("AU12")]] >= 0.5).all()
    eyes = train.further["relative_landmarks"][:, :4].reshape(-1, 2, 2)
    assert settings.tasks["landmarks"].names[:4] == (
        *("left_eye_y", "left_eye_x", "right_eye_y", "right_eye_x"),
    )
    assert (eyes[:, 0, 1] < eyes[:, 1, 1]).all()  # the left one is left in the image
    assert ((eyes > 0) & (eyes < 1)).all()


def test_names_of_drawn_labels_are_those_of_the_drawing():
    tasks = load_settings(PROJECT / "pipelines" / "synthetic_tasks.py").tasks
    assert tasks["action_units"].names == tuple(drawing.ACTION_UNITS)
    assert tasks["landmarks"].names == tuple(
        f"{landmark}_{axis}" for landmark in drawing.LANDMARKS for axis in "yx"
    )
    assert tasks["head_pose"].names == drawing.HEAD_POSE

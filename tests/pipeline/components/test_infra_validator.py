import importlib
import json
from pathlib import Path

import keras
import numpy as np
import pytest

from kfer import inference
from kfer.models import heads
from kfer.pipeline.artifacts import (
    InfraBlessing,
    Model,
    ModelEvaluation,
    ServingModel,
    TransformedExamples,
)
from kfer.pipeline.components import infra_validator
from kfer.settings import DataSettings, ExportSettings, TaskSettings

SIZE = 32
TASKS = {
    "angles": TaskSettings("regression", ("yaw",), feature="degrees"),
    "hat": TaskSettings(names=("none", "cap"), weight=0),
    "expression": TaskSettings(names=("calm", "glad")),
    "identity": TaskSettings("embedding"),
}


def write_network(artifact: Model) -> None:
    images = keras.Input((SIZE, SIZE, 1))
    pixels = keras.layers.Flatten()(images)
    outputs = {
        "expression": keras.layers.Dense(2, name="expression")(pixels),
        "angles": keras.layers.Dense(1, name="angles")(pixels),
        "embedding": heads.L2Normalization(name="embedding")(keras.layers.Dense(3)(pixels)),
    }
    artifact.keras_file.parent.mkdir(parents=True)
    keras.Model(images, outputs).save(artifact.keras_file)


def write_split(folder: Path, count: int) -> None:
    (folder / "further").mkdir(parents=True)
    rng = np.random.default_rng(count)
    np.save(folder / "images.npy", rng.integers(0, 256, (count, SIZE, SIZE, 1), np.uint8))
    labels = np.arange(count, dtype=np.int32) % 2
    for name in ("expression", "identity", "source"):
        np.save(folder / f"{name}.npy", labels)
    np.save(folder / "filename.npy", np.array([""] * count))
    np.save(folder / "further" / "degrees.npy", labels[:, np.newaxis].astype(np.float32))


def made(kind: type, folder: Path):
    folder.mkdir()
    return kind(folder)


def test_what_is_pushed_says_what_every_output_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In a process of its own it is in the test of the whole pipeline.
    module = importlib.import_module("kfer.export.package")
    monkeypatch.setattr(
        module, "run_in_fresh_process", lambda place, images: inference.load(place)(images)
    )
    model, examples = Model(tmp_path / "model"), TransformedExamples(tmp_path / "examples")
    write_network(model)
    examples.path.mkdir()
    examples.write_labels({"sources": ["drawn", "found"], "versions": ["drawn/1.0.0", "found/2.1.0"]})
    write_split(examples.split("train"), 4)
    write_split(examples.split("test"), 6)
    evaluation = made(ModelEvaluation, tmp_path / "evaluation")
    calibration = {"expression": {"temperature": 1.5}, "hat": {"temperature": None}}
    report = {"threshold": None, "metrics": {"expression_accuracy": 0.5}, "calibration": calibration}
    (evaluation.path / "evaluation.json").write_text(json.dumps(report))
    serving, blessing = made(ServingModel, tmp_path / "serving"), made(InfraBlessing, tmp_path / "infra")
    said = infra_validator.function(
        model=model,
        evaluation=evaluation,
        transformed_examples=examples,
        serving_model=serving,
        infra_blessing=blessing,
        name="toy",
        data=DataSettings(image_size=SIZE, channels=1),
        tasks=TASKS,
        export=ExportSettings(tflite=("float32",)),
    )
    assert said == "2 exports load in a fresh process and agree with Keras"
    assert blessing.blessed
    described = json.loads((serving.path / "model.json").read_text())
    assert described["outputs"] == ["angles", "expression", "embedding"]
    assert described["tasks"] == {
        "angles": {"kind": "regression", "names": ["yaw"]},
        "expression": {"kind": "classes", "names": ["calm", "glad"], "temperature": 1.5},
        "identity": {"kind": "embedding", "names": []},
    }
    assert described["embedding_size"] == 3
    assert (serving.path / "labels.txt").read_text() == "calm\nglad\n"
    file = described["files"]["float32.tflite"]
    assert file["operations"]["FULLY_CONNECTED"] == 3
    assert set(file["signatures"]) == {"serving_default", "expression", "angles", "embed"}
    image = {"name": "image", "shape": [1, SIZE, SIZE, 3], "type": "UINT8"}
    embedding = {"name": "embedding", "shape": [1, 3], "type": "FLOAT32"}
    assert file["signatures"]["embed"] == {"inputs": [image], "outputs": [embedding]}
    assert described["training_images"] == {"drawn": 2, "found": 2}
    card = (serving.path / "MODEL_CARD.md").read_text()
    assert "- drawn (drawn/1.0.0): 2 training images.\n- found (found/2.1.0): 2 training" in card
    assert described["datasets"] == {"drawn": "drawn/1.0.0", "found": "found/2.1.0"}
    parity = json.loads((blessing.path / "parity.json").read_text())["parity"]["saved_model"]
    assert parity["num_images"] == 6 and parity["accuracy_change"] == 0
    assert parity["tasks"]["angles"]["max_difference"] < 1e-2

import json
from pathlib import Path

import numpy as np

from kfer import export, inference
from kfer.export import choice, package
from kfer.input_pipeline import Decoded
from kfer.settings import ExportSettings

EVALUATION = {
    "calibration": {},
    "threshold": {"threshold": 0.5, "false_accept_rate": 0.01, "true_accept_rate": 0.75},
    "metrics": {},
    "tasks": {},
    "slices": [],
}


def examples(toy) -> Decoded:
    classes = (toy.reference["expression"].argmax(axis=-1) + np.arange(len(toy.images)) % 2) % 4
    people = np.arange(len(toy.images)) // 2
    return Decoded(
        toy.images,
        *(classes.astype(np.int32), people.astype(np.int32), np.zeros(len(people), np.int32)),
        people.astype(str),
    )


def test_a_network_gives_the_same_bytes_twice(colour, tmp_path: Path) -> None:
    settings = ExportSettings(tflite=("float32", "int8", "int16"), parity_images=4)
    test = examples(colour)
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder in folders:
        package.write_model(
            *(folder, "faces", colour.model, colour.tasks, settings, test, test, EVALUATION),
            {"drawn": "drawn/1.0.0"},
        )
    files = [
        {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
        for folder in folders
    ]
    differ = {name for name, content in files[0].items() if files[1][name] != content}
    # TensorFlow gives each SavedModel an identity of its own, and numbers the functions of a process;
    # model.json has the files' digests.
    assert files[0].keys() == files[1].keys()
    assert differ <= {
        "fingerprint.pb",
        "model.json",
        "saved_model.pb",
        "variables/variables.data-00000-of-00001",
        "variables/variables.index",
    }


def test_every_export_is_compared_and_slow_ones_on_fewer_images(
    colour, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(package, "_FEW_IMAGES", 10)
    settings = ExportSettings(tflite=("float32", "int16"), parity_images=20)
    test = examples(colour)
    found = package.write_model(
        *(tmp_path, "faces", colour.model, colour.tasks, settings, test, test, EVALUATION),
        {"drawn": "drawn/1.0.0"},
    )
    parity = found.parity
    assert {name: report["num_images"] for name, report in parity.items()} == {
        "saved_model": 20,
        "float32": 20,
        "int16": 10,
    }
    assert json.loads((tmp_path / "model.json").read_text())["parity"] == parity
    few = choice.for_parity(test, 10)
    expected = export.parity_report(
        {name: values[few] for name, values in colour.reference.items()},
        inference.load(tmp_path / "int16.tflite")(colour.rgb[few]),
        colour.tasks,
        {"expression": test.expression[few], "identity": test.identity[few]},
    )
    assert expected | {"worst_layers": []} == parity["int16"]
    assert parity["int16"]["reference_accuracy"] is not None and parity["int16"]["num_pairs"]

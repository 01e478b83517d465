"""MediaPipe Tasks opens the files as they are.

It has an environment of its own, for it brings another OpenCV than kfer's.
"""

import json
import shutil
import subprocess
import venv
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from kfer import export
from kfer.settings import ExportSettings

pytestmark = [pytest.mark.slow, pytest.mark.download]

MEDIAPIPE = "mediapipe>=1.2,<2"
PROGRAM = Path(__file__).parent / "open_in_mediapipe.py"
NAMES = ["calm", "glad", "sad", "wild"]
# Measured: no difference at all. Another processor may round float32 otherwise, and int8 by one step.
TOLERANCE = {"float32": 1e-5, "int8": 1 / 256 + 1e-6}


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """The Python of an environment with mediapipe, which is 540 MB and goes after the tests."""
    folder = tmp_path_factory.mktemp("mediapipe") / "environment"
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", MEDIAPIPE]
    installed = subprocess.run(command, capture_output=True, text=True)
    if installed.returncode:
        pytest.skip(f"pip cannot install {MEDIAPIPE}: {installed.stderr.strip()[-300:]}")
    yield python
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def folder(grey, tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    settings = ExportSettings(tflite=tuple(TOLERANCE), single_task=True)
    made = tmp_path_factory.mktemp("made")
    files = export.save_tflite(grey.model, made, grey.tasks, settings, grey.images, grey.size, 1)
    for output in ("expression", "embedding"):
        for variant in TOLERANCE:
            file = files[f"{output}_{variant}"]
            content = export.with_metadata(file.path.read_bytes(), file.tasks, "faces")
            (folder / file.path.name).write_bytes(content)
    np.save(folder / "images.npy", grey.rgb)
    return folder


@pytest.fixture(scope="module")
def said(python, folder):
    # Isolated: of this environment and of the working folder nothing is seen.
    ran = subprocess.run([python, "-I", PROGRAM, folder], capture_output=True, text=True, timeout=600)
    assert ran.returncode == 0, ran.stderr
    return json.loads((folder / "said.json").read_text())


def expected(folder, output, variant, images):
    path = folder / f"{output}_{variant}.tflite"
    runner = Interpreter(str(path)).get_signature_runner("serving_default")
    return np.concatenate([runner(image=image[np.newaxis])[output] for image in images])


@pytest.mark.parametrize("variant", TOLERANCE)
def test_image_classifier_gives_names_and_probabilities(said, folder, grey, variant):
    probabilities = expected(folder, "expression", variant, grey.rgb)
    results = said[f"expression_{variant}"]["says"]
    assert len(results) == len(grey.rgb)
    for result, row in zip(results, probabilities, strict=True):
        assert result["output"] == "expression"
        scores = dict(result["scores"])
        assert sorted(scores) == sorted(NAMES)
        found = [scores[name] for name in NAMES]
        np.testing.assert_allclose(found, row, rtol=0, atol=TOLERANCE[variant])
    # The images do differ in what they show.
    assert len({result["scores"][0][0] for result in results}) > 1


@pytest.mark.parametrize("variant", TOLERANCE)
def test_image_embedder_gives_unit_vectors(said, folder, grey, variant):
    vectors = expected(folder, "embedding", variant, grey.rgb)
    results = said[f"embedding_{variant}"]["says"]
    assert {result["output"] for result in results} == {"embedding"}
    found = np.array([result["numbers"] for result in results])
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-4)
    np.testing.assert_allclose(found, vectors, rtol=0, atol=TOLERANCE[variant])
    assert (found @ found.T).min() < 0.9


def test_mediapipes_code_for_the_schema_reads_the_same(said, folder, grey):
    for path in folder.glob("*.tflite"):
        metadata = export.read_metadata(path.read_bytes())
        (graph,) = metadata["subgraph_metadata"]
        (output,) = graph["output_tensor_metadata"]
        assert said[path.stem]["metadata"] == {
            "name": "faces",
            "input": "image",
            "color_space": 1,
            "size": [grey.size, grey.size],
            "mean_and_std": [[0.0], [1.0]],
            "output": path.stem.split("_")[0],
            "description": output["description"],
            "files": [["expression_labels.txt", 2]] if path.stem.startswith("expression") else [],
        }

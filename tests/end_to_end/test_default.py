"""The default pipeline as it is, and a generator that its model judges."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

PIPELINES = Path(__file__).parents[2] / "pipelines"
#: Enough to see faces; the whole training takes four times as long.
SHORT = [
    "--adversarial.epochs=12",
    "--measures.num_images=700",
    "--measures.classifier_epochs=0",
]


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", *arguments], cwd=folder, capture_output=True, text=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the default pipeline has run."""
    folder = tmp_path_factory.mktemp("default")
    process = run(folder, "kfer.pipeline")
    assert process.returncode == 0, process.stdout + process.stderr
    (folder / "stdout").write_text(process.stdout)
    return folder


@pytest.mark.slow
def test_the_default_run_keeps_its_promises(folder: Path):
    said = (folder / "stdout").read_text()
    print(said[said.rindex("Trained") :])
    pushed = json.loads((folder / "saved_models" / "synthetic" / "1" / "model.json").read_text())
    assert pushed["metrics"]["expression_accuracy"] >= 0.95
    assert pushed["metrics"]["verification_accuracy"] >= 0.90
    assert pushed["parity"]["int8"]["accuracy_change"] >= -0.01
    (memory,) = re.findall(r"peak memory ([\d.]+) GB", said)
    assert float(memory) <= 3


@pytest.mark.slow
def test_a_generator_that_was_killed_goes_on_and_learns(folder: Path):
    command = ["kfer.generation", str(PIPELINES / "dcgan_synthetic.py"), *SHORT]
    with subprocess.Popen(
        [sys.executable, "-m", *command], cwd=folder, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "epoch 2 of 12: 40 of" in line or "epoch 3 of 12" in line:
                process.send_signal(signal.SIGKILL)
                break
    output = folder / "generation_output" / "dcgan_synthetic"
    kept = (output / "training" / "history.csv").read_text().splitlines()
    finished = run(folder, *command)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    print(finished.stdout[-1500:])
    assert f"goes on after epoch {len(kept) - 1}" in finished.stdout
    assert (output / "training" / "history.csv").read_text().splitlines()[: len(kept)] == kept
    figures = json.loads((output / "measures.json").read_text())
    judged = figures["generated"]
    assert judged["kid"] < judged["kid_untrained"] / 3
    # A seventh by chance.
    assert judged["conditional_accuracy"]["value"] > 0.3
    # Held-out faces are of other people, so that generated ones may well be nearer to training images.
    assert judged["copies"]["pixels"]["duplicates"]["value"] == 0
    drawn = run(folder, "kfer", "generate", "--expression", "happy", "--count", "8", "--out", "faces")
    assert drawn.returncode == 0, drawn.stderr
    with Image.open(folder / "faces" / "happy" / "0_00000.png") as image:
        assert image.size == (48, 48)
        assert image.text["generated"] == "true"  # type: ignore[attr-defined]

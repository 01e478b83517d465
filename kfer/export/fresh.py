"""An export, run as its user will: in a process that has only the runtime."""

import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np


def run_in_fresh_process(model: Path, images: np.ndarray) -> Mapping[str, np.ndarray]:
    """Returns what a SavedModel or a `.tflite` file says of images.

    Args:
        model: The SavedModel's folder, or the file.
        images: RGB uint8 `[n, size, size, 3]`.

    Returns:
        What `kfer.inference.Runner` gives.

    Raises:
        RuntimeError: The process failed; the message holds what it printed.
    """
    with tempfile.TemporaryDirectory() as temporary:
        given, said = Path(temporary) / "images.npy", Path(temporary) / "outputs.npz"
        np.save(given, images)
        command = [sys.executable, "-m", "kfer.inference", "--unchecked"]
        command += [str(model), str(given), str(said)]
        process = subprocess.run(command, capture_output=True, text=True)
        if process.returncode:
            raise RuntimeError(f"{model.name} does not run in a fresh process: {process.stderr[-2000:]}")
        with np.load(said) as outputs:
            return dict(outputs)

"""Draws with an exported generator, in a process of its own: `python -m kfer.generator --help`."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kfer import entry
from kfer.arguments import Parser
from kfer.files import replacing
from kfer.generator.networks import open_network


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit code: 0 done, 2 an argument or a file is wrong.

    Args:
        arguments: The command line's arguments; None takes this process's own.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    return entry.run("kfer.generator", lambda: _run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    parser = Parser(
        prog="python -m kfer.generator",
        description="Draws from given noise and class weights. A .tflite file needs no TensorFlow.",
    )
    parser.add_argument("model", type=Path, help="folder of a SavedModel, or a .tflite file")
    parser.add_argument(
        "inputs",
        type=Path,
        help=".npz file: noise, float32 [n, noise_size], and each condition, float32 [n, num_classes]",
    )
    parser.add_argument(
        "output", type=Path, help=".npy file to write: uint8 [n, height, width, channels]"
    )
    parsed = parser.parse_args(arguments)
    with np.load(parsed.inputs) as inputs:
        images = open_network(parsed.model)(dict(inputs))
    with replacing(parsed.output) as new, new.open("wb") as file:
        np.save(file, images)
    return entry.YES


if __name__ == "__main__":
    sys.exit(main())

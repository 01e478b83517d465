"""Draws with an exported generator, in a process of its own: `python -m kfer.generator --help`."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kfer.files import replacing
from kfer.generator.networks import open_network


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line.

    Args:
        arguments: The command line's arguments; None takes this process's own.

    Raises:
        SystemExit: With code 2 and a message on stderr, where an argument or a file is wrong.
    """
    parser = argparse.ArgumentParser(
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
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        with np.load(parsed.inputs) as inputs:
            images = open_network(parsed.model)(dict(inputs))
        with replacing(parsed.output) as new, new.open("wb") as file:
            np.save(file, images)
    except (OSError, ValueError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()

"""Runs an exported model on images, in a process of its own: `python -m kfer.inference --help`."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kfer import entry
from kfer.arguments import Parser
from kfer.files import named_if_damaged, replacing
from kfer.inference import runtime, streaming


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit code: 0 done, 2 an argument or a file is wrong.

    Args:
        arguments: The command line's arguments; None takes this process's own.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    return entry.run("kfer.inference", lambda: _run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    parser = Parser(
        prog="python -m kfer.inference",
        description="Runs an exported model on images. A .tflite file needs no TensorFlow.",
    )
    parser.add_argument("model", type=Path, help="folder of a SavedModel, or a .tflite file")
    parser.add_argument(
        "images",
        type=Path,
        help=".npy file: RGB uint8 [n, height, width, 3], or clips [n, frames, height, width, 3]",
    )
    parser.add_argument(
        "--unchecked",
        action="store_true",
        help="of an export that was just made: neither compare it with model.json nor try it first",
    )
    parser.add_argument("output", type=Path, help=".npz file to write: one float32 array an output")
    parsed = parser.parse_args(arguments)
    images = _read_images(parsed.images)
    if images.ndim == 5:
        stream = (streaming.open_checked if parsed.unchecked else streaming.load_stream)(parsed.model)
        outputs = _of_clips(stream, images)
    else:
        outputs = (runtime.open_checked if parsed.unchecked else runtime.load)(parsed.model)(images)
    with replacing(parsed.output) as new, new.open("wb") as file:
        np.savez(file, allow_pickle=False, **outputs)
    return entry.YES


def _of_clips(stream: streaming.Stream, clips: np.ndarray) -> dict[str, np.ndarray]:
    """What a network of clips says of each, frame by frame."""
    said = [stream.of_clip(clip) for clip in clips]
    return {name: np.stack([outputs[name] for outputs in said]) for name in stream.output_names}


def _read_images(path: Path) -> np.ndarray:
    with named_if_damaged(path, "expected a .npy file of images"):
        images = np.load(path, mmap_mode="r", allow_pickle=False)
        if not isinstance(images, np.ndarray):
            raise ValueError("it is an archive of arrays")
        return images


if __name__ == "__main__":
    sys.exit(main())

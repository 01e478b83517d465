"""`python -m kfer.pipeline.report.augmentation --out FILE`: shows each random image step on a face."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kfer import entry
from kfer.arguments import Parser, number, whole
from kfer.files import write_text

if TYPE_CHECKING:
    import numpy as np


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code: 0 done, 2 wrong usage."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    return entry.run("kfer.pipeline.report.augmentation", lambda: _run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    options = _parse(arguments)
    # Late, for --help should not wait for TensorFlow.
    from kfer.pipeline.report.augmentation import page

    image = _face(options.image, options.size) if options.image else None
    text = page.render(options.size, options.seed, options.strength, image)
    write_text(options.out, text)
    print(f"{options.out}: {len(text) / 1e6:.1f} MB")
    return entry.YES


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(
        prog="python -m kfer.pipeline.report.augmentation",
        description="Writes a page that shows each random image step of the training by itself, at a "
        "starting value and doubled, then all of them together.",
    )
    parser.add_argument("--out", type=Path, required=True, help="the HTML file to write")
    parser.add_argument("--image", type=Path, help="a picture of a face, whose middle square is shown")
    parser.add_argument(
        "--size",
        type=whole("in [24, 1024]"),
        default=48,
        help="pixels of a face's side; shown with 50 at most [48]",
    )
    parser.add_argument(
        "--seed", type=whole("at least 0"), default=0, help="of what is drawn at random [0]"
    )
    parser.add_argument(
        "--strength", type=number("at least 0"), default=1.0, help="factor of all starting values [1]"
    )
    return parser.parse_args(arguments)


def _face(file: Path, size: int) -> "np.ndarray":
    """The middle square of a picture, RGB uint8 [size, size, 3]."""
    from kfer import preprocessing

    encoded = file.read_bytes()
    if not preprocessing.decodes(encoded):
        raise ValueError(f"{file} is no whole JPEG, PNG, BMP or GIF")
    picture = preprocessing.decode(encoded, 3).numpy()
    side = min(picture.shape[:2])
    top, left = (picture.shape[0] - side) // 2, (picture.shape[1] - side) // 2
    return preprocessing.resize(picture[top : top + side, left : left + side], size).numpy()


if __name__ == "__main__":
    sys.exit(main())

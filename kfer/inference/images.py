"""Pictures in which faces are looked for: what `kfer.media.pictures` reads, large enough."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from kfer.media import pictures
from kfer.media.pictures import ImageError, ImageSource

# No face can be seen in fewer pixels on a side.
_LEAST_SIDE = 8
# So many pixels, 3 bytes each, are in memory at once, if not one picture alone has more.
_PIXELS_AT_ONCE = 100_000_000


def read(source: ImageSource, name: str | None = None) -> np.ndarray:
    """Returns a picture upright, in RGB, as `kfer.media.pictures.read` does.

    Args:
        source: A file's path, the bytes of a file, an image of Pillow, or pixels: uint8 or uint16
            `[height, width]`, or with 1, 3 (RGB) or 4 (RGBA) channels behind.
        name: How messages call it; by default its path, or what it is.

    Returns:
        RGB uint8 `[height, width, 3]`.

    Raises:
        FileNotFoundError: There is no such file.
        ImageError: It is no picture, damaged, smaller than 8 pixels on a side or too large.
    """
    pixels = pictures.read(source, name)
    height, width = pixels.shape[:2]
    if min(height, width) < _LEAST_SIDE:
        called = name or (str(source) if isinstance(source, str | os.PathLike) else "the picture")
        raise ImageError(
            f"{called} has {width} x {height} pixels; a face needs {_LEAST_SIDE} on each side at least"
        )
    return pixels


def read_batches(
    paths: Sequence[Path], most: int
) -> Iterator[tuple[dict[Path, np.ndarray], dict[Path, str]]]:
    """Yields the pictures that can be read, as `read` does, and of the others why not.

    Args:
        paths: Of files.
        most: How many files a batch has at most; it has fewer where their pictures are big.
    """
    found: dict[Path, np.ndarray] = {}
    reasons: dict[Path, str] = {}
    for number, path in enumerate(paths, 1):
        try:
            found[path] = read(path)
        except (OSError, ValueError) as error:
            reasons[path] = str(error)
        pixels = sum(picture.size // 3 for picture in found.values())
        if number == len(paths) or len(found) + len(reasons) >= most or pixels > _PIXELS_AT_ONCE:
            yield found, reasons
            found, reasons = {}, {}

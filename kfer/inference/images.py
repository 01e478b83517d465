"""Pictures from outside: whatever a user has, as RGB, or a sentence that says why not."""

import io
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

#: What can be read as an image: a file's path, its bytes, pixels, or an image of Pillow.
ImageSource = str | os.PathLike[str] | bytes | np.ndarray | Image.Image

#: The most pixels that a picture may have; what has more is refused before it is decoded.
MOST_PIXELS = 150_000_000
# No face can be seen in fewer pixels on a side.
_LEAST_SIDE = 8


class ImageError(ValueError):
    """A picture that cannot be read; the message names it and says why."""


def read(source: ImageSource, name: str | None = None) -> np.ndarray:
    """Returns a picture upright, as its EXIF orientation says, in RGB.

    Of an animated picture the first frame is taken; transparency is laid over white; 16 bits a channel
    become 8; grey, palettes and CMYK become RGB.

    Args:
        source: A file's path, the bytes of a file, an image of Pillow, or pixels: uint8 or uint16
            `[height, width]`, or with 1, 3 (RGB) or 4 (RGBA) channels behind.
        name: How messages call it; by default its path, or what it is.

    Returns:
        RGB uint8 `[height, width, 3]`.

    Raises:
        FileNotFoundError: There is no such file.
        ImageError: It is no picture, damaged, smaller than 8 pixels on a side or larger than
            `MOST_PIXELS`.
    """
    if isinstance(source, np.ndarray):
        return _of_pixels(source, name or "the array")
    if isinstance(source, Image.Image):
        return _of_picture(source, name or "the image")
    if isinstance(source, bytes):
        return _decoded(source, name or "the bytes")
    path = Path(source)
    if path.is_dir():
        raise ImageError(f"{path} is a folder, not a picture")
    return _decoded(path.read_bytes(), name or str(path))


def read_each(paths: Iterable[Path]) -> tuple[dict[Path, np.ndarray], dict[Path, str]]:
    """Returns the pictures that can be read, as `read` does, and of the others why not.

    Args:
        paths: Of files.
    """
    pictures, reasons = {}, {}
    for path in paths:
        try:
            pictures[path] = read(path)
        except (OSError, ValueError) as error:
            reasons[path] = str(error)
    return pictures, reasons


def is_picture(path: Path) -> bool:
    """Whether a file's name ends as that of a picture."""
    return path.suffix.lower() in Image.registered_extensions()


def _decoded(content: bytes, name: str) -> np.ndarray:
    if not content:
        raise ImageError(f"{name} is empty")
    try:
        picture = Image.open(io.BytesIO(content))
    except UnidentifiedImageError:
        raise ImageError(f"{name} is no picture of a format that Pillow reads") from None
    except Image.DecompressionBombError as error:
        raise ImageError(
            f"{name} has more than the {MOST_PIXELS:,} pixels that are read; make it smaller first"
        ) from error
    except Exception as error:  # a reader may fail in any way on what was made to make it fail
        raise ImageError(f"{name} is damaged: {error or type(error).__name__}") from error
    with picture:
        return _of_picture(picture, name)


def _of_picture(picture: Image.Image, name: str) -> np.ndarray:
    _check_sides(picture.height, picture.width, name)
    try:
        upright = ImageOps.exif_transpose(picture)
        if upright.mode.startswith(("I", "F")):
            return _of_pixels(_levels(np.asarray(upright)), name)
        if upright.mode in ("LA", "La", "PA", "RGBa") or "transparency" in upright.info:
            upright = upright.convert("RGBA")
        pixels = np.asarray(upright if upright.mode == "RGBA" else upright.convert("RGB"))
    except Exception as error:  # as above
        raise ImageError(f"{name} is damaged: {error or type(error).__name__}") from error
    return _of_pixels(pixels, name)


def _levels(values: np.ndarray) -> np.ndarray:
    """Grey of more than 8 bits as uint16; 32 bits in the range of 16 if they fit, else in their own."""
    if values.dtype == np.uint16:
        return values
    values = np.nan_to_num(values.astype(np.float64), posinf=0.0, neginf=0.0)
    low, high = min(values.min(), 0.0), max(values.max(), 65535.0)
    return np.rint((values - low) * (65535.0 / (high - low))).astype(np.uint16)


def _of_pixels(pixels: np.ndarray, name: str) -> np.ndarray:
    channels = 1 if pixels.ndim == 2 else pixels.shape[-1] if pixels.ndim == 3 else 0
    if pixels.dtype not in (np.uint8, np.uint16) or channels not in (1, 3, 4):
        raise ImageError(
            f"{name}: pixels must be uint8 or uint16, [height, width] or [height, width, 1, 3 or 4]; "
            f"got {pixels.dtype} {list(pixels.shape)}"
        )
    _check_sides(pixels.shape[0], pixels.shape[1], name)
    if pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)
    if channels == 4:
        alpha = pixels[..., 3:].astype(np.uint16)
        seen = pixels[..., :3] * alpha + 255 * (255 - alpha)
        return ((seen + 127) // 255).astype(np.uint8)
    if channels == 1:
        return np.repeat(pixels.reshape(*pixels.shape[:2], 1), 3, axis=-1)
    return np.ascontiguousarray(pixels)


def _check_sides(height: int, width: int, name: str) -> None:
    if min(height, width) < _LEAST_SIDE:
        raise ImageError(
            f"{name} has {width} x {height} pixels; a face needs {_LEAST_SIDE} on each side at least"
        )
    if height * width > MOST_PIXELS:
        raise ImageError(
            f"{name} has {width} x {height} pixels, more than the {MOST_PIXELS:,} that are read; "
            "make it smaller first"
        )

"""PNG files that say of themselves what they are."""

import io
from collections.abc import Mapping

import numpy as np
from PIL import Image, PngImagePlugin

# A text chunk of `kfer.generator.Description.marks`; texts come before the pixels.
_GENERATED = b"tEXtgenerated\0true"
_LONGEST_MARKS = 4096


def encoded(image: np.ndarray, marks: Mapping[str, str]) -> bytes:
    """Returns a PNG file.

    Args:
        image: uint8 `[height, width, channels]`, of 1 or 3 channels.
        marks: What the file says of itself, each in a text chunk, by its keyword.
    """
    info = PngImagePlugin.PngInfo()
    for keyword, text in marks.items():
        info.add_text(keyword, text)
    file = io.BytesIO()
    as_picture(image).save(file, "PNG", pnginfo=info)
    return file.getvalue()


def is_generated(file: bytes) -> bool:
    """Whether a file is a PNG that says of itself that a generator of kfer's drew it."""
    return file.startswith(b"\x89PNG\r\n\x1a\n") and _GENERATED in file[:_LONGEST_MARKS]


def as_picture(image: np.ndarray) -> Image.Image:
    """Returns Pillow's picture of an image, uint8 `[height, width, channels]`, of 1 or 3 channels."""
    return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)

"""Images of classes side by side, as one picture."""

from collections.abc import Mapping

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from kfer.media.png import as_picture

_BACKGROUND, _TEXT = (255, 255, 255), (30, 30, 30)
# In pixels: the height of letters, what is left free between images, and around words.
_LETTERS, _GAP, _PADDING = 18, 2, 8


def grid(
    images: Mapping[str, np.ndarray],
    scale: int = 2,
    columns: int = 16,
    headings: Mapping[int, str] | None = None,
) -> np.ndarray:
    """Returns a picture with a row of images a name, or more where a row does not hold them all.

    Args:
        images: By what is written to the left of them, uint8 `[n, size, size, channels]` with n > 0, all
            of one size and of 1 or 3 channels; there is at least one name.
        scale: How many pixels a pixel becomes, high and wide.
        columns: Images a row, at most.
        headings: What is written above columns, by their number; None for nothing.

    Returns:
        RGB uint8 `[height, width, 3]`.

    Raises:
        ValueError: There is no image, or they are of different sizes.
    """
    shapes = {each.shape[1:] for each in images.values()}
    if len(shapes) != 1 or not all(map(len, images.values())):
        raise ValueError(
            "expected images of at least one name and of one size; got "
            f"{ {name: list(each.shape) for name, each in images.items()} }"
        )
    rows = [
        (name if not start else "", each[start : start + columns])
        for name, each in images.items()
        for start in range(0, len(each), columns)
    ]
    side = shapes.pop()[0] * scale
    step = side + _GAP
    font = ImageFont.load_default(_LETTERS)
    left = round(max(map(font.getlength, images))) + 2 * _PADDING
    top = _LETTERS + 2 * _PADDING if headings else _GAP
    width = max(len(row) for _, row in rows)
    picture = Image.new("RGB", (left + width * step, top + len(rows) * step), _BACKGROUND)
    pen = ImageDraw.Draw(picture)
    for column, words in (headings or {}).items():
        # At the edges, words end where images do.
        half = font.getlength(words) / 2
        middle = min(max(left + column * step + side / 2, half), picture.width - _GAP - half)
        pen.text((middle, top / 2), words, font=font, fill=_TEXT, anchor="mm")
    for number, (name, row) in enumerate(rows):
        y = top + number * step
        pen.text((left - _PADDING, y + side / 2), name, font=font, fill=_TEXT, anchor="rm")
        for column, image in enumerate(row):
            picture.paste(as_picture(image.repeat(scale, 0).repeat(scale, 1)), (left + column * step, y))
    return np.asarray(picture)

"""Whether there is room for what is to be drawn."""

import shutil
from pathlib import Path

from kfer.generator.description import Description

# Bytes that a disk gives a file at a time.
_BLOCK = 4096


def check_room(place: Path, description: Description, count: int, expressions: int = 1) -> None:
    """Checks that a disk has room for images.

    Args:
        place: Where they shall be; it may not be there yet.
        description: Of the generator.
        count: Images of each expression.
        expressions: How many expressions are drawn.

    Raises:
        ValueError: They may need more than is free; the message says how many fit.
    """
    # Noise does not pack, so that a PNG may be as large as its pixels.
    each = description.image_size**2 * description.channels + _BLOCK
    needed = count * expressions * each
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if needed > free:
        of_each = f" of each of {expressions} expressions" if expressions > 1 else ""
        raise ValueError(
            f"{count:,} images{of_each} need up to {needed / 1e6:,.0f} MB, and {free / 1e6:,.0f} MB are "
            f"free at {place}: at most {free // each // expressions:,}{of_each} fit"
        )

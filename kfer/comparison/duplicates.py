"""Images of the test split that a network may have seen: they are in another split too."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from kfer.input_pipeline import Decoded


@dataclass(frozen=True)
class Match:
    """An image of the test split and an equal one of another split.

    Attributes:
        position: In the test split, from 0.
        filename: Of the test image.
        label: Its expression, -1 where missing.
        split: Where the other one is.
        other_filename: Of the other image.
        other_label: Its expression, -1 where missing.
    """

    position: int
    filename: str
    label: int
    split: str
    other_filename: str
    other_label: int


def find(test: Decoded, others: Mapping[str, Decoded]) -> list[Match]:
    """Returns each pair of a test image and an image of another split whose every pixel is equal.

    Images are compared as the network gets them: decoded, at its size.

    Args:
        test: The split that networks are judged on.
        others: The splits that they, or their best epoch, were chosen with.
    """
    places = defaultdict(list)
    for position, image in enumerate(test.images):
        places[_digest(image)].append(position)
    matches = []
    for split, decoded in others.items():
        for index, image in enumerate(decoded.images):
            for position in places.get(_digest(image), ()):
                matches.append(
                    Match(
                        position,
                        str(test.filename[position]),
                        int(test.expression[position]),
                        split,
                        str(decoded.filename[index]),
                        int(decoded.expression[index]),
                    )
                )
    return sorted(matches, key=lambda match: match.position)


def _digest(image: np.ndarray) -> bytes:
    return hashlib.blake2b(image.tobytes(), digest_size=16).digest()

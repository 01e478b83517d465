"""Encoded examples of toy datasets, for the tests of what looks at them before any training."""

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from kfer import data_validation
from kfer.settings import LabelSettings

CLASSES = ("angry", "happy", "sad")
SOURCES = ("drawn", "other")
LABELS = {"expression": LabelSettings("classes", CLASSES), "identity": LabelSettings("embedding")}


def image(seed: int, extension: str = ".png", size: tuple[int, int] = (10, 8)) -> bytes:
    """An image of random pixels."""
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    return cv2.imencode(extension, pixels)[1].tobytes()


def flat(grey: int | Sequence[int], extension: str = ".png") -> bytes:
    """An image of one colour."""
    return cv2.imencode(extension, np.full((6, 6, 3), grey, np.uint8))[1].tobytes()


def example(
    content: bytes,
    expression: int = 0,
    identity: int = 0,
    source: int = 0,
    filename: str | bytes = "some.png",
    **further: Any,
) -> dict[str, Any]:
    """An example as components hand it on."""
    return {
        "image": content,
        "expression": expression,
        "identity": identity,
        "source": source,
        "filename": filename,
        **further,
    }


def healthy(first_seed: int, num: int = 60) -> list[dict[str, Any]]:
    """Examples with every class and three people, named by split and number."""
    return [
        example(image(first_seed + i), i % 3, i // 3 % 3, i % 2, f"{first_seed}_{i}.png")
        for i in range(num)
    ]


def splits(**changed: Any) -> dict[str, Any]:
    """Healthy splits, some of them replaced."""
    return {"train": healthy(0), "validation": healthy(1000, 9), "test": healthy(2000, 9), **changed}


def statistics(given: Mapping[str, Any], **further: LabelSettings) -> Any:
    """The statistics of splits whose examples carry further labels."""
    return data_validation.compute_statistics(given, {**LABELS, **further}, SOURCES)

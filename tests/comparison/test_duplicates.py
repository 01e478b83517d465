import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from kfer.comparison import duplicates
from kfer.input_pipeline import Decoded


def decoded(images: np.ndarray, expressions: list[int], prefix: str) -> Decoded:
    count = len(images)
    nobody = np.full(count, -1, np.int32)
    names = np.array([f"{prefix}{index}.png" for index in range(count)])
    return Decoded(images, np.array(expressions, np.int32), nobody, np.zeros(count, np.int32), names)


def random_images(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 6, 6, 1), np.uint8)


def test_planted_duplicates_are_found_in_their_splits():
    test, train, validation = (random_images(count, seed) for seed, count in enumerate((5, 8, 3)))
    train[6] = test[1]
    train[7] = test[1]
    validation[0] = test[4]
    found = duplicates.find(
        decoded(test, [0, 1, 2, 0, -1], "test"),
        {
            "train": decoded(train, [0] * 7 + [1], "train"),
            "validation": decoded(validation, [2, 2, 2], "val"),
        },
    )
    assert found == [
        duplicates.Match(1, "test1.png", 1, "train", "train6.png", 0),
        duplicates.Match(1, "test1.png", 1, "train", "train7.png", 1),
        duplicates.Match(4, "test4.png", -1, "validation", "val0.png", 2),
    ]


def test_one_pixel_makes_another_image():
    test, train = random_images(2, 0), random_images(2, 0)
    train[0, 3, 3, 0] += np.uint8(1)
    found = duplicates.find(decoded(test, [0, 0], "a"), {"train": decoded(train, [0, 0], "b")})
    assert [match.position for match in found] == [1]


@pytest.mark.slow
def test_fer2013_has_the_duplicates_that_are_known(test_data: Path):
    splits: dict[str, list[np.ndarray]] = {"train": [], "test": []}
    with zipfile.ZipFile(test_data / "fer2013" / "archive.zip") as archive:
        for name in archive.namelist():
            if name.endswith(".jpg"):
                image = cv2.imdecode(np.frombuffer(archive.read(name), np.uint8), cv2.IMREAD_GRAYSCALE)
                splits[name.split("/")[0]].append(image[..., None])
    train, test = (
        decoded(np.stack(splits[split]), [0] * len(splits[split]), split) for split in ("train", "test")
    )
    assert len(test) == 7178
    assert len({match.position for match in duplicates.find(test, {"train": train})}) == 568

import base64

import cv2
import numpy as np
import pytest

from kfer.pipeline.report.faces import data_uri, images_per_person


def decode(uri: str) -> np.ndarray:
    png = base64.b64decode(uri.removeprefix("data:image/png;base64,"), validate=True)
    return cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)


def test_small_images_keep_their_pixels_and_colours():
    rng = np.random.default_rng(0)
    grey = rng.integers(0, 256, (48, 48, 1), np.uint8)
    colour = rng.integers(0, 256, (48, 48, 3), np.uint8)
    np.testing.assert_array_equal(decode(data_uri(grey)), grey[..., 0])
    np.testing.assert_array_equal(decode(data_uri(colour)), colour[..., ::-1])


@pytest.mark.parametrize("shape", [(112, 112, 3), (224, 224, 1)])
def test_no_image_takes_much_of_the_page(shape):
    noise = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    assert len(data_uri(noise)) < 11_000


def test_images_per_person_skips_missing_labels():
    assert sorted(images_per_person(np.array([5, -1, 2, 5, -1, 5]))) == [1, 3]

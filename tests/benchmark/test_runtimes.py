from pathlib import Path

import numpy as np
import pytest

from kfer.benchmark import runtimes


@pytest.mark.parametrize(
    ("shape", "name", "one"),
    [
        ((1, 48, 48, 3), "a.tflite", (48, 48, 3)),
        ((None, 1, 32, 32), "a.onnx", (1, 32, 32)),
        ((None, None, None, None), "a.onnx", (3, 24, 24)),
        ((None, None, None, None), "saved", (24, 24, 3)),
        ((None, 3, None, None), "a.pt", (3, 24, 24)),
    ],
)
def test_what_a_model_leaves_open_is_filled_in(shape, name, one):
    assert runtimes.concrete(shape, Path(name), 24) == one


def test_a_savedmodel_of_kfer_tells_its_size(tmp_path):
    with pytest.raises(ValueError, match="images of any size; give --image-size"):
        runtimes.concrete((None, None, None, 3), tmp_path, None)
    (tmp_path / "model.json").write_text('{"image_size": 40}')
    assert runtimes.concrete((None, None, None, 3), tmp_path, None) == (40, 40, 3)


@pytest.mark.parametrize("shape", [(1, 10), (8, 48, 48, 3)])
def test_what_takes_no_single_image_is_refused(shape):
    with pytest.raises(ValueError, match=r"its input must be \[1 or any number of images"):
        runtimes.concrete(shape, Path("a.tflite"), 24)


def test_images_are_the_same_again_and_fill_the_range():
    shape = (1, 64, 64, 3)
    pixels = runtimes.random_images(shape, np.dtype(np.uint8), 0)
    assert (pixels.min(), pixels.max()) == (0, 255)
    signed = runtimes.random_images(shape, np.dtype(np.int8), 0)
    np.testing.assert_array_equal(signed.astype(int) + 128, pixels)
    assert runtimes.random_images(shape, np.dtype(np.float32), 0).dtype == np.float32

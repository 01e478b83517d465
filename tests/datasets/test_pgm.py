import cv2
import numpy as np
import pytest

from kfer.datasets import pgm


def decoded(png: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)


def test_full_range_is_kept():
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7), np.uint8)
    content = cv2.imencode(".pgm", pixels)[1].tobytes()
    np.testing.assert_array_equal(decoded(pgm.to_png(content)), pixels)


def test_lower_maximum_is_scaled_to_255():
    # 0, 50 and 100 of 100, then 150, which breaks the file's own promise.
    content = b"P5\n# a comment\n2 2\n100\n" + bytes([0, 50, 100, 150])
    np.testing.assert_array_equal(decoded(pgm.to_png(content)), [[0, 128], [255, 255]])


def test_pixel_that_looks_like_white_space_is_a_pixel():
    content = b"P5 2 1 255\n" + b"\n "
    np.testing.assert_array_equal(decoded(pgm.to_png(content)), [[10, 32]])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no image",
        b"P5 4 4 255\n123",
        b"P5 0 4 255\n",
        b"P5 1 1 0\n1",
        b"P5 1 1 65535\n12",
        b"P2 1 1 255\n12",
        b"P5 " + b"9" * 5000 + b" 1 255\n1",
        pytest.param(b"P5\n32" + b" " * 4000 + b"x", id="spaces"),
        pytest.param(b"P5\n32\n" + b"#\n" * 2000, id="comments"),
    ],
)
def test_what_is_no_whole_8_bit_pgm_comes_back_untouched(content):
    assert pgm.to_png(content) == content

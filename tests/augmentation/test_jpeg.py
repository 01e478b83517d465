import cv2
import numpy as np
import pytest
import tensorflow as tf

from kfer.augmentation.jpeg import compress
from kfer.datasets.drawing import contact_sheet


def face(size: int = 48) -> np.ndarray:
    """A part of a drawn face, RGB uint8 [size, size, 3]."""
    return contact_sheet([137], 104)[40 : 40 + size, 30 : 30 + size]


def by_opencv(image: np.ndarray, quality: int) -> np.ndarray:
    """From the file that libjpeg writes, with colour at full resolution."""
    options = [
        *(cv2.IMWRITE_JPEG_QUALITY, quality),
        *(cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444),
    ]
    kind = cv2.IMREAD_GRAYSCALE if image.shape[-1] == 1 else cv2.IMREAD_COLOR_RGB
    ordered = image if image.shape[-1] == 1 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    decoded = cv2.imdecode(cv2.imencode(".jpg", ordered, options)[1], kind)
    return decoded.reshape(image.shape)


@pytest.mark.parametrize("size", [48, 45])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("quality", [10, 40, 75, 95])
def test_as_libjpeg_makes_it(quality, channels, size):
    image = face(size) if channels == 3 else face(size)[..., 1:2]
    made = compress(tf.constant(image[np.newaxis], tf.float32), tf.constant([float(quality)]))[0].numpy()
    expected = by_opencv(image, quality).astype(np.float32)
    loss = np.abs(expected - image).mean()
    # It rounds the pixels, and in colour also what it makes of them on the way there and back.
    rounding = 0.6 if channels == 1 else 1.0
    assert np.abs(made - expected).mean() < 0.05 * loss + rounding


def test_less_quality_loses_more():
    images = np.repeat(face()[np.newaxis].astype(np.float32), 5, axis=0)
    made = compress(tf.constant(images), tf.constant([100.0, 80.0, 50.0, 20.0, 5.0]))
    loss = np.abs(made - images).mean(axis=(1, 2, 3))
    assert loss[0] < 0.6
    assert np.all(np.diff(loss) > 0)


def test_a_block_of_one_grey_is_rounded_to_a_step_of_its_mean():
    # At quality 50 the first coefficient, 8 (grey - 128), is rounded to multiples of 16.
    images = tf.fill([1, 8, 8, 1], 128.0 + 2 * 3 + 0.9)
    np.testing.assert_allclose(compress(images, tf.constant([50.0])), 128 + 2 * 3, atol=1e-3)


def test_blocks_do_not_see_each_other(noise):
    images = noise(1, 16)
    made = compress(tf.constant(images), tf.constant([30.0])).numpy()
    images[:, 8:] = 0
    again = compress(tf.constant(images), tf.constant([30.0])).numpy()
    np.testing.assert_allclose(made[:, :8], again[:, :8], atol=1e-3)

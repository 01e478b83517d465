"""The artefacts of JPEG compression, for a whole batch at once."""

import numpy as np
import tensorflow as tf
from scipy import fft

_BLOCK = 8
# Quantisation of brightness and of colour: ITU-T T.81, tables K.1 and K.2, by vertical and then
# horizontal frequency.
_LUMINANCE = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMINANCE = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    (99, 99, 99, 99, 99, 99, 99, 99),
    (99, 99, 99, 99, 99, 99, 99, 99),
    (99, 99, 99, 99, 99, 99, 99, 99),
    (99, 99, 99, 99, 99, 99, 99, 99),
)
# From red, green and blue to brightness and two differences of colour (JFIF 1.02).
_FROM_RGB = np.array(
    [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]], np.float32
)
_TO_RGB = np.linalg.inv(_FROM_RGB)
# Brightness is centred on 0 as differences of colour are.
_CENTRE = np.array([128, 0, 0], np.float32)


def compress(images: tf.Tensor, qualities: tf.Tensor) -> tf.Tensor:
    """Returns images as they come back from a JPEG file.

    The cosine transform of 8 by 8 blocks is quantised with the standard's tables, scaled as libjpeg
    scales them. What loses nothing (Huffman coding) is left out, and so are two smaller losses: the
    rounding of pixels, and the halved resolution of colour that many encoders choose.
    Where the sides are no multiples of 8, the last row and column are repeated, as encoders do.

    Args:
        images: float32 [n, height, width, 1 or 3] in 0..255.
        qualities: float32 [n] in 1..100.

    Returns:
        float32 of the same shape, in 0..255.
    """
    height, width, channels = images.shape[1:]
    if channels == 1:
        planes, standard = images, np.array([_LUMINANCE], np.float32)
    else:
        planes = tf.tensordot(images, _FROM_RGB.T, 1)
        standard = np.array([_LUMINANCE, _CHROMINANCE, _CHROMINANCE], np.float32)
    tables = _scaled(standard.reshape(channels, 1, 1, _BLOCK**2), qualities)
    spectra = tf.matmul(_blocks(planes - _CENTRE[:channels]), _cosines().T)
    quantised = tf.round(spectra / tables) * tables
    decoded = _joined(tf.matmul(quantised, _cosines()), height, width) + _CENTRE[:channels]
    if channels == 3:
        decoded = tf.tensordot(decoded, _TO_RGB.T, 1)
    return tf.ensure_shape(tf.clip_by_value(decoded, 0.0, 255.0), images.shape)


def _scaled(tables: np.ndarray, qualities: tf.Tensor) -> tf.Tensor:
    """The standard's tables at each image's quality, float32 [n, channels, 1, 1, 64]."""
    qualities = tf.reshape(qualities, [-1, 1, 1, 1, 1])
    percent = tf.where(qualities < 50.0, 5000.0 / qualities, 200.0 - 2.0 * qualities)
    return tf.clip_by_value(tf.floor((tables * percent + 50.0) / 100.0), 1.0, 255.0)


def _cosines() -> np.ndarray:
    """The transform of a block whose pixels stand in one row, float32 [64, 64]."""
    one = fft.dct(np.eye(_BLOCK), norm="ortho", axis=0)
    return np.kron(one, one).astype(np.float32)


def _blocks(planes: tf.Tensor) -> tf.Tensor:
    """float32 [n, channels, rows, columns, 64], from [n, height, width, channels]."""
    height, width, channels = planes.shape[1:]
    rows, columns = -(-height // _BLOCK), -(-width // _BLOCK)
    if rows * _BLOCK != height:
        planes = tf.gather(planes, np.minimum(np.arange(rows * _BLOCK), height - 1), axis=1)
    if columns * _BLOCK != width:
        planes = tf.gather(planes, np.minimum(np.arange(columns * _BLOCK), width - 1), axis=2)
    parted = tf.reshape(planes, [-1, rows, _BLOCK, columns, _BLOCK, channels])
    return tf.reshape(tf.transpose(parted, [0, 5, 1, 3, 2, 4]), [-1, channels, rows, columns, _BLOCK**2])


def _joined(blocks: tf.Tensor, height: int, width: int) -> tf.Tensor:
    channels, rows, columns = blocks.shape[1:4]
    parted = tf.reshape(blocks, [-1, channels, rows, columns, _BLOCK, _BLOCK])
    planes = tf.transpose(parted, [0, 2, 4, 3, 5, 1])
    return tf.reshape(planes, [-1, rows * _BLOCK, columns * _BLOCK, channels])[:, :height, :width]

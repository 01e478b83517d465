"""PGM images as PNG, because TensorFlow's decoders read no PGM."""

import re

import cv2
import numpy as np

from kfer.media.headers import PNM_BLANK

_HEADER = re.compile(PNM_BLANK.join((rb"P5", rb"(\d{1,9})", rb"(\d{1,9})", rb"(\d{1,5})\s")))


def to_png(content: bytes) -> bytes:
    """Returns a binary 8-bit PGM as PNG, its grey values scaled so that the stated maximum is 255.

    OpenCV reads PGM too, but leaves the values as they are. What is no whole PGM comes back
    untouched, so that it is counted as undecodable later and not lost here.
    """
    header = _HEADER.match(content)
    if header is None:
        return content
    width, height, maximum = map(int, header.groups())
    num_pixels = width * height
    pixels = np.frombuffer(content, np.uint8, offset=header.end())[:num_pixels]
    if not 0 < maximum <= 255 or not num_pixels or len(pixels) < num_pixels:
        return content
    scaled = (pixels.astype(np.int64) * 255 + maximum // 2) // maximum
    image = np.minimum(scaled, 255).astype(np.uint8).reshape(height, width)
    return cv2.imencode(".png", image)[1].tobytes()

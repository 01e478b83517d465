"""Writes what dlib itself says of a drawn image, for tests/backbones/test_dlib_resnet.py.

pip install dlib-bin   # in an environment of its own
python tests/ask_dlib.py dlib_face_recognition_resnet_model_v1.dat
"""

import sys
from pathlib import Path

import numpy as np


def image() -> np.ndarray:
    """Returns an image that arithmetic alone makes, uint8 `[150, 150, 3]`."""
    row, column, channel = np.indices((150, 150, 3))
    return ((row * 7 + column * 13 + channel * 31 + row * column) % 256).astype(np.uint8)


if __name__ == "__main__":
    import dlib

    network = dlib.face_recognition_model_v1(sys.argv[1])
    numbers = np.array(network.compute_face_descriptor(image()), np.float32)
    np.save(Path(__file__).parent / "backbones" / "fixtures" / "dlib_says.npy", numbers)

"""Discs of a colour in a grey picture, which stand for faces: a detector that finds them, and a model."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import tensorflow as tf

from kfer import preprocessing
from kfer.export.description import write_with_files
from kfer.inference import pushed
from kfer.inference.alignment import TEMPLATE
from kfer.inference.detection import Detector
from kfer.inference.face import Detection

SIZE = 8
COLOURS = {"red": (220, 40, 30), "green": (40, 210, 60), "blue": (30, 50, 230)}


class Discs(Detector):
    """Takes each disc of a colour for a face that is upright where its white mark is above."""

    smallest_share, least_score = 0.0, 0.5

    def __init__(self) -> None:
        super().__init__()
        self.passes: list[int] = []

    def detect(self, images: Sequence[np.ndarray]) -> list[list[Detection]]:
        self.passes.append(len(images))
        return super().detect(images)

    def _detect_one(self, image: np.ndarray) -> list[Detection]:
        found = []
        coloured = (np.ptp(image.astype(int), axis=-1) > 100).astype(np.uint8)
        number, _, boxes, centres = cv2.connectedComponentsWithStats(coloured)
        for box, (x, y) in zip(boxes[1:number], centres[1:number], strict=True):
            radius = box[cv2.CC_STAT_WIDTH] / 2
            if image[round(y - 1.25 * radius), round(x)].min() < 200:
                continue  # it lies on its side
            landmarks = (TEMPLATE - 56) * (radius / 56) + [y, x]
            edges = [y - radius, x - radius, y + radius, x + radius]
            found.append(Detection(np.array(edges, np.float32), landmarks.astype(np.float32), 0.99))
        return found


def scene(*faces: tuple[str, int, int, int], size: tuple[int, int] = (200, 300)) -> np.ndarray:
    """Discs of a colour, at y and x, of a radius, each with a mark above it."""
    picture = np.full((*size, 3), 90, np.uint8)
    for colour, y, x, radius in faces:
        cv2.circle(picture, (x, y), radius, COLOURS[colour], -1)
        cv2.circle(picture, (x, round(y - 1.25 * radius)), radius // 6, (255, 255, 255), -1)
    return picture


def push_model(folder: Path, size: int = SIZE) -> pushed.Model:
    """Writes `folder`/discs/1: its embedding is the colour of the face, and so are its expressions."""
    place = folder / "discs" / "1"

    def predict(image: tf.Tensor) -> dict[str, tf.Tensor]:
        # Each colour is a feature map.
        features = tf.nn.conv2d(tf.cast(image, tf.float32), tf.eye(3)[None, None], 1, "SAME")
        colour = tf.reduce_mean(features, axis=(1, 2))
        return {
            "embedding": tf.math.l2_normalize(colour - 90, axis=-1),
            "expression": tf.nn.softmax(colour / 20),
            "sizes": colour,
        }

    module = tf.Module()
    module.predict = tf.function(
        predict, input_signature=[tf.TensorSpec([None, size, size, 3], tf.uint8, "image")]
    )
    module.scale = tf.function(
        lambda images: predict(preprocessing.resize(images, size)),
        input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8, "images")],
    )
    signatures = {"serving_default": module.predict, "image_tensor": module.scale}
    tf.saved_model.save(module, str(place), signatures)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(place), signature_keys=["serving_default"])
    content = converter.convert()
    (place / "float32.tflite").write_bytes(content)
    description = {
        "name": "discs",
        "weights": "d15c",
        "image_size": size,
        "tasks": {
            "expression": {"kind": "classes", "names": list(COLOURS)},
            "identity": {"kind": "embedding"},
        },
        "verification": {"threshold": 0.8, "measured_false_accept_rate": 0.02},
    }
    write_with_files(place / "model.json", description, {})
    return pushed.find(place)

"""Arguments that several commands take, and what they stand for."""

import argparse
import math
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np

from kfer.inference.alignment import Crop
from kfer.inference.analyzer import Face, FaceAnalyzer
from kfer.inference.detection import DETECTORS
from kfer.inference.pushed import Threshold

#: Where people are enrolled by default.
GALLERY = "faces.gallery"


def add_detection(parser: argparse.ArgumentParser) -> None:
    """How faces are found."""
    group = parser.add_argument_group("detection")
    group.add_argument(
        "--detector",
        choices=DETECTORS,
        default="mtcnn",
        help="mtcnn, the most exact; blazeface, the quickest; yunet, with --detector-weights; none, "
        "where pictures are faces already [mtcnn]",
    )
    group.add_argument(
        "--detector-weights", type=Path, metavar="ONNX", help="the file of the detector yunet"
    )
    group.add_argument(
        "--smallest-face",
        type=float,
        metavar="PIXELS",
        help="leave out smaller faces, and look for none: the larger, the quicker [a 40th of the "
        "longer side with mtcnn, a 24th with blazeface]",
    )
    group.add_argument(
        "--least-score", type=float, metavar="SHARE", help="leave out less sure detections"
    )
    group.add_argument(
        "--turned", action="store_true", help="where no face is found, try the picture lying on its side"
    )


def add_crop(parser: argparse.ArgumentParser, default: str) -> None:
    """What of a face's surroundings is cut out."""
    group = parser.add_argument_group("alignment")
    group.add_argument(
        "--margin",
        type=float,
        metavar="SHARE",
        help=f"what is added to each side of ArcFace's square, negative cuts [{default}]",
    )
    group.add_argument(
        "--shift", type=float, metavar="SHARE", help=f"how far down the square is moved [{default}]"
    )


def add_model(parser: argparse.ArgumentParser) -> None:
    """Which model is asked, and how faces are found and cut for it."""
    group = parser.add_argument_group("model")
    group.add_argument(
        "--model",
        metavar="MODEL",
        help="a name in saved_models/, a folder, or a .tflite file [the one that was pushed last]",
    )
    group.add_argument(
        "--variant", metavar="NAME", help="which export of it: int8, saved_model ... [float32]"
    )
    add_detection(parser)
    add_crop(parser, "what the model's training images show")


def add_gallery(parser: argparse.ArgumentParser) -> None:
    """Where people are enrolled."""
    parser.add_argument(
        "--gallery", default=GALLERY, metavar="FILE", help=f"the file of the gallery [{GALLERY}]"
    )


def detector_settings(options: argparse.Namespace) -> dict[str, Any]:
    """The settings of a `FaceAnalyzer` that `add_detection` asks for."""
    return {
        "detector": options.detector,
        "weights": options.detector_weights,
        "smallest_face": options.smallest_face,
        "least_score": options.least_score,
        "turned": options.turned,
    }


def analyzer_of(options: argparse.Namespace) -> FaceAnalyzer:
    """The analyzer that `add_model` asks for."""
    analyzer = FaceAnalyzer.load(options.model, options.variant, **detector_settings(options))
    if options.margin is not None or options.shift is not None:
        known = analyzer.model.crop
        analyzer.crop = Crop(
            known.margin if options.margin is None else options.margin,
            known.shift if options.shift is None else options.shift,
        )
    return analyzer


def threshold_of(options: argparse.Namespace, analyzer: FaceAnalyzer) -> Threshold:
    """From `--threshold`, or the model's own.

    Raises:
        ValueError: There is neither.
    """
    if options.threshold is not None:
        return Threshold(options.threshold)
    if analyzer.model.threshold is None:
        raise ValueError(f"{analyzer.model.name} says no threshold: give one with --threshold")
    return analyzer.model.threshold


def embedding_of(face: Face, analyzer: FaceAnalyzer) -> np.ndarray:
    """A face's embedding.

    Raises:
        ValueError: The model has none.
    """
    if face.embedding is None:
        raise ValueError(f"{analyzer.model.name} has no embedding: it cannot tell people apart")
    return face.embedding


def composed(name: str) -> str:
    """A name as a gallery keeps it."""
    return unicodedata.normalize("NFC", name)


def described(face: Face) -> dict[str, Any]:
    """A face as JSON: pixels to a tenth, shares to four digits."""
    quality = face.quality
    return {
        "box": [round(float(edge), 1) for edge in face.box],
        "landmarks": None
        if face.landmarks is None
        else [[round(float(place), 1) for place in point] for point in face.landmarks],
        "score": round(face.score, 4),
        "quality": round(quality.score, 4),
        "yaw": _finite(quality.yaw),
        "pitch": _finite(quality.pitch),
        "roll": _finite(quality.roll),
        "warnings": list(quality.warnings),
        "expression": face.expression,
        "expressions": {name: round(share, 4) for name, share in face.expressions.items()},
        "outputs": {name: [float(number) for number in values] for name, values in face.outputs.items()},
    }


def _finite(number: float) -> float | None:
    return round(number, 1) if math.isfinite(number) else None

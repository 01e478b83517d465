"""Arguments that several commands take, and what they stand for."""

import argparse
import math
from pathlib import Path
from typing import Any

from kfer.arguments import number
from kfer.console import printable
from kfer.files import check_new
from kfer.inference import mediapipe
from kfer.inference.alignment import Crop
from kfer.inference.analyzer import Face, FaceAnalyzer
from kfer.inference.detection import DETECTORS
from kfer.inference.landmarks import SOURCES
from kfer.inference.pushed import Model
from kfer.inference.records import face_content
from kfer.inference.thresholds import Threshold

#: Where people are enrolled by default.
GALLERY = "faces.gallery"
#: What pictures are drawn as.
PICTURES = (".png", ".jpg", ".jpeg")


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
        type=number("above 0"),
        metavar="PIXELS",
        help="leave out smaller faces, and look for none: the larger, the quicker [a 40th of the "
        "longer side with mtcnn, a 24th with blazeface]",
    )
    group.add_argument(
        "--least-score", type=number("in (0, 1)"), metavar="SHARE", help="leave out less sure detections"
    )
    group.add_argument(
        "--landmarks",
        choices=SOURCES,
        default="detector",
        help="by which eyes, nose and mouth faces are aligned: the detector's, or those among 468 points "
        'of each face (dense; pip install "kfer[blazeface]") [detector]',
    )
    group.add_argument(
        "--turned", action="store_true", help="where no face is found, try the picture lying on its side"
    )


def add_crop(parser: argparse.ArgumentParser, default: str) -> None:
    """What of a face's surroundings is cut out."""
    group = parser.add_argument_group("alignment")
    group.add_argument(
        "--margin",
        type=number("in [-0.3, 2]"),
        metavar="SHARE",
        help=f"what is added to each side of ArcFace's square, negative cuts [{default}]",
    )
    group.add_argument(
        "--shift",
        type=number("in [-0.5, 0.5]"),
        metavar="SHARE",
        help=f"how far down the square is moved [{default}]",
    )


def add_model(parser: argparse.ArgumentParser) -> None:
    """Which model is asked, and how faces are found and cut for it."""
    group = parser.add_argument_group("model")
    group.add_argument(
        "--model",
        metavar="MODEL",
        help="a name in saved_models/ or of a model that ships with kfer, a folder, or a .tflite file "
        "[the environment variable KFER_MODEL; else the one that was pushed last to saved_models/; else "
        "faces, which ships with kfer]",
    )
    group.add_argument(
        "--variant",
        metavar="NAME",
        help="which export of it: int8, saved_model ... [float32; int8 of models that ship with kfer]",
    )
    add_detection(parser)
    add_crop(parser, "what the model's training images show")


def add_threshold(parser: argparse.ArgumentParser) -> None:
    """From when on two faces are one person's."""
    either = parser.add_mutually_exclusive_group()
    either.add_argument(
        "--threshold",
        type=number("in [-1, 1]"),
        metavar="SIMILARITY",
        help="from which similarity on two faces are one person's, in [-1, 1] [the model's own]",
    )
    either.add_argument(
        "--false-accept-rate",
        type=number("in (0, 1)"),
        metavar="RATE",
        help="take the threshold that was chosen for this rate by the Evaluator or `kfer calibrate`",
    )


def threshold_of(parsed: argparse.Namespace, model: Model) -> Threshold:
    """The threshold that `add_threshold` asks for, or the model's own."""
    return model.threshold_or(parsed.threshold, parsed.false_accept_rate)


def threshold_words(threshold: Threshold) -> str:
    """A threshold, and how many pairs of different people reach it where that is known."""
    rate = threshold.false_accept_rate
    known = "" if rate is None else f", which {rate:.2%} of pairs of different people reach"
    return f"{threshold.similarity:.3f}{known}"


def told_of(model: Model) -> dict[str, Any]:
    """What JSON says of the model that was asked: its name, export and origin, and what it knows."""
    told: dict[str, Any] = {"model": model.name, "export": model.export, "origin": model.origin}
    if model.trained_on:
        told["trained_on"] = dict(model.trained_on)
    return told | ({"warning": model.warning} if model.warning else {})


def print_model(model: Model) -> None:
    """Prints the first line of an answer: which model it is of."""
    print(printable(model.told))


def add_strict(parser: argparse.ArgumentParser) -> None:
    """What several faces in a picture are."""
    parser.add_argument(
        "--strict",
        action="store_true",
        help="several faces in a picture are an error [the largest is taken]",
    )


def add_gallery(parser: argparse.ArgumentParser) -> None:
    """Where people are enrolled."""
    parser.add_argument(
        "--gallery", default=GALLERY, metavar="FILE", help=f"the file of the gallery [{GALLERY}]"
    )


def detector_settings(options: argparse.Namespace) -> dict[str, Any]:
    """The settings of a `FaceAnalyzer` that `add_detection` asks for.

    Raises:
        ModuleNotFoundError: A package is missing that brings their networks.
    """
    if options.detector == "blazeface":
        mediapipe.check_installed("the detector blazeface")
    if options.landmarks == "dense":
        mediapipe.check_installed('landmarks="dense"')
    return {
        "detector": options.detector,
        "weights": options.detector_weights,
        "smallest_face": options.smallest_face,
        "least_score": options.least_score,
        "turned": options.turned,
        "landmarks": options.landmarks,
    }


def analyzer_of(options: argparse.Namespace, *outputs: str) -> FaceAnalyzer:
    """The analyzer that `add_model` asks for.

    Args:
        options: The command's.
        outputs: Those that the model must have: "embedding", or a task's name.

    Raises:
        ValueError: The model lacks one of them.
    """
    analyzer = FaceAnalyzer.load(options.model, options.variant, **detector_settings(options))
    for output in outputs:
        analyzer.model.check_output(output)
    if options.margin is not None or options.shift is not None:
        known = analyzer.model.crop
        analyzer.crop = Crop(
            known.margin if options.margin is None else options.margin,
            known.shift if options.shift is None else options.shift,
        )
    return analyzer


def described(face: Face) -> dict[str, Any]:
    """A face of a picture as JSON."""
    quality = face.quality
    poses = {"yaw": quality.yaw, "pitch": quality.pitch, "roll": quality.roll}
    return {
        **face_content(face),
        **{name: round(angle, 1) if math.isfinite(angle) else None for name, angle in poses.items()},
        "warnings": list(quality.warnings),
    }


def place_of(face: Face) -> str:
    """Where it is, in a table: "x,y widthxheight"."""
    ymin, xmin, ymax, xmax = (round(float(edge)) for edge in face.box)
    return f"{xmin},{ymin} {xmax - xmin}x{ymax - ymin}"


def check_picture(path: Path) -> None:
    """Checks that a picture can be drawn to a file.

    Raises:
        FileExistsError: Something is there.
        ValueError: Its name ends in none of `PICTURES`.
    """
    if path.suffix.lower() not in PICTURES:
        raise ValueError(f"a picture's name must end in {', '.join(PICTURES)}; got {path}")
    check_new(path, path.suffix)

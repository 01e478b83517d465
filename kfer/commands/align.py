"""Cuts the largest face out of each picture below a folder, upright and at one place and size.

The faces keep the pictures' names and folders, as PNG; a dataset to train on is made of them with
kfer's builder image_folder. A run that was stopped goes on where it was. OUT/not_found.csv lists the
pictures without a face, and OUT/alignment.json says how faces were cut. Give --margin and --shift
to a pipeline as export.face_margin and export.face_shift, so that its model is shown faces cut so.
"""

import argparse
import os
import sys
from pathlib import Path

from tqdm import tqdm

from kfer.arguments import whole
from kfer.commands import YES, counted, options
from kfer.console import after_the_deed
from kfer.inference import alignment
from kfer.inference.alignment import Crop
from kfer.inference.folders import AlignmentSettings, align_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of this command."""
    parser.add_argument(
        "folder", type=Path, metavar="DIR", help="a folder of pictures, with folders or without"
    )
    parser.add_argument("target", type=Path, metavar="OUT", help="where the faces go")
    parser.add_argument(
        "--size",
        type=whole("at least 16"),
        default=alignment.SIZE,
        metavar="PIXELS",
        help=f"of the faces [{alignment.SIZE}]",
    )
    parser.add_argument(
        "--workers",
        type=whole("at least 1"),
        default=os.cpu_count() or 1,
        help="processes [as many as there are cores]",
    )
    options.add_detection(parser)
    options.add_crop(parser, "0")


def run(parsed: argparse.Namespace) -> int:
    """Runs it."""
    if parsed.turned:
        raise ValueError(
            "pictures for training are taken as they lie: turn them before, without --turned"
        )
    options.detector_settings(parsed)  # what it needs is there
    settings = AlignmentSettings(
        crop=Crop(parsed.margin or 0.0, parsed.shift or 0.0),
        size=parsed.size,
        detector=parsed.detector,
        smallest_face=parsed.smallest_face,
        least_score=parsed.least_score,
        weights=str(parsed.detector_weights) if parsed.detector_weights else None,
        landmarks=parsed.landmarks,
    )
    found = missing = 0
    outcomes = align_folder(parsed.folder, parsed.target, settings, parsed.workers)
    for outcome in tqdm(outcomes, unit="picture", file=sys.stderr):
        found, missing = found + (not outcome.reason), missing + bool(outcome.reason)
    words = f"{counted(found, 'face')} in {parsed.target}"
    with after_the_deed():
        print(words + f"; {counted(missing, 'picture')} without: not_found.csv" * bool(missing))
    return YES

"""Follows the faces in front of a camera until Ctrl+C: who they are, and what they express over time."""

import argparse

from kfer.arguments import whole
from kfer.commands import video


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of this command."""
    parser.add_argument(
        "camera",
        type=whole("at least 0"),
        nargs="?",
        default=0,
        metavar="NUMBER",
        help="of the camera [0]",
    )
    video.add_outputs(parser)


def run(parsed: argparse.Namespace) -> int:
    """Runs it."""
    return video.follow(parsed, parsed.camera, total=None, rate=0.0)

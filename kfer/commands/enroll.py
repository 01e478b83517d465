"""Puts a person into a gallery: the face of each picture, the largest of several.

A picture whose face is of a lower quality than --least-quality is refused, and then nothing is enrolled.
"""

import argparse
import warnings
from pathlib import Path

from kfer import listing, spec
from kfer.arguments import number
from kfer.commands import YES, counted, options
from kfer.console import after_the_deed
from kfer.inference.gallery import Gallery
from kfer.inference.gallery.people import checked_name


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of this command."""
    parser.add_argument("name", metavar="NAME", help="the person's name")
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="pictures of the person")
    options.add_gallery(parser)
    parser.add_argument(
        "--least-quality",
        type=number("in [0, 1]"),
        default=0.3,
        metavar="SHARE",
        help="in [0, 1] [0.3]; 0 takes any",
    )
    options.add_strict(parser)
    options.add_model(parser)


def run(parsed: argparse.Namespace) -> int:
    """Runs it."""
    analyzer = options.analyzer_of(parsed, spec.EMBEDDING)
    embeddings = []
    for image in parsed.images:
        face = analyzer.only_face(image, parsed.strict)
        if face.quality.score < parsed.least_quality:
            words = ", ".join(face.quality.warnings) or "several measures are middling"
            raise ValueError(
                f"the face in {image} has a quality of {face.quality.score:.2f} ({words}), less than "
                f"--least-quality {parsed.least_quality:g}: nothing was enrolled"
            )
        embeddings.append(analyzer.embedding_of(face))
    path = Path(parsed.gallery)
    with Gallery.edit(path, analyzer.model.fingerprint, len(embeddings[0])) as gallery:
        name = checked_name(parsed.name)
        alike = [one for one, other in listing.alike([*gallery.names, name]) if other == name]
        if alike and name not in gallery.templates:
            warnings.warn(f"{path} has {alike[0]!r} already; {name!r} is another person", stacklevel=1)
        for embedding in embeddings:
            gallery.enroll(parsed.name, embedding)
        count = gallery.templates[name]
        people = len(gallery.names)
    with after_the_deed():
        options.print_model(analyzer.model)
        print(
            f"{parsed.name}: {counted(count, 'template')}; {path}: {counted(people, 'person', 'people')}"
        )
    return YES

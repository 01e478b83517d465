"""Says who is in a picture, by a gallery.

The exit code is 0 where somebody is known, 1 where nobody is, 2 where that could not be found out.
"""

import argparse
from pathlib import Path

from kfer import spec
from kfer.arguments import whole
from kfer.commands import NO, YES, options, print_json, print_table
from kfer.inference import images
from kfer.inference.drawing import annotation, draw, save
from kfer.inference.gallery import Gallery


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of this command."""
    parser.add_argument("image", type=Path, metavar="IMAGE", help="a picture, of one face or several")
    options.add_gallery(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "-k", type=whole("at least 1"), default=5, help="how many people of each face at most [5]"
    )
    options.add_threshold(parser)
    parser.add_argument(
        "--draw", type=Path, metavar="OUT", help="write the picture with the names (.png or .jpg)"
    )
    options.add_model(parser)


def run(parsed: argparse.Namespace) -> int:
    """Runs it."""
    if parsed.draw is not None:
        options.check_picture(parsed.draw)
    analyzer = options.analyzer_of(parsed, spec.EMBEDDING)
    threshold = options.threshold_of(parsed, analyzer.model).similarity
    gallery = Gallery.load(parsed.gallery, analyzer.model.fingerprint)
    picture = images.read(parsed.image)
    (faces,) = analyzer.analyze_pixels([picture])
    matches = [gallery.identify(analyzer.embedding_of(face), parsed.k, threshold)[0] for face in faces]
    if parsed.draw is not None:
        annotations = [
            annotation(face, *((best[0].name, best[0].similarity) if best else ("unknown",)))
            for face, best in zip(faces, matches, strict=True)
        ]
        save(draw(picture, annotations), parsed.draw)
    if parsed.json:
        print_json(
            {
                **options.told_of(analyzer.model),
                "threshold": threshold,
                "faces": [
                    options.described(face)
                    | {
                        "matches": [
                            {"name": match.name, "similarity": round(match.similarity, 6)}
                            for match in best
                        ]
                    }
                    for face, best in zip(faces, matches, strict=True)
                ],
            }
        )
    else:
        options.print_model(analyzer.model)
        rows = []
        for number, (face, best) in enumerate(zip(faces, matches, strict=True), 1):
            place = options.place_of(face)
            if not best:
                rows.append([str(number), place, "unknown", ""])
            for rank, match in enumerate(best):
                first = [str(number), place] if not rank else ["", ""]
                rows.append([*first, match.name, f"{match.similarity:.3f}"])
        if rows:
            print_table(["face", "x,y size", "name", "similarity"], rows)
        else:
            print(f"{parsed.image} shows no face")
    return YES if any(matches) else NO

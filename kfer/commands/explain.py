"""Shows where in a face the model sees its expression.

The exit code is 0 where the picture shows a face, 1 where it shows none, 2 where that could not be found
out.
"""

import argparse
from pathlib import Path
from typing import Any

from kfer import spec
from kfer.commands import NO, YES, options, print_json, print_table
from kfer.inference import images
from kfer.inference.analyzer import Face
from kfer.inference.drawing import save
from kfer.inference.explanation import METHODS, Explainer, Explanation
from kfer.inference.heat_maps import draw_on_picture


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of this command."""
    parser.add_argument("image", type=Path, metavar="IMAGE", help="a picture, of one face or several")
    parser.add_argument(
        "--expression", metavar="NAME", help="which one [the most probable one of each face]"
    )
    parser.add_argument(
        "--method",
        choices=METHODS,
        default="occlusion",
        help="occlusion, how much its probability falls where the face is covered, of every export; "
        "gradcam, quicker and vaguer, which features speak for it, of a SavedModel [occlusion]",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--draw", type=Path, metavar="OUT", help="write the picture with the maps (.png or .jpg)"
    )
    options.add_model(parser)


def run(parsed: argparse.Namespace) -> int:
    """Runs it."""
    if parsed.draw is not None:
        options.check_picture(parsed.draw)
    analyzer = options.analyzer_of(parsed, spec.EXPRESSION)
    picture = images.read(parsed.image)
    (faces,) = analyzer.analyze_pixels([picture])
    explainer = Explainer(analyzer)
    found = [explainer.explain(face, parsed.expression, parsed.method) for face in faces]
    if parsed.draw is not None:
        save(draw_on_picture(picture, faces, found), parsed.draw)
    if parsed.json:
        print_json({**options.told_of(analyzer.model), "faces": list(map(_described, faces, found))})
        return YES if faces else NO
    options.print_model(analyzer.model)
    if faces:
        rows = [
            [
                str(number),
                options.place_of(face),
                explanation.expression,
                f"{explanation.probability:.0%}",
                *(f"{share:.0%}" for share in explanation.shares.values()),
            ]
            for number, (face, explanation) in enumerate(zip(faces, found, strict=True), 1)
        ]
        print_table(["face", "x,y size", "expression", "", "eyes", "nose", "mouth"], rows)
    else:
        print(f"{parsed.image} shows no face")
    return YES if faces else NO


def _described(face: Face, explanation: Explanation) -> dict[str, Any]:
    centre = explanation.centre
    return {
        "box": [round(float(edge), 2) for edge in face.box],
        "expression": explanation.expression,
        "probability": round(explanation.probability, 4),
        "method": explanation.method,
        # Of the map, in pixels of the aligned face.
        "centre": centre and [round(place, 2) for place in centre],
        "shares": {name: round(share, 4) for name, share in explanation.shares.items()},
    }

"""Says whether two pictures show the same person.

The exit code is 0 where they do, 1 where they do not, 2 where that could not be found out.
"""

import argparse
import sys

from kfer import spec
from kfer.commands import NO, YES, options, print_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of this command."""
    parser.add_argument("first", metavar="A", help="a picture")
    parser.add_argument("second", metavar="B", help="another one")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options.add_threshold(parser)
    options.add_strict(parser)
    options.add_model(parser)


def run(parsed: argparse.Namespace) -> int:
    """Runs it."""
    analyzer = options.analyzer_of(parsed, spec.EMBEDDING)
    threshold = options.threshold_of(parsed, analyzer.model)
    found = analyzer.verify(parsed.first, parsed.second, parsed.strict, threshold)
    if parsed.json:
        print_json(
            {
                **options.told_of(analyzer.model),
                "verified": found.verified,
                "similarity": round(found.similarity, 6),
                "threshold": threshold.similarity,
                "false_accept_rate": threshold.false_accept_rate,
                "warnings": list(found.warnings),
                "faces": [options.described(face) for face in found.faces],
            }
        )
    else:
        options.print_model(analyzer.model)
        answer = "the same person" if found.verified else "different people"
        told = options.threshold_words(threshold)
        print(f"{answer}: similarity {found.similarity:.3f}, threshold {told}")
        for words in found.warnings:
            print(f"kfer verify: {words}", file=sys.stderr)
    return YES if found.verified else NO

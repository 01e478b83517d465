"""`python -m kfer.datasets.drawing FILE`: writes a contact sheet of drawn faces as a PNG file."""

import sys
from collections.abc import Sequence
from pathlib import Path

from kfer import entry
from kfer.arguments import Parser, whole
from kfer.files import write_bytes


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code: 0 done, 2 wrong usage."""
    return entry.run("kfer.datasets.drawing", lambda: _run(arguments))


def _run(typed: Sequence[str] | None) -> int:
    parser = Parser(prog="python -m kfer.datasets.drawing", description=__doc__)
    parser.add_argument("file", type=Path, help="the PNG file to write")
    parser.add_argument("--people", type=whole("at least 1"), default=8, help="rows (default: 8)")
    parser.add_argument(
        "--first", type=whole("at least 0"), default=137, help="seed of the first person (default: 137)"
    )
    parser.add_argument(
        "--size", type=whole("at least 24"), default=104, help="pixels of a face's side (default: 104)"
    )
    arguments = parser.parse_args(typed)
    # Late: --help and wrong arguments need none of them.
    import cv2

    from kfer.datasets.drawing.sheet import contact_sheet

    seeds = range(arguments.first, arguments.first + arguments.people)
    sheet = contact_sheet(seeds, arguments.size)
    encoded = cv2.imencode(
        ".png", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, 9]
    )[1]
    write_bytes(arguments.file, encoded.tobytes())
    print(f"{arguments.file}: {len(seeds)} people, {len(encoded) / 1000:.0f} kB")
    return entry.YES


if __name__ == "__main__":
    sys.exit(main())

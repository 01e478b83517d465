"""`python -m kfer.datasets.drawing FILE`: writes a contact sheet of drawn faces as a PNG file."""

import argparse
from pathlib import Path

import cv2

from kfer.datasets.drawing.sheet import contact_sheet
from kfer.files import write_bytes


def main() -> None:
    """Parses the command line and writes the file."""
    parser = argparse.ArgumentParser(prog="python -m kfer.datasets.drawing", description=__doc__)
    parser.add_argument("file", type=Path, help="the PNG file to write")
    parser.add_argument("--people", type=int, default=8, help="rows (default: 8)")
    parser.add_argument("--first", type=int, default=137, help="seed of the first person (default: 137)")
    parser.add_argument("--size", type=int, default=104, help="pixels of a face's side (default: 104)")
    arguments = parser.parse_args()
    seeds = range(arguments.first, arguments.first + arguments.people)
    sheet = contact_sheet(seeds, arguments.size)
    encoded = cv2.imencode(
        ".png", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, 9]
    )[1]
    write_bytes(arguments.file, encoded.tobytes())
    print(f"{arguments.file}: {len(seeds)} people, {len(encoded) / 1000:.0f} kB")


if __name__ == "__main__":
    main()

"""The commands of `kfer` that work on faces: each a module with its arguments and what it does."""

import argparse
import importlib
import json
import os
import sys
import warnings
from collections.abc import Sequence
from typing import Any

from kfer.console import only_python_on_stderr

#: The commands and what they are for. The module of one is imported when it is called.
COMMANDS = {
    "analyze": "find the faces in pictures and say what they express",
    "verify": "say whether two pictures show the same person",
    "enroll": "put a person into a gallery",
    "identify": "say who is in a picture, by a gallery",
    "gallery": "list the people of a gallery, or delete one",
    "explain": "show where in a face the model sees its expression",
    "video": "follow the faces of a video: who they are, and what they express over time",
    "camera": "the same in front of a camera",
    "timeline": "tell what people expressed over a recording, or over several",
    "align": "cut the faces out of a folder of pictures, as a dataset to train on",
    "calibrate": "find thresholds for stated false accept rates on pairs of your own pictures",
    "generate": "draw faces of nobody with a trained generator",
    "models": "list the models that were pushed",
    "report": "say how good a model is, its exports and its thresholds",
}

#: What scripts can rely on: what was asked is so, is not so, could not be found out.
YES, NO, ERROR = 0, 1, 2


def run(command: str, arguments: Sequence[str]) -> int:
    """Runs a command and returns its exit code."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    module = importlib.import_module(f"{__name__}.{command}")
    parser = argparse.ArgumentParser(
        prog=f"kfer {command}",
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    module.add_arguments(parser)
    options = parser.parse_args(arguments)

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        print(f"kfer {command}: {message}", file=sys.stderr)

    try:
        with only_python_on_stderr(), warnings.catch_warnings():
            # For users, who have no line of code to look at.
            warnings.filterwarnings("always", category=UserWarning, module="kfer")
            warnings.showwarning = show
            return int(module.run(options))
    except (OSError, ValueError, ModuleNotFoundError) as error:
        print(f"kfer {command}: {error}", file=sys.stderr)
        return ERROR
    except KeyboardInterrupt:
        print(f"kfer {command}: interrupted", file=sys.stderr)
        return 130


def print_json(content: Any) -> None:
    """Prints what can be read by programs, one object."""
    print(json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False))


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints columns: what looks like numbers to the right, words to the left."""
    columns = list(zip(headings, *rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    numbers = [all(_is_number(cell) for cell in column[1:]) for column in columns]
    for row in (headings, *rows):
        cells = [
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(row, widths, numbers, strict=True)
        ]
        print("  ".join(cells).rstrip())


def counted(number: int, one: str, many: str = "") -> str:
    """A number of things in words: "1 face", "2,000 faces"."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _is_number(text: str) -> bool:
    return text.strip("-+0123456789.,%") == ""

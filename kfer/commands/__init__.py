"""The commands of `kfer` that work on faces: each a module with its arguments and what it does."""

import argparse
import importlib
import json
import os
import sys
import warnings
from collections.abc import Sequence
from typing import Any

import kfer
from kfer import entry
from kfer.arguments import Parser, nearest
from kfer.console import UNPRINTABLE, only_python_on_stderr, printable, quiet_libraries
from kfer.entry import ERROR as ERROR
from kfer.entry import NO as NO
from kfer.entry import YES as YES
from kfer.ranges import shown

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

#: Those that train, or that measure, which are modules of their own: what they are for.
MODULES = {
    "pipeline": "train, judge, export and push a network, as `python -m kfer.pipeline` does",
    "export": "export and push the network of a pipeline that has run; with --bundle ZIP as one file too",
    "benchmark": "measure exported models' time, memory and size, as `python -m kfer.benchmark` does",
}


def main(arguments: Sequence[str]) -> int:
    """Runs the command that the first argument names, and returns its exit code."""
    parser = Parser(prog="kfer", description=kfer.__doc__)
    parser.add_argument("--version", action="version", version=f"kfer {kfer.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)
    known = MODULES | COMMANDS
    for name, words in known.items():
        commands.add_parser(name, help=words, add_help=False)
    if not arguments:
        parser.print_help(sys.stderr)
        return ERROR
    command, rest = arguments[0], arguments[1:]
    if command.startswith("-"):
        parser.parse_args(arguments[:1])  # its help or its version; any other is an error
        return ERROR
    if command not in known:
        parser.error(f"there is no command {shown(command)}{nearest(command, known)}")
    if command in COMMANDS:
        return run(command, rest)
    if command == "export":
        # What the last run trained and judged serves, whatever the settings of the exports are now.
        command, rest = "pipeline", ["--from-node", "InfraValidator", *rest]
    return int(importlib.import_module(f"kfer.{command}.__main__").main(rest))


def run(command: str, arguments: Sequence[str]) -> int:
    """Runs a command of this package and returns its exit code."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    return entry.run(f"kfer {command}", lambda: _run(command, arguments))


def _run(command: str, arguments: Sequence[str]) -> int:
    module = importlib.import_module(f"{__name__}.{command}")
    parser = Parser(
        prog=f"kfer {command}",
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_arguments(parser)
    options = parser.parse_args(arguments)

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        print(f"kfer {command}: {message}", file=sys.stderr)

    quiet_libraries()
    with only_python_on_stderr(), warnings.catch_warnings():
        # Kfer's own are for users, who have no line of code to look at.
        warnings.simplefilter("ignore")
        warnings.filterwarnings("always", category=UserWarning, module="kfer")
        warnings.showwarning = show
        return int(module.run(options))


def print_json(content: Any) -> None:
    """Prints what can be read by programs, one object."""
    # As escapes of JSON, where the stream's own would be none.
    plain = sys.stdout.encoding.lower().replace("-", "") != "utf8"
    text = json.dumps(content, indent=1, ensure_ascii=plain, allow_nan=False)
    print(UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints columns: what looks like numbers to the right, words to the left."""
    rows = [[printable(cell) for cell in row] for row in rows]
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

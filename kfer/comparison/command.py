"""What commands share that train several networks: how they run, options, settings, checks, summary."""

import argparse
import dataclasses
import importlib.util
import os
import shlex
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from kfer import entry
from kfer.arguments import Parser
from kfer.console import log_to_console
from kfer.pipeline import config, early
from kfer.pipeline.arguments import separate
from kfer.processes import end_in_order
from kfer.settings import PipelineSettings, dotted

S = TypeVar("S")


def run(command: str, arguments: Sequence[str], body: Callable[[list[str], str], list[str]]) -> int:
    """Runs a command and returns its exit code: 0 done, 1 a training failed.

    Args:
        command: The module that is run, "comparison".
        arguments: Its arguments.
        body: Does the work. It is given the arguments, and the whole command as it was typed; it returns
            the trainings that failed, with the reason.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    log_to_console()
    end_in_order()
    failed = body(list(arguments), f"python -m kfer.{command} {shlex.join(arguments)}")
    if failed:
        print("\nfailed:\n  " + "\n  ".join(failed), file=sys.stderr)
    return entry.NO if failed else entry.YES


def parser(command: str, settings: str, one: str, description: str, epilog: str) -> Parser:
    """Returns the parser of the options that all of them have.

    Args:
        command: The module that is run, "comparison".
        settings: The class of its settings.
        one: What a training is called, "candidate".
        description: What the command does.
        epilog: Which settings can be given besides.
    """
    made = Parser(
        prog=f"python -m kfer.{command}",
        description=f"{description} What is finished is not trained again; what was stopped goes on "
        "after its last epoch.",
        epilog=epilog,
    )
    made.add_argument("settings_file", help=f"a Python file that defines `settings`, of class {settings}")
    made.add_argument("--data-dir", help="folder with the downloaded datasets, one subfolder each")
    made.add_argument("--output-dir", help=f"folder of the results [{command}_output/<name>]")
    made.add_argument(
        "--only",
        action="append",
        default=[],
        metavar=one.upper(),
        help=f"train this {one}; may be repeated",
    )
    made.add_argument(
        "--report-only",
        action="store_true",
        help="train and measure nothing: write the page of what is finished, also beside a training",
    )
    return made


def parse(parser: Parser, arguments: list[str], kind: type) -> tuple[argparse.Namespace, dict[str, str]]:
    """Returns the options, and what of the settings is overridden, by dotted names.

    Args:
        parser: Of the options.
        arguments: As typed.
        kind: The class of the settings. Where it has a pipeline, `base`, that one's settings may be given
            without "base.".
    """
    own = [field.name for field in dataclasses.fields(kind)]
    if "base" not in own:
        rest, overrides = separate(arguments, parser, own, own)
        return parser.parse_args(rest), overrides
    of_base = [name for name, _, _ in dotted.describe(PipelineSettings())]
    rest, overrides = separate(arguments, parser, own, [*own, *of_base])
    whole = {
        name if name.partition(".")[0] in own else f"base.{name}": text
        for name, text in overrides.items()
    }
    return parser.parse_args(rest), whole


def load(options: argparse.Namespace, overrides: Mapping[str, str], kind: type[S]) -> S:
    """Returns the settings of a file with some overridden, and the folder of datasets that was given.

    Args:
        options: "settings_file", and "data_dir", which may be None.
        overrides: By dotted names.
        kind: Of the settings.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is no such settings, or what is overridden does not fit them.
    """
    settings: Any = dotted.override(config.load_settings(options.settings_file, kind), overrides)
    if options.data_dir is not None and hasattr(settings, "base"):
        base = dataclasses.replace(settings.base, data_dir=options.data_dir)
        settings = dataclasses.replace(settings, base=base)
    if not getattr(options, "report_only", False):
        _check_names(settings)
    return settings


def _check_names(settings: Any) -> None:
    """Checks what only a training would look up, of each pipeline and each network."""
    if hasattr(settings, "base"):
        early.check_names(settings.base)
    for name in getattr(settings, "variants", ()):
        early.check_names(settings.variant(name, settings.seeds[0]))
    for name, model in getattr(settings, "candidates", {}).items():
        early.check_backbone(model, f"candidates.{name}")


def check(command: str, one: str, name: str, known: Collection[str], only: Collection[str]) -> None:
    """Finds what would stop a command at its end, before hours of training.

    Args:
        command: As for `parser`.
        one: Likewise.
        name: Of what is compared.
        known: The names of its trainings.
        only: Those that shall be trained.

    Raises:
        ModuleNotFoundError: The page cannot be drawn.
        ValueError: A name is unknown.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise ModuleNotFoundError(
            f"the {command}'s charts need matplotlib, which is not installed; install it by "
            "pip install 'kfer[plots]'"
        )
    unknown = sorted(set(only) - set(known))
    if unknown:
        raise ValueError(f"there is no {one} {', '.join(unknown)}; {name} has {', '.join(known)}")


def summary(table: Sequence[Sequence[str]], page: Path) -> str:
    """The figures, and where the page is, for the console.

    Args:
        table: Rows of as many cells each, the titles first.
        page: Written before.
    """
    return f"\n{aligned(table)}\n\nPage: {page}"


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Returns rows of as many cells each as lines of text, their columns below each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)

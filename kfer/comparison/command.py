"""What commands share that train several networks and compare them: options, checks, summary."""

import argparse
import importlib.util
from collections.abc import Collection, Sequence
from pathlib import Path


def parser(
    command: str, settings: str, one: str, description: str, epilog: str
) -> argparse.ArgumentParser:
    """Returns the parser of the options that all of them have.

    Args:
        command: The module that is run, "comparison".
        settings: The class of its settings.
        one: What a training is called, "candidate".
        description: What the command does.
        epilog: Which settings can be given besides.
    """
    made = argparse.ArgumentParser(
        prog=f"python -m kfer.{command}",
        description=f"{description} What is finished is not trained again; what was stopped goes on "
        "after its last epoch.",
        epilog=epilog,
        allow_abbrev=False,
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
    return f"\n{_aligned(table)}\n\nPage: {page}"


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows of as many cells each as lines of text, their columns below each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)

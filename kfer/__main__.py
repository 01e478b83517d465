"""The command `kfer`."""

import argparse
import sys
from collections.abc import Sequence

import kfer


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a subcommand with the arguments after its name, and returns its exit code."""
    parser = argparse.ArgumentParser(prog="kfer", description=kfer.__doc__)
    parser.add_argument("--version", action="version", version=f"kfer {kfer.__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser(
        "pipeline",
        help="train, judge, export and push a network, as `python -m kfer.pipeline` does",
        add_help=False,
    )
    options, rest = parser.parse_known_args(arguments)
    assert options.command == "pipeline"
    from kfer.pipeline.__main__ import main as run_pipeline

    return run_pipeline(rest)


if __name__ == "__main__":
    sys.exit(main())

"""The command `kfer`."""

import argparse
import sys
from collections.abc import Sequence

import kfer
from kfer.commands import COMMANDS, run


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
    commands.add_parser(
        "export",
        help="export and push the network of a pipeline that has run; with --bundle ZIP also as one file",
        add_help=False,
    )
    commands.add_parser(
        "benchmark",
        help="measure the time, memory and size of exported models, as `python -m kfer.benchmark` does",
        add_help=False,
    )
    for name, words in COMMANDS.items():
        commands.add_parser(name, help=words, add_help=False)
    options, rest = parser.parse_known_args(arguments)
    if options.command in COMMANDS:
        return run(options.command, rest)
    if options.command == "benchmark":
        from kfer.benchmark.__main__ import main as run_benchmark

        return run_benchmark(rest)
    from kfer.pipeline.__main__ import main as run_pipeline

    # What the last run trained and judged serves, whatever the settings of the exports are now.
    return run_pipeline(["--from-node", "InfraValidator", *rest] if options.command == "export" else rest)


if __name__ == "__main__":
    sys.exit(main())

"""The command `python -m kfer.comparison`."""

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from kfer.comparison import study
from kfer.comparison.settings import ComparisonSettings
from kfer.pipeline import config
from kfer.pipeline.arguments import separate
from kfer.pipeline.console import log_to_console


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code: 0 done, 1 a candidate failed, 2 wrong usage."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    log_to_console()
    typed = sys.argv[1:] if arguments is None else list(arguments)
    try:
        options, overrides = _parse(typed)
        settings = config.load_settings(options.settings_file, ComparisonSettings)
        settings = config.override(settings, overrides)
        output_dir = Path(options.output_dir or Path("comparison_output") / settings.name).absolute()
        study.check(settings, output_dir, options.only)
        failed = []
        if not options.report_only:
            failed += study.train(settings, options.data_dir, output_dir, options.only)
            failed += study.measure(settings, options.data_dir, output_dir)
        command = f"python -m kfer.comparison {shlex.join(typed)}"
        figures = study.report(settings, options.data_dir, output_dir, command)
    except (OSError, ValueError, RuntimeError, ModuleNotFoundError) as error:
        print(f"kfer.comparison: {error}", file=sys.stderr)
        return 2
    # Late, for what holds the figures is imported late.
    from kfer.comparison import tables

    print(f"\n{tables.aligned(tables.console(figures))}")
    print(f"\nPage: {output_dir / study.PAGE}")
    if failed:
        print("\nfailed:\n  " + "\n  ".join(failed), file=sys.stderr)
        return 1
    return 0


def _parse(arguments: list[str]) -> tuple[argparse.Namespace, dict[str, str]]:
    parser = argparse.ArgumentParser(
        prog="python -m kfer.comparison",
        description="Trains several networks on equal terms, and compares them on one page. What is "
        "finished is not trained again; what was stopped goes on after its last epoch.",
        epilog="Any setting can be given by its name, such as --training.epochs 3 or --seeds 0,1.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "settings_file", help="a Python file that defines `settings`, a ComparisonSettings"
    )
    parser.add_argument("--data-dir", default="", help="folder with the downloaded datasets")
    parser.add_argument("--output-dir", help="folder of the results [comparison_output/<name>]")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="NAME",
        help="train this candidate; may be repeated",
    )
    parser.add_argument(
        "--report-only",
        action="store_true",
        help="train and measure nothing: write the page of what is finished, also beside a training",
    )
    fields = ComparisonSettings.__dataclass_fields__
    own, overrides = separate(arguments, parser, fields, list(fields))
    return parser.parse_args(own), overrides


if __name__ == "__main__":
    sys.exit(main())

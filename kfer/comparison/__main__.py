"""The command `python -m kfer.comparison`."""

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from kfer.comparison import command, study
from kfer.comparison.settings import ComparisonSettings
from kfer.console import log_to_console
from kfer.pipeline import config
from kfer.pipeline.arguments import separate
from kfer.settings import dotted


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code: 0 done, 1 a candidate failed, 2 wrong usage."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    log_to_console()
    typed = sys.argv[1:] if arguments is None else list(arguments)
    try:
        options, overrides = _parse(typed)
        settings = config.load_settings(options.settings_file, ComparisonSettings)
        settings = dotted.override(settings, overrides)
        output_dir = Path(options.output_dir or Path("comparison_output") / settings.name).absolute()
        study.check(settings, output_dir, options.only)
        data_dir, failed = options.data_dir or "", []
        if not options.report_only:
            failed += study.train(settings, data_dir, output_dir, options.only)
            failed += study.measure(settings, data_dir, output_dir)
        said = f"python -m kfer.comparison {shlex.join(typed)}"
        figures = study.report(settings, data_dir, output_dir, said)
    except (OSError, ValueError, RuntimeError, ModuleNotFoundError) as error:
        print(f"kfer.comparison: {error}", file=sys.stderr)
        return 2
    # Late, for what holds the figures is imported late.
    from kfer.comparison import tables

    print(command.summary(tables.console(figures), output_dir / study.PAGE))
    if failed:
        print("\nfailed:\n  " + "\n  ".join(failed), file=sys.stderr)
    return 1 if failed else 0


def _parse(arguments: list[str]) -> tuple[argparse.Namespace, dict[str, str]]:
    parser = command.parser(
        "comparison",
        ComparisonSettings.__name__,
        "candidate",
        "Trains several networks on equal terms, and compares them on one page.",
        "Any setting can be given by its name, such as --training.epochs 3 or --seeds 0,1.",
    )
    fields = ComparisonSettings.__dataclass_fields__
    own, overrides = separate(arguments, parser, fields, list(fields))
    return parser.parse_args(own), overrides


if __name__ == "__main__":
    sys.exit(main())

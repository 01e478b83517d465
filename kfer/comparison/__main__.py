"""The command `python -m kfer.comparison`."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from kfer.comparison import study
from kfer.comparison.settings import ComparisonSettings
from kfer.pipeline import config
from kfer.pipeline.console import log_to_console


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code: 0 done, 1 a candidate failed, 2 wrong usage."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    log_to_console()
    parser = argparse.ArgumentParser(
        prog="python -m kfer.comparison",
        description="Trains several networks on equal terms, and compares them on one page.",
    )
    parser.add_argument(
        "settings_file", help="a Python file that defines `settings`, a ComparisonSettings"
    )
    parser.add_argument("--data-dir", default="", help="folder with the downloaded datasets")
    parser.add_argument("--output-dir", help="folder of the results [comparison_output/<name>]")
    options = parser.parse_args(arguments)
    try:
        settings = config.load_settings(options.settings_file, ComparisonSettings)
        output_dir = Path(options.output_dir or Path("comparison_output") / settings.name).absolute()
        failed = study.train(settings, options.data_dir, output_dir)
    except (OSError, ValueError, RuntimeError) as error:
        print(f"kfer.comparison: {error}", file=sys.stderr)
        return 2
    if failed:
        print(f"\nfailed: {', '.join(failed)}; the reason is above", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The command `python -m kfer.study`."""

import argparse
import dataclasses
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from kfer.comparison import command
from kfer.console import log_to_console
from kfer.pipeline import config
from kfer.pipeline.arguments import separate
from kfer.settings import PipelineSettings, dotted
from kfer.study import study
from kfer.study.settings import StudySettings


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code: 0 done, 1 a run failed, 2 wrong usage."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    log_to_console()
    typed = sys.argv[1:] if arguments is None else list(arguments)
    try:
        options, overrides = _parse(typed)
        settings = dotted.override(config.load_settings(options.settings_file, StudySettings), overrides)
        if options.data_dir is not None:
            base = dataclasses.replace(settings.base, data_dir=options.data_dir)
            settings = dataclasses.replace(settings, base=base)
        output_dir = Path(options.output_dir or Path("study_output") / settings.name).absolute()
        study.check(settings, output_dir, options.only)
        failed = [] if options.report_only else study.train(settings, output_dir, options.only)
        said = f"python -m kfer.study {shlex.join(typed)}"
        results = study.report(settings, output_dir, said)
    except (OSError, ValueError, RuntimeError, ModuleNotFoundError) as error:
        print(f"kfer.study: {error}", file=sys.stderr)
        return 2
    # Late, for what holds the figures is imported late.
    from kfer.study import tables

    print(command.summary(tables.console(results), output_dir / study.PAGE))
    if failed:
        print("\nfailed:\n  " + "\n  ".join(failed), file=sys.stderr)
    return 1 if failed else 0


def _parse(arguments: list[str]) -> tuple[argparse.Namespace, dict[str, str]]:
    parser = command.parser(
        "study",
        StudySettings.__name__,
        "variant",
        "Trains one pipeline in several variants and with several seeds, and compares them on one page.",
        "Any setting of the pipeline can be given by its name, such as --training.epochs 3, and so can "
        "the study's: --seeds 0,1, --resamples 500.",
    )
    fields = StudySettings.__dataclass_fields__
    names = [*fields, *(name for name, _, _ in dotted.describe(PipelineSettings()))]
    own, overrides = separate(arguments, parser, fields, names)
    return parser.parse_args(own), {_whole(name): value for name, value in overrides.items()}


def _whole(name: str) -> str:
    """A setting's whole name; the pipeline's may be given without "base."."""
    return name if name.partition(".")[0] in StudySettings.__dataclass_fields__ else f"base.{name}"


if __name__ == "__main__":
    sys.exit(main())

"""What `python -m kfer.study` does."""

from collections.abc import Sequence
from pathlib import Path

from kfer.comparison import command as shared
from kfer.study import study
from kfer.study.settings import StudySettings


def run(arguments: Sequence[str]) -> int:
    """Runs the command and returns its exit code."""
    return shared.run("study", arguments, _run)


def _run(arguments: list[str], typed: str) -> list[str]:
    parser = shared.parser(
        "study",
        StudySettings.__name__,
        "variant",
        "Trains one pipeline in several variants and with several seeds, and compares them on one page.",
        "Any setting of the pipeline can be given by its name, such as --training.epochs 3, and so can "
        "the study's: --seeds 0,1, --resamples 500, --baseline VARIANT.",
    )
    options, overrides = shared.parse(parser, arguments, StudySettings)
    settings = shared.load(options, overrides, StudySettings)
    output_dir = Path(options.output_dir or Path("study_output") / settings.name).absolute()
    study.check(settings, output_dir, options.only)
    failed = [] if options.report_only else study.train(settings, output_dir, options.only)
    results = study.report(settings, output_dir, typed)
    # Late, for what holds the figures is imported late.
    from kfer.study import tables

    print(shared.summary(tables.console(results), output_dir / study.PAGE))
    return failed

"""What `python -m kfer.comparison` does."""

from collections.abc import Sequence
from pathlib import Path

from kfer.comparison import command as shared
from kfer.comparison import study
from kfer.comparison.settings import ComparisonSettings


def run(arguments: Sequence[str]) -> int:
    """Runs the command and returns its exit code."""
    return shared.run("comparison", arguments, _run)


def _run(arguments: list[str], typed: str) -> list[str]:
    parser = shared.parser(
        "comparison",
        ComparisonSettings.__name__,
        "candidate",
        "Trains several networks on equal terms, and compares them on one page.",
        "Any setting can be given by its name, such as --training.epochs 3 or --seeds 0,1.",
    )
    options, overrides = shared.parse(parser, arguments, ComparisonSettings)
    settings = shared.load(options, overrides, ComparisonSettings)
    output_dir = Path(options.output_dir or Path("comparison_output") / settings.name).absolute()
    study.check(settings, output_dir, options.only)
    data_dir, failed = options.data_dir or "", []
    if not options.report_only:
        failed += study.train(settings, data_dir, output_dir, options.only)
        failed += study.measure(settings, data_dir, output_dir)
    figures = study.report(settings, data_dir, output_dir, typed)
    # Late, for what holds the figures is imported late.
    from kfer.comparison import tables

    print(shared.summary(tables.console(figures), output_dir / study.PAGE))
    return failed

"""What `python -m kfer.pipeline` does."""

import argparse
import os
import textwrap
import time
from collections.abc import Sequence
from pathlib import Path

from kfer import entry
from kfer.arguments import Parser, whole
from kfer.console import after_the_deed, log_to_console
from kfer.files import check_new
from kfer.pipeline import config, early, runner
from kfer.pipeline.arguments import separate
from kfer.pipeline.dag import build
from kfer.pipeline.metadata import MetadataStore, canonical_json, plain
from kfer.pipeline.runner import RunResult
from kfer.pipeline.summary import peak_memory_gb, pushed_of, summary_rows
from kfer.settings import PipelineSettings, dotted
from kfer.settings.checks import check

_EPILOG = (
    "Any setting can be given by its name, such as --training.epochs 3. They are, with their values:\n"
)


def run(arguments: Sequence[str]) -> int:
    """Runs the pipeline and returns the exit code: 0 done, 1 a component failed."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    log_to_console()
    options, overrides = _parse(list(arguments))
    settings = _settings(options, overrides)
    root = Path(settings.pipeline_root or Path("pipeline_output") / settings.name).absolute()
    worker = _worker(settings)
    if worker:  # It has examples of its own.
        root = root.with_name(f"{root.name}-worker-{worker}")
    if options.list_runs or options.show is not None:
        return _inspect(root, options)
    if options.bundle:
        check_new(Path(options.bundle), ".zip")
    early.check(settings, root)
    try:
        with runner.exclusive(root):
            return _run(settings, root, options, is_chief=not worker)
    except runner.ComponentError as error:
        entry.tell("kfer.pipeline", error)
        return entry.NO


def _parse(arguments: list[str]) -> tuple[argparse.Namespace, dict[str, str]]:
    parser = Parser(
        prog="python -m kfer.pipeline",
        description="Trains, judges, exports and pushes one network for identity and expression,\n"
        "in ten components. Without a settings file it does so on faces that it draws itself.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="",
    )
    parser.add_argument(
        "settings_file",
        nargs="?",
        help="a Python file that defines `settings`, such as pipelines/fer2013_lfw.py",
    )
    parser.add_argument("--data-dir", help="folder with the downloaded datasets, one subfolder each")
    parser.add_argument("--pipeline-root", help="folder of runs and artifacts [pipeline_output/<name>]")
    parser.add_argument("--from-node", metavar="NAME", help="run this component and what follows from it")
    parser.add_argument("--to-node", metavar="NAME", help="run this component and what it needs")
    parser.add_argument(
        "--bundle", metavar="ZIP", help="also write what mobile developers need of the pushed model here"
    )
    parser.add_argument("--no-cache", action="store_true", help="run everything again from its start")
    parser.add_argument("--list-runs", action="store_true", help="list the runs of the pipeline root")
    parser.add_argument(
        "--show",
        type=whole("at least 1"),
        metavar="RUN",
        help="a run's components: state, time and artifacts",
    )
    if "-h" in arguments or "--help" in arguments:
        parser.epilog = _EPILOG + _describe_settings(arguments)
    fields = PipelineSettings.__dataclass_fields__
    names = [name for name, _, _ in dotted.describe(PipelineSettings())]
    own, overrides = separate(arguments, parser, fields, names)
    return parser.parse_args(own), overrides


def _describe_settings(arguments: list[str]) -> str:
    file = next((argument for argument in arguments if argument.endswith(".py")), None)
    settings = config.load_settings(file) if file else PipelineSettings()
    lines = []
    for name, value, text in dotted.describe(settings):
        lines.append(f"  --{name} {dotted.as_text(value)}")
        lines.append(textwrap.fill(text, 100, initial_indent=" " * 8, subsequent_indent=" " * 8))
    return "\n".join(lines)


def _settings(options: argparse.Namespace, overrides: dict[str, str]) -> PipelineSettings:
    settings = (
        config.load_settings(options.settings_file) if options.settings_file else PipelineSettings()
    )
    for name in ("data_dir", "pipeline_root"):
        if getattr(options, name) is not None:
            overrides = {name: getattr(options, name), **overrides}
    return dotted.override(settings, overrides)


def _worker(settings: PipelineSettings) -> int:
    """This process's place among those that train together; 0 for the chief, or where it trains alone."""
    if settings.training.strategy != "multi_worker":
        return 0
    check(
        not settings.tuning.trials,
        "tuning.trials",
        '0 beside training.strategy "multi_worker": search with python -m kfer.tuning, then train with '
        "tuning.study",
        settings.tuning.trials,
    )
    # Late, for it is seldom wanted.
    from kfer.training.cluster import VARIABLE, parse_cluster

    return parse_cluster(os.environ.get(VARIABLE, "")).index


def _run(
    settings: PipelineSettings, root: Path, options: argparse.Namespace, is_chief: bool = True
) -> int:
    start = time.monotonic()
    store = MetadataStore(root)
    nodes = build(settings, root)
    if not is_chief and options.to_node not in runner.select(nodes, None, "Trainer"):
        options.to_node = "Trainer"  # What follows is the chief's.
    try:
        result = runner.run(
            nodes,
            store,
            name=settings.name,
            settings=canonical_json(plain(settings)),
            use_cache=not options.no_cache,
            from_node=options.from_node,
            to_node=options.to_node,
        )
    finally:
        store.close()
    rows = summary_rows(settings, result)
    if options.bundle:
        rows.append(("Bundle", _bundle(result, Path(options.bundle))))
    report = _report(settings, root, result)
    if report is not None:
        rows.append(("Report", _short(report)))
    seconds = time.monotonic() - start
    rows.append(("Run", f"{result.run}: {seconds:,.1f} s, peak memory {peak_memory_gb():.2f} GB"))
    with after_the_deed():
        print()
        for title, text in rows:
            print(f"{title:<13} {text}")
    return 0


def _report(settings: PipelineSettings, root: Path, result: RunResult) -> Path | None:
    """The report of what this run used and made; written only where it is not there yet."""
    from kfer.pipeline import report

    return report.update(settings, root, result)


def _bundle(result: RunResult, path: Path) -> str:
    from kfer.export import write_bundle

    pushed = pushed_of(result)
    if not pushed or not pushed.path:
        reasons = "; ".join(pushed.reasons) if pushed else "the Pusher did not run"
        raise runner.ComponentError(f"no bundle was written, for no model was pushed: {reasons}")
    write_bundle(Path(pushed.path), path)
    return f"{_short(path)} ({path.stat().st_size / 1e6:.2f} MB)"


def _short(path: Path) -> str:
    """A path as the user would type it from here."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _inspect(root: Path, options: argparse.Namespace) -> int:
    if not (root / "metadata.sqlite").exists():
        raise ValueError(f"{root} has no runs yet; give the --pipeline-root of a run")
    store = MetadataStore(root)
    runs = store.runs()
    if options.show is None:
        _print_table(
            ("run", "pipeline", "state", "started", "time"),
            [(str(r.id), r.name, r.state, _when(r.started), f"{r.seconds:,.1f} s") for r in runs],
        )
        return 0
    if options.show not in [r.id for r in runs]:
        raise ValueError(f"there is no run {options.show} in {root}; there are 1 to {len(runs)}")
    rows = []
    for execution in store.executions(options.show):
        seconds = "" if execution.state == "CACHED" else f"{execution.seconds:,.1f} s"
        rows.append((execution.component, execution.state, seconds, execution.message))
        for name, stored in execution.outputs.items():
            rows.append(("", "", "", f"{name}: {_short(stored.artifact.path)}"))
    _print_table(("component", "state", "time", "result and artifacts"), rows)
    return 0


def _when(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def _print_table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[column]) for row in (titles, *rows)) for column in range(len(titles))]
    for row in (titles, *rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())

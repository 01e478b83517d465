"""What `python -m kfer.tuning` does."""

import argparse
import os
import re
import shlex
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

from kfer.arguments import Parser, whole
from kfer.comparison import command as shared
from kfer.tuning import study
from kfer.tuning.settings import TuningStudySettings

PAGE = "study.html"
_ADDRESS = "127.0.0.1:50600"
#: What Keras Tuner calls the place of the chief and the name of a worker.
_ID, _HOST, _PORT = "KERASTUNER_TUNER_ID", "KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT"


def run(arguments: Sequence[str]) -> int:
    """Runs the command and returns its exit code."""
    return shared.run("tuning", arguments, _run)


def _run(arguments: list[str], typed: str) -> list[str]:
    options, overrides = _parse(arguments)
    settings = shared.load(options, overrides, TuningStudySettings)
    output_dir = Path(options.output_dir or Path(options.settings_file).parent / settings.name).absolute()
    # Workers of other machines must have other names.
    host = re.sub(r"[^\w.-]", "-", socket.gethostname(), flags=re.ASCII)
    name = options.worker or (host if options.chief else "")
    numbers = [str(number + 1) for number in range(options.workers)]
    workers, gpus = [f"{name}-{number}" if name else number for number in numbers], options.gpus
    if options.worker:
        study.work(settings, output_dir, options.address, workers or [options.worker], gpus)
        return []
    shared.check("study", "trial", settings.name, (), ())
    study.claim(settings, output_dir)
    failed: list[str] = []
    if not options.report_only:
        address = options.address if options.chief else ""
        failed = study.run(settings, output_dir, address, workers, gpus, others_join=options.chief)
    if options.retrain and not failed:
        failed = study.retrain(settings, output_dir)
    if options.data_dir:  # a path of this machine, in a file to commit
        typed = typed.replace(shlex.quote(options.data_dir), "DIR")
    _report(settings, output_dir, typed)
    return failed


def _report(settings: TuningStudySettings, output_dir: Path, typed: str) -> None:
    # Late, for what holds the figures is imported late.
    from kfer import files
    from kfer.tuning import hparams, page, record, results, tables

    found = results.collect(settings, output_dir)
    tables.write(found, output_dir)
    hparams.write(found, output_dir)
    record.write(found, output_dir, typed)
    files.write_text(output_dir / PAGE, page.render(found, typed))
    print(shared.summary(tables.console(found), output_dir / PAGE))
    if found.best is not None:
        place = record.place(output_dir)
        print(f"Best values: {place}\nTrain with them: --tuning.trials 0 --tuning.study {place}")


def _parse(arguments: list[str]) -> tuple[argparse.Namespace, dict[str, str]]:
    parser = Parser(
        prog="python -m kfer.tuning",
        description="Searches settings of a pipeline with Keras Tuner. What is finished is not trained "
        "again; what was stopped goes on after its last epoch.",
        epilog="Any setting of the pipeline can be given by its name, such as --tuning.trials 20, and so "
        "can the study's: --seeds 0,1. Workers and chief must be given the same.",
    )
    own = TuningStudySettings.__name__
    parser.add_argument("settings_file", help=f"a Python file that defines `settings`, of class {own}")
    parser.add_argument("--data-dir", help="folder with the downloaded datasets, one subfolder each")
    parser.add_argument("--output-dir", help="folder of the trials [<name> beside the settings file]")
    parser.add_argument(
        "--report-only", action="store_true", help="run no trial: write the page of what is finished"
    )
    parser.add_argument(
        "--retrain",
        action="store_true",
        help="then train the best values and those that are set, whole, with every seed of the study, "
        "and judge them on the test split",
    )
    parser.add_argument(
        "--workers", type=whole("at least 0"), help="trials at the same time on this machine [1]"
    )
    parser.add_argument(
        "--gpus", help="numbers of GPUs, such as 0,1: a worker for each, which sees no other"
    )
    parser.add_argument(
        "--chief", action="store_true", help="give trials to the workers of other machines"
    )
    parser.add_argument(
        "--worker", metavar="NAME", help="run trials of a chief; each worker's name is its own"
    )
    parser.add_argument(
        "--address", metavar="HOST:PORT", help=f"of the chief, for the chief and its workers [{_ADDRESS}]"
    )
    options, overrides = shared.parse(parser, arguments, TuningStudySettings)
    _complete(options, os.environ)
    return options, overrides


def _complete(options: argparse.Namespace, environment: Mapping[str, str]) -> None:
    """Adds what is left out, from Keras Tuner's own variables too."""
    if not options.chief and not options.worker and environment.get(_ID):
        options.chief = "chief" in environment[_ID]
        options.worker = None if options.chief else environment[_ID]
    if options.chief and options.worker:
        raise ValueError("a process is the --chief or a --worker; got both")
    if options.address is None:
        host, port = environment.get(_HOST), environment.get(_PORT)
        options.address = f"{host}:{port}" if host and port else _ADDRESS
    host, colon, port = options.address.rpartition(":")
    if not (host and colon and re.fullmatch("[0-9]{1,5}", port) and int(port) < 2**16):
        raise ValueError(f"--address must be HOST:PORT, such as {_ADDRESS}; got {options.address!r}")
    options.gpus = [gpu.strip() for gpu in options.gpus.split(",")] if options.gpus else []
    if options.gpus and options.workers is None:
        options.workers = len(options.gpus)
    if options.workers is None:
        options.workers = 0
    if options.gpus and options.workers != len(options.gpus):
        raise ValueError(
            f"--workers must be as many as --gpus names; got {options.workers} and {len(options.gpus)}"
        )

"""The whole study: every variant with every seed, and the page."""

import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import filelock

from kfer import files
from kfer.comparison import command, runs
from kfer.documents import claims
from kfer.processes import run_apart
from kfer.study import variant
from kfer.study.settings import StudySettings

if TYPE_CHECKING:
    from kfer.study.results import Results

PAGE = "study.html"
_LOCK = ".lock"
_log = logging.getLogger(__name__)


def check(settings: StudySettings, output_dir: Path, only: Collection[str] = ()) -> None:
    """Finds what would stop a study, before hours of training.

    Args:
        settings: The study.
        output_dir: Its folder, which becomes its own.
        only: Names of variants.

    Raises:
        ModuleNotFoundError: The page cannot be drawn.
        ValueError: A name is unknown, or the folder is another study's.
    """
    command.check("study", "variant", settings.name, settings.variants, only)
    claims.claim(output_dir, "study", settings.name)


def train(settings: StudySettings, output_dir: Path, only: Collection[str] = ()) -> list[str]:
    """Trains and judges what was not yet, one run after the other, each in a process of its own.

    A run's memory and failure are then its own. What the pipeline finds finished it does not do again.

    Args:
        settings: The study.
        output_dir: Its folder.
        only: Names of variants to train; all where it is empty.

    Returns:
        The runs that failed, with the reason.

    Raises:
        RuntimeError: Another process trains this study, or the examples cannot be prepared.
    """
    with exclusive(output_dir):
        prepared = run_apart(variant.prepare, settings, output_dir)
        if prepared.code:
            raise RuntimeError(f"the examples cannot be prepared: {prepared.reason}")
        chosen = [name for name in settings.variants if not only or name in only]
        # Seed by seed, so that what is stopped early has as many of each variant.
        names = [(name, seed) for seed in settings.seeds for name in chosen]
        failed = []
        for number, (name, seed) in enumerate(names, 1):
            _log.info("run %d of %d: %s, seed %d", number, len(names), name, seed)
            folder = runs.folder(output_dir, name, seed)
            folder.mkdir(parents=True, exist_ok=True)
            ending = run_apart(variant.run, settings, name, seed, output_dir)
            runs.note_failure(folder, ending.reason)
            if ending.code:
                failed.append(f"{name}, seed {seed}: {ending.reason}")
        return failed


@contextmanager
def exclusive(output_dir: Path, otherwise: str = "") -> Iterator[None]:
    """Holds a study's folder, so that two processes never train in one.

    Args:
        output_dir: The folder; it is made where it is missing.
        otherwise: What else the user can do, "join it with --worker".

    Raises:
        RuntimeError: Another process holds it.
    """
    output_dir.mkdir(parents=True, exist_ok=True)
    try:
        lock = filelock.FileLock(output_dir / _LOCK).acquire(timeout=0)
    except filelock.Timeout as error:
        ways = ", ".join(["wait until it ends", *([otherwise] if otherwise else [])])
        raise RuntimeError(
            f"another process runs the study in {output_dir}: {ways}, or give another --output-dir"
        ) from error
    with lock:
        yield


def report(settings: StudySettings, output_dir: Path, typed: str) -> "Results":
    """Writes the page, the CSV files and the pictures of what is finished.

    Args:
        settings: The study.
        output_dir: Its folder.
        typed: The command that the user typed.

    Returns:
        The figures.
    """
    # Late, for a process that holds little: a child's peak memory counts its parent's at the start.
    from kfer.comparison import drawing
    from kfer.study import page, plots, results, tables

    found = results.collect(settings, output_dir)
    tables.write(found, output_dir)
    for name, panels in {"figures": plots.figures(found), "weights": plots.weights(found)}.items():
        if panels:
            drawing.save_png(panels, output_dir / f"{name}.png", columns=2)
    files.write_text(output_dir / PAGE, page.render(found, typed))
    return found

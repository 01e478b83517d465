"""The whole study: all candidates with all seeds, what they cost, and the page."""

import dataclasses
import logging
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kfer import files, spec
from kfer.comparison import command, costs, runs
from kfer.comparison.settings import ComparisonSettings
from kfer.processes import in_fresh_process, run_apart

if TYPE_CHECKING:
    from kfer.comparison.results import Results

PAGE = "comparison.html"
_DUPLICATES = "duplicates.json"
_log = logging.getLogger(__name__)


def check(settings: ComparisonSettings, output_dir: Path, only: Collection[str] = ()) -> None:
    """Finds what would stop a study, before hours of training.

    Args:
        settings: The comparison.
        output_dir: Its folder, which becomes its own.
        only: Names of candidates.

    Raises:
        ModuleNotFoundError: The page cannot be drawn.
        ValueError: A name is unknown, or the folder holds runs of other settings.
    """
    command.check("comparison", "candidate", settings.name, settings.candidates, only)
    runs.check_study(settings, output_dir)


def train(
    settings: ComparisonSettings, data_dir: str, output_dir: Path, only: Collection[str] = ()
) -> list[str]:
    """Trains what is not finished yet, each candidate in a process of its own.

    One's memory is then free for the next, and a failure ends only itself.

    Args:
        settings: The comparison.
        data_dir: Folder with what the user downloaded.
        output_dir: The comparison's folder.
        only: Names of candidates to train; all where it is empty.

    Returns:
        The candidates that failed, with the reason where it is known.
    """
    failed = []
    for seed in settings.seeds:
        for name in only or settings.candidates:
            run = runs.folder(output_dir, name, seed)
            if runs.is_finished(run):
                _log.info("%s, seed %d: finished before", name, seed)
                continue
            ending = run_apart(_train, settings, name, seed, data_dir, output_dir)
            if ending.code < 0:
                runs.note_failure(run, ending.reason)  # Its own errors it has noted itself.
            if ending.code:
                failed.append(f"{name}, seed {seed}: {ending.reason}")
    return failed


def measure(settings: ComparisonSettings, data_dir: str, output_dir: Path) -> list[str]:
    """Measures what finished candidates cost, where that was not done yet.

    Args:
        settings: The comparison.
        data_dir: Folder with what the user downloaded.
        output_dir: The comparison's folder.

    Returns:
        The candidates that could not be measured, with the reason.
    """
    failed = []
    for name in settings.candidates:
        seeds = [seed for seed in settings.seeds if runs.is_finished(runs.folder(output_dir, name, seed))]
        if not seeds or costs.load(output_dir, name):
            continue
        if costs.is_training(output_dir):
            failed.append(f"the costs of {name}: a candidate is in training, timings would be wrong")
            continue
        try:
            costs.measure(settings, name, seeds[0], data_dir, output_dir)
        except (OSError, ValueError, RuntimeError) as error:
            failed.append(f"the costs of {name}: {error}")
    return failed


def report(settings: ComparisonSettings, data_dir: str, output_dir: Path, typed: str) -> "Results":
    """Writes the page, the CSV files and the pictures of what is finished.

    Args:
        settings: The comparison.
        data_dir: Folder with what the user downloaded; the splits are searched for equal images.
        output_dir: The comparison's folder.
        typed: The command that the user typed.

    Returns:
        The figures.
    """
    found = _duplicates(settings, data_dir, output_dir)
    # Late, for a process that holds little: a child's peak memory counts its parent's at the start.
    from kfer.comparison import drawing, page, plots, results, tables

    figures = results.collect(settings, output_dir, found)
    tables.write(figures, output_dir)
    pictures = {
        "curves": (plots.curves(figures), 2),
        "confusion": (plots.confusions(figures), 3),
        "accuracy": (plots.accuracies(figures) if figures.finished else [], 1),
    }
    for name, (panels, columns) in pictures.items():
        if panels:
            drawing.save_png(panels, output_dir / f"{name}.png", columns)
    files.write_text(output_dir / PAGE, page.render(figures, typed))
    return figures


def _train(settings: ComparisonSettings, name: str, seed: int, data_dir: str, output_dir: Path) -> None:
    from kfer.comparison import candidate

    candidate.run(settings, name, seed, data_dir, output_dir)


def _duplicates(settings: ComparisonSettings, data_dir: str, output_dir: Path) -> Mapping[str, Any]:
    """What "duplicates.json" holds; it is made where it is missing."""
    path = output_dir / _DUPLICATES
    if not path.exists():
        found = in_fresh_process(_find_duplicates, settings, data_dir, output_dir)
        files.write_json(path, found)
    return files.read_json(path)


def _find_duplicates(settings: ComparisonSettings, data_dir: str, output_dir: Path) -> dict[str, Any]:
    from kfer.comparison import candidate, duplicates

    examples = candidate.load_examples(settings, data_dir, output_dir)
    test = examples.pop(spec.TEST)
    matches = duplicates.find(test, examples)
    return {
        "num_test_images": len(test),
        "matches": [dataclasses.asdict(match) for match in matches],
    }

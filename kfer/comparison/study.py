"""All candidates with all seeds, one after the other."""

import multiprocessing
from pathlib import Path

from kfer.comparison.settings import ComparisonSettings
from kfer.pipeline.console import log_to_console


def train(settings: ComparisonSettings, data_dir: str, output_dir: Path) -> list[str]:
    """Trains what is not finished yet, each candidate in a process of its own.

    One's memory is then free for the next, and a failure ends only itself.

    Args:
        settings: The comparison.
        data_dir: Folder with what the user downloaded.
        output_dir: The comparison's folder.

    Returns:
        The candidates that failed; the log has the reasons.
    """
    context = multiprocessing.get_context("spawn")
    failed = []
    for seed in settings.seeds:
        for name in settings.candidates:
            process = context.Process(
                target=_train, args=(settings, name, seed, data_dir, output_dir), daemon=True
            )
            process.start()
            process.join()
            if process.exitcode:
                failed.append(f"{name} with seed {seed}")
    return failed


def _train(settings: ComparisonSettings, name: str, seed: int, data_dir: str, output_dir: Path) -> None:
    log_to_console()
    from kfer.comparison import candidate

    candidate.run(settings, name, seed, data_dir, output_dir)

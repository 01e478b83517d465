"""Measures models in turns, each in fresh processes, so that none pays for another's memory or noise."""

import logging
import math
import os
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kfer.benchmark import kinds
from kfer.benchmark.settings import BenchmarkSettings
from kfer.files import read_json, write_json

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Figures:
    """What a model costs with a number of threads.

    Attributes:
        runtime: Its name and version.
        image_shape: Of one image, in the model's order.
        dtype: Of its input.
        timed_images: How many single images were timed, in all rounds.
        median_ms: Half of the single images took at most this.
        p90_ms: 90 % of them did.
        p99_ms: 99 % of them did.
        import_ms: To import the runtime.
        start_ms: To load the model and to run the first image.
        peak_mb: The most memory of the process with single images.
        added_mb: How much of it came after the import of the runtime.
        images_per_second: By the size of the batch.
        has_fixed_batch: Whether the model takes only single images, which then stand in for batches.
    """

    runtime: str
    image_shape: tuple[int, ...]
    dtype: str
    timed_images: int
    median_ms: float
    p90_ms: float
    p99_ms: float
    import_ms: float
    start_ms: float
    peak_mb: float
    added_mb: float
    images_per_second: dict[int, float]
    has_fixed_batch: bool


@dataclass(frozen=True)
class Measurement:
    """A model with a number of threads.

    Attributes:
        path: Of the model.
        threads: That it computes with.
        size_mb: Of the file or the SavedModel's files.
        figures: None where it failed.
        failure: Why it failed; empty where it did not.
    """

    path: Path
    threads: int
    size_mb: float
    figures: Figures | None
    failure: str = ""


def measure(files: Sequence[Path | str], settings: BenchmarkSettings) -> list[Measurement]:
    """Measures exported models on the CPU with random images; nothing else should run meanwhile.

    Every model is first loaded and run once, so that one that cannot be is known at once. Then the
    models take turns: a round measures each with each number of threads, in a process of its own.
    Times of single images are pooled over the rounds; of the other figures the median is taken.

    Args:
        files: `.tflite`, `.onnx`, `.pt` (TorchScript) or `.pt2` (torch.export) files, or folders of
            SavedModels.
        settings: How they are measured.

    Returns:
        One a file and number of threads, in their order. `failure` is set where the model's runtime is
        not installed, it ended its process, or it raised an error when it ran.

    Raises:
        FileNotFoundError: There is no such file.
        DamagedError: A file is not the one that the `model.json` beside it describes.
        ValueError: No file was given, or one is no model that its runtime can load.
    """
    if not files:
        raise ValueError("give at least one model")
    paths = [Path(file) for file in files]
    kinds_ = [kinds.kind_of(path) for path in paths]
    pairs = [(index, threads) for index in range(len(paths)) for threads in settings.threads]
    failures: dict[tuple[int, int], str] = {}

    def fail(index: int, reason: str) -> None:
        failures.update({pair: reason for pair in pairs if pair[0] == index})

    for index, (path, kind) in enumerate(zip(paths, kinds_, strict=True)):
        if not kind.is_installed:
            needed = f"needs {kind.package}, which is not installed; install it by pip install"
            fail(index, f"{needed} {kind.package}")
            continue
        if kind in (kinds.TFLITE, kinds.SAVED_MODEL):
            _check_described(path)
        _log.info("trying %s", path.name)
        reply = _in_process(path, settings.threads[0], settings, 0.0)
        if reply.get("stage") == "load":
            raise ValueError(f"{path} cannot be loaded by {kind.name}: {reply['error']}")
        if "error" in reply:
            fail(index, reply["error"])
    found: dict[tuple[int, int], list[dict[str, Any]]] = {pair: [] for pair in pairs}
    for number in range(1, settings.rounds + 1):
        for index, threads in pairs:
            if (index, threads) in failures:
                continue
            _log.info(
                "round %d of %d: %s, %s", number, settings.rounds, paths[index].name, counted(threads)
            )
            reply = _in_process(paths[index], threads, settings, settings.seconds)
            if "error" in reply:
                failures[index, threads] = f"with {counted(threads)}: {reply['error']}"
            found[index, threads].append(reply)
    return [
        Measurement(
            paths[index],
            threads,
            kinds.size_mb(paths[index]),
            None if (index, threads) in failures else _figures(found[index, threads], settings.batch),
            failures.get((index, threads), ""),
        )
        for index, threads in pairs
    ]


def _check_described(export: Path) -> None:
    """Compares an export with the digests in the `model.json` beside it, where one lies there."""
    # pydantic takes longer to import than the rest of this module.
    from kfer import documents
    from kfer.documents import digests
    from kfer.documents.models import ModelDescription

    advice = "push the model again, or restore its folder from a copy"
    description = (export if export.is_dir() else export.parent) / "model.json"
    if description.is_file():
        files = documents.read(description, ModelDescription, advice).files
        digests.check(export, files, description.name, advice)


def _in_process(path: Path, threads: int, settings: BenchmarkSettings, seconds: float) -> dict[str, Any]:
    """What `worker` replies; "error" alone where its process ended without a reply."""
    # No GPU: threads are those of the CPU.
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    with tempfile.TemporaryDirectory() as temporary:
        request, reply = Path(temporary) / "request.json", Path(temporary) / "reply.json"
        asked = {"path": str(path), "threads": threads, "seconds": seconds, "batch": settings.batch}
        write_json(request, asked | {"image_size": settings.image_size, "seed": settings.seed})
        command = [sys.executable, "-m", "kfer.benchmark.worker", str(request), str(reply)]
        process = subprocess.run(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment, errors="replace"
        )
        if reply.exists():
            return read_json(reply)
    if process.returncode < 0:
        return {"error": f"its process was ended by {signal.Signals(-process.returncode).name}"}
    last = process.stderr.strip().rpartition("\n")[2]
    return {"error": f"its process ended with exit code {process.returncode}: {last}"}


def _figures(rounds: list[dict[str, Any]], batch: tuple[int, ...]) -> Figures:
    latencies = sorted(seconds for reply in rounds for seconds in reply["latencies_s"])

    def median(name: str) -> float:
        return statistics.median(reply[name] for reply in rounds)

    return Figures(
        runtime=rounds[0]["runtime"],
        image_shape=tuple(rounds[0]["image_shape"]),
        dtype=rounds[0]["dtype"],
        timed_images=len(latencies),
        median_ms=1000 * statistics.median(latencies),
        p90_ms=1000 * percentile(latencies, 90),
        p99_ms=1000 * percentile(latencies, 99),
        import_ms=1000 * median("import_s"),
        start_ms=1000 * median("start_s"),
        peak_mb=median("peak_mb"),
        added_mb=statistics.median(reply["peak_mb"] - reply["runtime_mb"] for reply in rounds),
        images_per_second={
            size: statistics.median(reply["images_per_second"][position] for reply in rounds)
            for position, size in enumerate(batch)
        },
        has_fixed_batch=rounds[0]["has_fixed_batch"],
    )


def percentile(ordered: Sequence[float], percent: int) -> float:
    """Returns the smallest value that so many percent of all do not exceed.

    Args:
        ordered: All values, the smallest first.
        percent: In (0, 100].
    """
    return ordered[math.ceil(percent * len(ordered) / 100) - 1]


def counted(threads: int) -> str:
    """Returns "1 thread", "2 threads"."""
    return f"{threads} thread{'s' * (threads > 1)}"

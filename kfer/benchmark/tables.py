"""Measurements as a table for the console and as a CSV file."""

import dataclasses
import os
import textwrap
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import kfer
from kfer.benchmark.measurement import Figures, Measurement
from kfer.files import write_csv
from kfer.machine import commit, machine

_WIDTH = 106
_FIXED = "*"


def table(measurements: Sequence[Measurement]) -> str:
    """Returns lines of at most 106 columns: a row a measurement, then what the headings mean.

    Args:
        measurements: Of `measure`.
    """
    first = _of_first(measurements)
    batches = next((m.figures.images_per_second for m in measurements if m.figures), {})
    titles = [
        ("", "threads"),
        ("median", "ms"),
        ("", "ratio"),
        ("p90", "ms"),
        ("p99", "ms"),
        ("start", "ms"),
        ("peak", "MB"),
        ("added", "MB"),
        ("size", "MB"),
        *(("img/s", f"by {size}") for size in batches),
    ]
    upper, lower = map(list, zip(*titles, strict=True))
    rows = [upper, lower, *(_cells(m, first, list(batches)) for m in measurements)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    names = _names([m.path for m in measurements], _WIDTH - sum(widths) - 2 * len(widths))
    width = max(map(len, [*names, "model"]))
    lines = [
        "  ".join([name.ljust(width), *(c.rjust(w) for c, w in zip(row, widths, strict=True))]).rstrip()
        for name, row in zip(["", "model", *names], rows, strict=True)
    ]
    return "\n".join([*lines, "", *_notes(measurements)])


def write(path: Path, measurements: Sequence[Measurement]) -> None:
    """Writes a CSV file: a row a measurement, with every figure; empty where a model failed.

    Each row also has the machine, the day, and kfer's version and commit.

    Args:
        path: The file.
        measurements: Of `measure`.
    """
    first = _of_first(measurements)
    code = " ".join(filter(None, [kfer.__version__, commit()]))
    made = {"machine": machine(), "date": time.strftime("%Y-%m-%d"), "kfer": code}
    write_csv(path, [_row(m, first) | made for m in measurements])


def _of_first(measurements: Sequence[Measurement]) -> dict[int, float]:
    """The first model's median in ms by the number of threads; of those that did not fail."""
    path = measurements[0].path
    return {m.threads: m.figures.median_ms for m in measurements if m.path == path and m.figures}


def _ratio(measurement: Measurement, first: dict[int, float]) -> float | None:
    figures = measurement.figures
    if figures is None or measurement.threads not in first:
        return None
    return figures.median_ms / first[measurement.threads]


def _cells(measurement: Measurement, first: dict[int, float], batches: Sequence[int]) -> list[str]:
    figures, ratio = measurement.figures, _ratio(measurement, first)
    threads, size = str(measurement.threads), f"{measurement.size_mb:.2f}"
    if figures is None:
        return [threads, "failed", *[""] * 6, size, *[""] * len(batches)]
    mark = _FIXED if figures.has_fixed_batch else ""
    return [
        threads,
        _short(figures.median_ms),
        "" if ratio is None else f"{ratio:.2f}",
        _short(figures.p90_ms),
        _short(figures.p99_ms),
        _short(figures.start_ms),
        f"{figures.peak_mb:.0f}",
        f"{figures.added_mb:.1f}",
        size,
        *(f"{figures.images_per_second[batch]:.0f}{mark}" for batch in batches),
    ]


def _short(number: float) -> str:
    return f"{number:.3f}" if number < 1 else f"{number:.2f}" if number < 100 else f"{number:.0f}"


def _names(paths: Sequence[Path], width: int) -> list[str]:
    """What tells the models apart: their paths from the folder that they all lie in, cut on the left."""
    shared = Path(os.path.commonpath([path.absolute().parent for path in paths]))
    names = [str(path.absolute().relative_to(shared)) for path in paths]
    return [name if len(name) <= width else f"…{name[len(name) - width + 1 :]}" for name in names]


def _notes(measurements: Sequence[Measurement]) -> list[str]:
    succeeded = [m.figures for m in measurements if m.figures]
    notes = [f"CPU: {machine()}"]
    if succeeded:
        runtimes = dict.fromkeys(figures.runtime for figures in succeeded)
        notes += [
            f"runtimes: {', '.join(runtimes)}",
            "median, p90, p99: of single images; ratio: the median against the first model's with as "
            "many threads, less is quicker",
            f"start: load and first image, after the import of the runtime ({_imports(succeeded)})",
            "peak: the most memory of the process, single images; added: what came after that import",
            "img/s by n: images a second in batches of n",
        ]
    if any(figures.has_fixed_batch for figures in succeeded):
        notes.append(f"{_FIXED} takes only single images: that many of them a second, one by one")
    failures = dict.fromkeys((m.path, m.failure) for m in measurements if m.failure)
    return [
        line
        for note in [*notes, *(f"failed: {path}: {failure}" for path, failure in failures)]
        for line in textwrap.wrap(note, _WIDTH, subsequent_indent="  ")
    ]


def _imports(figures: Sequence[Figures]) -> str:
    """How long each runtime takes to import; the quickest of its models' medians."""
    fastest: dict[str, float] = {}
    for one in figures:
        name = one.runtime.rpartition(" ")[0]
        fastest[name] = min(one.import_ms, fastest.get(name, one.import_ms))
    return ", ".join(f"{name} {_short(milliseconds)} ms" for name, milliseconds in fastest.items())


def _row(measurement: Measurement, first: dict[int, float]) -> dict[str, Any]:
    row: dict[str, Any] = {
        "model": str(measurement.path),
        "threads": measurement.threads,
        "size_mb": measurement.size_mb,
        "failure": measurement.failure,
    }
    if measurement.figures is None:
        return row
    figures = dataclasses.asdict(measurement.figures)
    rates = figures.pop("images_per_second")
    figures["image_shape"] = "x".join(map(str, figures["image_shape"]))
    row |= figures | {"ratio_to_first": _ratio(measurement, first)}
    return row | {f"images_per_second_batch_{size}": rate for size, rate in rates.items()}

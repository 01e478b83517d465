"""The process that one model is measured in, with one number of threads, in one round.

It is started as `python -m kfer.benchmark.worker REQUEST REPLY`, both JSON files.
"""

import sys
import time
from pathlib import Path
from typing import Any

from kfer.files import read_json, write_json

#: Calls before the timed ones: the first allocate and fill caches.
_WARM_UP = 3
#: The fewest timed calls, however slow the model is.
_FEWEST = 3


def main() -> None:
    """Measures what the request asks for, and writes the reply."""
    request, reply = map(Path, sys.argv[1:])
    write_json(reply, _measured(**read_json(request)))


def _measured(
    path: str, threads: int, seconds: float, batch: list[int], image_size: int | None, seed: int
) -> dict[str, Any]:
    """The figures of one round; of no seconds, only whether the model loads and runs.

    Returns:
        "stage" and "error" where loading ("load") or running ("run") raised; otherwise "runtime",
        "import_s", "start_s", "latencies_s", "peak_mb", "runtime_mb", "images_per_second" (by
        the position of the batch size) and "has_fixed_batch".
    """
    # NumPy and the runtime belong to the import, which is told apart from the start.
    start = time.perf_counter()
    from kfer.benchmark import kinds, runtimes

    file = Path(path)
    stage = "load"
    try:
        runtime = runtimes.version(kinds.kind_of(file))
        imported = time.perf_counter()
        runtime_mb = _memory_mb("VmRSS")
        model = runtimes.load(file, threads)
        loaded = time.perf_counter()
        one = runtimes.concrete(model.shape, file, image_size)
        image = model.prepare(runtimes.random_images((1, *one), model.dtype, seed))
        stage = "run"
        ready = time.perf_counter()
        model(image)
        answered = time.perf_counter()
        figures: dict[str, Any] = {
            "runtime": runtime,
            "image_shape": one,
            "dtype": model.dtype.name,
            "import_s": imported - start,
            "start_s": loaded - imported + answered - ready,
            "runtime_mb": runtime_mb,
            "has_fixed_batch": model.shape[0] == 1,
        }
        if not seconds:
            return figures
        latencies = _timed(model, image, seconds)
        figures |= {"latencies_s": latencies, "peak_mb": _memory_mb("VmHWM")}
        rates = []
        for size in batch:
            count = 1 if figures["has_fixed_batch"] else size
            if count == 1:
                rates.append(len(latencies) / sum(latencies))
                continue
            images = model.prepare(runtimes.random_images((count, *one), model.dtype, seed))
            times = _timed(model, images, seconds)
            rates.append(count * len(times) / sum(times))
        return figures | {"images_per_second": rates}
    except Exception as error:
        return {"stage": stage, "error": f"{type(error).__name__}: {error}"}


def _timed(model: Any, images: Any, seconds: float) -> list[float]:
    for _ in range(_WARM_UP):
        model(images)
    taken: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(taken) < _FEWEST:
        before = time.perf_counter()
        model(images)
        taken.append(time.perf_counter() - before)
    return taken


def _memory_mb(field: str) -> float:
    """This process's memory in MB: "VmRSS" now, "VmHWM" the most so far.

    Linux's ru_maxrss begins with that of the process that started this one, which may be larger.
    """
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines[field].split()[0]) * 1024 / 1e6
    import resource  # late: Windows has none

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


if __name__ == "__main__":
    main()

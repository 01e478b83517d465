"""Prints how long commands take that only look something up, by the clock and of a processor.

    python tests/end_to_end/measure_starts.py

Each is the quickest of five processes. On two cores that do nothing else, `import kfer` takes up to 0.2
seconds, `kfer --help` 0.3, and a run whose ten components are cached 1.5. The tests count what they load:
seconds depend on what else the machine does.
"""

import resource
import subprocess
import sys
import tempfile
import time

from test_pipeline import SMALL


def measure(name: str, *arguments: str, cwd: str | None = None) -> None:
    measured = []
    for _ in range(5):
        start, used = time.perf_counter(), _used()
        subprocess.run([sys.executable, *arguments], cwd=cwd, capture_output=True, check=True)
        measured.append((time.perf_counter() - start, _used() - used))
    seconds, of_a_processor = map(min, zip(*measured, strict=True))
    print(f"{name:14} {seconds:.2f} s, of a processor {of_a_processor:.2f} s")


def _used() -> float:
    of_children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return of_children.ru_utime + of_children.ru_stime


if __name__ == "__main__":
    measure("python", "-c", "pass")
    measure("import kfer", "-c", "import kfer")
    measure("kfer --help", "-m", "kfer", "--help")
    with tempfile.TemporaryDirectory() as folder:
        run = ["-m", "kfer.pipeline", *SMALL]
        subprocess.run([sys.executable, *run], cwd=folder, capture_output=True, check=True)
        measure("a cached run", *run, cwd=folder)

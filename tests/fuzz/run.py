"""Reads damaged files of every kind that kfer reads, and prints what went wrong.

    python tests/fuzz/run.py --inputs 20000 --seed 1

Each file is a whole one that has been damaged; which, and how, is given by the seed. Processes of their
own read them, of which a crash, a wait or much memory harms nothing. What goes wrong is one of

    crash      the interpreter ended
    foreign    an exception other than ValueError or OSError, or one whose message does not name the file
    hang       more than 10 seconds of a processor
    memory     more than 1.5 GB
    outside    a file written, made or removed outside of the folder that the reader may write to

and its file is kept in the folder that `--keep` names. The exit code is 1 where anything went wrong.
"""

import argparse
import collections
import contextlib
import json
import os
import resource
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from readers import READERS, Reader

MOST_SECONDS, MOST_BYTES = 10.0, 1_500_000_000
# Seconds by the clock, on a busy machine, for what takes a processor 10; and for the first, with imports.
_WAIT, _FIRST_WAIT = 40.0, 180.0
_BATCH = 400
_WRITES = (
    "os.mkdir",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.symlink",
    "os.link",
    "os.truncate",
    "os.mkfifo",
)


def _shares(inputs: int, chosen: list[str]) -> dict[str, int]:
    shares = {name: READERS[name].share for name in chosen or READERS}
    total = sum(shares.values())
    return {name: max(1, round(inputs * share / total)) for name, share in shares.items()}


# ------------------------------------------------------------------ the process that reads


def _work(name: str, seed: int, numbers: range, place: Path) -> None:
    """Reads some of the damaged files of a kind; prints JSON before and after each."""
    reader = READERS[name]
    samples = _samples(name, place)
    _check_whole(reader, samples, place)
    outside: list[str] = []
    _watch(place, outside)
    # A heap that grows without end ends the process rather than the machine.
    resource.setrlimit(resource.RLIMIT_DATA, (8 * 2**30, 8 * 2**30))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    for number in numbers:
        generator = np.random.default_rng([seed, zlib.crc32(name.encode()), number])
        content = reader.damage(samples[number % len(samples)], generator)
        folder = place / "case" / f"{number}"
        _write(reader, content, folder)
        _tell(answers, begins=number)
        with contextlib.suppress(OSError):  # where the system lets nobody set its peak back
            Path("/proc/self/clear_refs").write_text("5")
        start, outside[:] = time.process_time(), []
        told = ""
        try:
            reader.read(folder)
            kind = "read"
        except (ValueError, OSError) as error:
            kind, told = "refused", str(error)
            named = Path(reader.file).name in told or folder.name in Path(told.split(" ")[0]).parts
            if not named:
                kind, told = "foreign", f"{type(error).__name__}, without the file's name: {error}"
            elif len(told.splitlines()) > 1:
                kind, told = "foreign", f"{type(error).__name__}, in several lines: {error}"
        except BaseException as error:
            kind, told = "foreign", f"{type(error).__name__}: {error}"
        seconds = time.process_time() - start
        # Of readers that have a process of their own.
        child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
        peak = max(_peak(), child)
        if outside:
            kind, told = "outside", "; ".join(outside[:5])
        elif seconds > MOST_SECONDS:
            kind, told = "hang", f"{seconds:.1f} s"
        elif peak > MOST_BYTES:
            kind, told = "memory", f"{peak / 1e9:.2f} GB"
        _tell(answers, ends=number, kind=kind, told=told[:2000], seconds=seconds, peak=peak)
        shutil.rmtree(folder, ignore_errors=True)


def _write(reader: Reader, content: bytes, folder: Path) -> None:
    for path, kept in {**reader.beside(), **reader.others, reader.file: content}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(kept)


def _check_whole(reader: Reader, samples: list[bytes], place: Path) -> None:
    """Reads the whole files: damage of what is not read anyway would find nothing."""
    for index, content in enumerate(samples):
        folder = place / "whole" / f"{index}"
        _write(reader, content, folder)
        if not reader.is_refused:
            reader.read(folder)


def _samples(name: str, place: Path) -> list[bytes]:
    """Whole files of a kind, made once."""
    kept = place.parent / "samples" / name.replace(" ", "_")
    if not kept.exists():
        made = kept.with_name(f"{kept.name}.new")
        made.mkdir(parents=True, exist_ok=True)
        for index, content in enumerate(READERS[name].make()):
            (made / str(index)).write_bytes(content)
        made.rename(kept)
    return [file.read_bytes() for file in sorted(kept.iterdir())]


def _watch(place: Path, outside: list[str]) -> None:
    """Notes what Python writes outside of a folder."""
    begin = str(place) + os.sep

    def note(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open":
            path, mode, flags = arguments
            writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            writes = writes or (isinstance(mode, str) and any(sign in mode for sign in "wax+"))
        else:
            path, writes = arguments[0], event in _WRITES
        if not writes or not isinstance(path, str | bytes | os.PathLike):
            return
        full = os.path.abspath(os.fsdecode(path))  # noqa: PTH100 - follows no links
        # Compiled modules are Python's own, and devices are no files.
        if (
            not (full + os.sep).startswith(begin)
            and "__pycache__" not in full
            and not full.startswith(("/dev/", "/proc/"))
        ):
            outside.append(f"{event} {full}")

    sys.addaudithook(note)


def _peak() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def _tell(answers: object, **content: object) -> None:
    answers.write(json.dumps(content) + "\n")  # type: ignore[attr-defined]
    answers.flush()  # type: ignore[attr-defined]


# ------------------------------------------------------------------ the process that watches


def _results(name: str, seed: int, count: int, place: Path) -> Iterator[dict[str, object]]:
    """Yields how each damaged file of a kind was read; starts the reading process anew where it ends."""
    begin = 0
    while begin < count:
        last = min(begin + _BATCH, count)
        done, running = begin, -1
        process = _started(name, seed, begin, last, place)
        assert process.stdout is not None
        ended = "crash"
        wait = _FIRST_WAIT
        while True:
            line = _line(process.stdout.fileno(), wait)
            if line is None:
                ended = "hang"
                break
            if not line:
                break
            answer = json.loads(line)
            if "begins" in answer:
                running, wait = answer["begins"], _WAIT
            else:
                running, done = -1, answer["ends"] + 1
                yield answer
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        code = process.wait()
        errors = (place / "errors").read_text(errors="replace")[-1500:]
        if running >= 0:
            yield {
                "ends": running,
                "kind": ended,
                "told": f"exit code {code}; {errors}",
                "seconds": 0,
                "peak": 0,
            }
            done = running + 1
        elif done < last:
            raise RuntimeError(f"the process that reads {name} ended between files: {code}; {errors}")
        begin = done


def _started(name: str, seed: int, begin: int, end: int, place: Path) -> subprocess.Popen[bytes]:
    place.mkdir(parents=True, exist_ok=True)
    for folder in ("home", "tmp", "work"):
        (place / folder).mkdir(exist_ok=True)
    environment = {
        **os.environ,
        "HOME": str(place / "home"),
        "TMPDIR": str(place / "tmp"),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "OPENCV_LOG_LEVEL": "SILENT",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONFAULTHANDLER": "1",
        "CUDA_VISIBLE_DEVICES": "-1",
    }
    command = [sys.executable, __file__, "--work", name, str(seed), str(begin), str(end), str(place)]
    with (place / "errors").open("w") as errors:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment,
            cwd=place / "work",
            start_new_session=True,
        )


def _line(file: int, wait: float) -> bytes | None:
    """Returns a line, nothing at the end, or None where it does not come."""
    line = b""
    until = time.monotonic() + wait
    while not line.endswith(b"\n"):
        left = until - time.monotonic()
        if left <= 0 or not select.select([file], [], [], left)[0]:
            return None
        sign = os.read(file, 1)
        if not sign:
            return b""
        line += sign
    return line


def _snapshot(folder: Path, own: Path) -> dict[str, tuple[int, int]]:
    """What is in a folder but not in a part of it, with sizes and times."""
    return {
        str(path): (path.lstat().st_size, path.lstat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file() and not path.is_relative_to(own)
    }


def _keep(keep: Path, name: str, seed: int, answer: dict[str, object], place: Path) -> Path:
    """Makes a damaged file again, and keeps it."""
    reader, number = READERS[name], int(str(answer["ends"]))
    samples = _samples(name, place)
    generator = np.random.default_rng([seed, zlib.crc32(name.encode()), number])
    folder = keep / f"{name.replace(' ', '_')}-{seed}-{number}-{answer['kind']}"
    content = reader.damage(samples[number % len(samples)], generator)
    _write(reader, content, folder)
    return folder


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--inputs", type=int, default=20_000, help="how many damaged files [20000]")
    parser.add_argument("--seed", type=int, default=1, help="of the damages [1]")
    parser.add_argument("--readers", default="", help="kinds, with commas between [all]")
    parser.add_argument("--keep", type=Path, help="folder for what went wrong [a temporary one]")
    parsed = parser.parse_args()
    wrong, total, peak = 0, 0, 0
    with tempfile.TemporaryDirectory() as temporary:
        around = Path(temporary)
        keep = (parsed.keep or Path(tempfile.mkdtemp(prefix="fuzz-"))).absolute()
        (around / "beside").mkdir()
        (around / "beside" / "outside").write_text("nobody's")
        for name, count in _shares(
            parsed.inputs, [each for each in parsed.readers.split(",") if each]
        ).items():
            place = around / name.replace(" ", "_")
            before = _snapshot(around / "beside", place)
            kinds: collections.Counter[str] = collections.Counter()
            slowest, highest = 0.0, 0
            for answer in _results(name, parsed.seed, count, place):
                kind = str(answer["kind"])
                kinds[kind] += 1
                slowest = max(slowest, float(str(answer["seconds"])))
                highest = max(highest, int(str(answer["peak"])))
                if kind not in ("read", "refused"):
                    kept = _keep(keep, name, parsed.seed, answer, place)
                    print(f"{name}: {kind}: {str(answer['told'])[:600]}\n    {kept}", flush=True)
            if _snapshot(around / "beside", place) != before:
                kinds["outside"] += 1
                print(f"{name}: outside: a file beside its folder has changed", flush=True)
            bad = sum(number for kind, number in kinds.items() if kind not in ("read", "refused"))
            wrong, total, peak = wrong + bad, total + count, max(peak, highest)
            told = ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items()))
            print(
                f"{name:<20} {count:>6} files: {told}; at most {slowest:.1f} s, {highest / 1e9:.2f} GB",
                flush=True,
            )
            shutil.rmtree(place, ignore_errors=True)
    print(f"{total:,} files, seed {parsed.seed}: {wrong} went wrong; at most {peak / 1e9:.2f} GB")
    return 1 if wrong else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--work"]:
        kind, seed, begin, end, place = sys.argv[2:]
        _work(kind, int(seed), range(int(begin), int(end)), Path(place))
    else:
        sys.exit(main())

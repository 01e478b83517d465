"""Reads broken checkpoints; fails at the first that gives anything but arrays or a ValueError.

    python tests/pretrained/fuzz_pth.py FOLDER_OF_FIXTURES COUNT SEED

Run by test_pth.py in a process of its own, whose memory is limited.
"""

import importlib.util
import io
import resource
import sys
import tempfile
import time
import types
import zipfile
from pathlib import Path

import numpy as np

MOST_MEMORY = 2**30
MOST_SECONDS = 5.0


def reader() -> types.ModuleType:
    """Imports the reader without the package around it: Keras alone takes more than the memory limit."""
    package = types.ModuleType("kfer.pretrained")
    spec = importlib.util.find_spec("kfer")
    assert spec is not None and spec.submodule_search_locations
    package.__path__ = [str(Path(spec.submodule_search_locations[0]) / "pretrained")]
    sys.modules["kfer.pretrained"] = package
    return importlib.import_module("kfer.pretrained.pth")


def broken(content: bytes, donor: bytes, generator: np.random.Generator) -> bytes:
    """Returns a file cut, flipped, overwritten or spliced at random places, most near its beginning."""
    numbers = bytearray(content)
    for _ in range(generator.integers(1, 5)):
        reach = len(numbers) if generator.random() < 0.3 else min(len(numbers), 12_000)
        place = int(generator.integers(max(reach, 1)))
        length = int(generator.integers(1, 64))
        other = int(generator.integers(len(donor)))
        match generator.integers(7):
            case 0:
                del numbers[place:]
            case 1:
                del numbers[place : place + length]
            case 2:
                numbers[place : place + length] = donor[other : other + length]
            case 3:
                numbers[place:place] = donor[other : other + length]
            case 4:
                numbers[place : place + 4] = generator.choice([b"\xff" * 4, b"\0" * 4, b"\x7f" * 8])
            case _ if numbers:
                place %= len(numbers)
                numbers[place] ^= 1 << int(generator.integers(8))
    return bytes(numbers)


def broken_within(content: bytes, generator: np.random.Generator) -> bytes:
    """Breaks a member of a zip archive, whose check sums are then right for what is broken."""
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(written, "w") as new:
        for name in old.namelist():
            member = old.read(name)
            if name.endswith("data.pkl") or generator.random() < 0.02:
                member = broken(member, content, generator)
            new.writestr(name, member)
    return written.getvalue()


def main(folder: Path, count: int, seed: int) -> None:
    pth = reader()
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    generator = np.random.default_rng(seed)
    files = [path.read_bytes() for path in sorted(folder.glob("*.pth"))]
    refused = 0
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "broken.pth"
        for number in range(count):
            content = files[number % len(files)]
            if content.startswith(b"PK") and generator.random() < 0.7:
                path.write_bytes(broken_within(content, generator))
            else:
                path.write_bytes(broken(content, files[generator.integers(len(files))], generator))
            start = time.monotonic()
            try:
                arrays = pth.read(path)
            except ValueError as error:
                assert str(path) in str(error)
                refused += 1
            else:
                assert all(isinstance(array, np.ndarray) for array in arrays.values())
                # Touches every number: a view out of bounds would crash.
                sum(float(np.nan_to_num(array).astype(np.float64).sum()) for array in arrays.values())
            assert time.monotonic() - start < MOST_SECONDS, number
    print(f"{refused} of {count} refused")


if __name__ == "__main__":
    with np.errstate(all="ignore"):
        main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))

import random
import subprocess
import sys
from pathlib import Path

import pytest

from kfer.pipeline.components.pusher import push

# A disk without room cannot be had without its owner's rights; this limit fails the same way, in the
# middle of a file.
WITHOUT_ROOM = """
import resource, signal, sys
from pathlib import Path

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
{work}
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "made"
    (folder / "golden").mkdir(parents=True)
    (folder / "golden" / "input_0.bin").write_bytes(bytes(100))
    (folder / "model.json").write_text("{}")
    (folder / "int8.tflite").write_bytes(bytes(range(256)) * 1000)
    return folder


def without_room(work: str) -> str:
    """What a process says that can write no file of more than 100 kB."""
    code = WITHOUT_ROOM.format(work=work)
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert process.returncode
    return process.stderr


def test_without_room_nothing_is_left(model: Path, tmp_path: Path) -> None:
    versions = tmp_path / "served" / "faces"
    said = without_room(
        "from kfer.pipeline.components.pusher import push\n"
        f"push(Path({str(model)!r}), Path({str(versions)!r}))"
    )
    assert "int8.tflite cannot be copied to" in said and "nothing was pushed: [Errno 27]" in said
    assert list(versions.iterdir()) == []
    assert push(model, versions) == versions / "1"
    assert (versions / "1" / "int8.tflite").read_bytes() == (model / "int8.tflite").read_bytes()


def test_without_room_there_is_no_half_bundle(model: Path, tmp_path: Path) -> None:
    (model / "int8.tflite").write_bytes(random.Random(0).randbytes(500_000))
    said = without_room(
        "from kfer.export import write_bundle\n"
        f"write_bundle(Path({str(model)!r}), Path({str(tmp_path / 'new' / 'out.zip')!r}))"
    )
    assert "File too large" in said
    assert list((tmp_path / "new").iterdir()) == []

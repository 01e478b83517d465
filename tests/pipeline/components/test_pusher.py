import multiprocessing
import random
import shutil
import subprocess
import sys
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from kfer import files
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


def race(model: Path, serving: Path, rounds: int, barrier: Barrier) -> None:
    """Pushes a model to each of many names at the same moment as the others do."""
    for number in range(rounds):
        barrier.wait()
        push(model, serving / str(number))


@pytest.mark.parametrize("rounds", [5, pytest.param(100, marks=pytest.mark.slow)])
def test_two_pushes_at_the_same_moment_are_two_whole_versions(model: Path, tmp_path: Path, rounds: int):
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(2)
    models = [model, tmp_path / "other"]
    shutil.copytree(model, models[1])
    (models[1] / "model.json").write_text('{"other": 1}')
    for folder in models:  # so that a copy takes a while
        for number in range(200):
            (folder / "golden" / f"{number}.bin").write_bytes(bytes(64))
    wanted = [contents(folder) for folder in models]
    processes = [
        context.Process(target=race, args=(folder, tmp_path / "served", rounds, barrier))
        for folder in models
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    for number in range(rounds):
        versions = tmp_path / "served" / str(number)
        assert sorted(path.name for path in versions.iterdir()) == ["1", "2"]
        found = [contents(versions / name) for name in ("1", "2")]
        assert found in (wanted, wanted[::-1])
    print(f"{rounds} races: {rounds} times two whole versions")


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_what_a_killed_push_left_goes_and_what_another_copies_stays(model: Path, tmp_path: Path):
    versions = tmp_path / "served"
    left = versions / ".kfer-abcdefgh.partial" / "model"
    left.mkdir(parents=True)
    push(model, versions)
    assert [path.name for path in versions.iterdir()] == ["1"]
    # The same model again writes nothing, and tidies up.
    left.mkdir(parents=True)
    assert push(model, versions) == versions / "1"
    assert [path.name for path in versions.iterdir()] == ["1"]
    with files.private_folder(versions / "2") as other:
        (model / "model.json").write_text('{"newer": 1}')
        assert push(model, versions) == versions / "2"
        assert other.is_dir()

"""SIGKILL at 60 random moments: nothing is lost, nothing half is seen, and the next run tidies up."""

import json
import multiprocessing
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kfer.export import write_bundle
from kfer.inference.gallery import Gallery
from kfer.pipeline.components.pusher import push

pytestmark = pytest.mark.slow
SEED = 21
PEOPLE = {
    "num_identities": 4,
    "num_heldout_identities": 4,
    "examples_per_identity": 14,
    "heldout_examples_per_identity": 7,
    "image_size": 32,
}
SMALL = [
    f"--data.sources.0.arguments={PEOPLE}",
    "--data.image_size=32",
    "--model.backbone_arguments={'widths': [4, 8], 'blocks': 1}",
    "--model.embedding_size=8",
    "--training.epochs=1",
    "--training.batch_size=16",
    "--tuning.trials=0",
    "--export.parity_images=8",
    "--export.calibration_images=8",
    "--export.max_accuracy_drop=1",
]
STUDY = """
import sys
sys.path.insert(0, {folder!r})
from conftest import make_settings
settings = make_settings(variants={{"fixed": {{}}}})
"""
PIPELINE = [sys.executable, "-m", "kfer.pipeline", *SMALL]


def leftovers(folder: Path) -> list[str]:
    names = (path for path in folder.rglob(".*") if not path.name.startswith(".lock"))
    return sorted(str(path) for path in names if path.name.startswith((".kfer-", ".partial")))


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def killed(command: list[str], cwd: Path, seconds: float) -> bool:
    """Kills a command and its children so long after a component runs; whether it was still at it."""
    process = subprocess.Popen(
        command,
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    with process:
        assert process.stdout is not None
        for line in process.stdout:
            if "is running" in line:
                time.sleep(seconds)
                break
        in_time = process.poll() is None
        os.killpg(process.pid, signal.SIGKILL)
    return in_time


def ran(command: list[str], cwd: Path) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def forked(rng: random.Random, work: Callable[[], object], seconds: float) -> bool:
    """Kills a process that does some work at a random moment of it; whether it was still at it."""
    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    time.sleep(rng.uniform(0, seconds))
    process.kill()
    process.join()
    return process.exitcode == -signal.SIGKILL


def lasting(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the small pipeline has run."""
    folder = tmp_path_factory.mktemp("whole")
    ran(PIPELINE, folder)
    assert (folder / "saved_models" / "synthetic" / "1" / "model.json").exists()
    return folder


def check_versions(versions: Path, first: dict[str, bytes]) -> None:
    """The first version is as it was, and all have its files, none of them empty."""
    assert contents(versions / "1") == first
    for version in versions.glob("[0-9]*"):
        found = contents(version)
        assert found.keys() == first.keys()
        assert all(found[name] for name, content in first.items() if content)


@pytest.mark.parametrize(
    ("command", "nodes", "kills"),
    [
        (PIPELINE, ["ExampleGen", "Transform", "Trainer", "Evaluator", "InfraValidator", "Pusher"], 10),
        ([sys.executable, "-m", "kfer", "export", *SMALL], [""], 8),
    ],
    ids=["pipeline", "export"],
)
def test_runs(whole: Path, tmp_path: Path, command: list[str], nodes: list[str], kills: int):
    rng = random.Random(SEED)
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True, symlinks=True)
    root, versions = tmp_path / "pipeline_output" / "synthetic", tmp_path / "saved_models" / "synthetic"
    before, first, in_time = contents(root), contents(versions / "1"), 0
    artifacts = {name for name in before if re.match(r"[A-Z]\w*/\w+/\d+/", name)}
    for _ in range(kills):
        node = rng.choice(nodes)
        arguments = ["--no-cache", *([f"--from-node={node}"] if node else [])]
        in_time += killed([*command, *arguments], tmp_path, rng.uniform(0, 3))
        check_versions(versions, first)
    ran(PIPELINE, tmp_path)
    check_versions(versions, first)
    after = contents(root)
    assert all(after[name] == before[name] for name in artifacts)
    assert leftovers(tmp_path) == []
    print(f"{kills} kills, {in_time} of them in the midst: nothing lost, half or left over")


def test_a_study(tmp_path: Path):
    rng, kills, in_time = random.Random(SEED), 8, 0
    file, out = tmp_path / "toy.py", tmp_path / "out"
    file.write_text(STUDY.format(folder=str(Path(__file__).parents[1] / "study")))
    command = [sys.executable, "-m", "kfer.study", str(file), "--output-dir", str(out)]
    kept: dict[str, bytes] = {}
    for _ in range(kills):
        in_time += killed(command, tmp_path, rng.uniform(0, 4))
        found = contents(out)
        results = {name: found[name] for name in found if re.fullmatch(r"runs/.*/result\.json", name)}
        assert all(json.loads(content) for content in results.values())
        assert kept.keys() <= results.keys() or not results
        kept = results
    ran(command, tmp_path)
    assert "finished" in (out / "runs.csv").read_text()
    assert leftovers(out) == []
    print(f"{kills} kills, {in_time} of them in the midst: nothing lost, half or left over")


def test_pushes(whole: Path, tmp_path: Path):
    rng, kills, in_time = random.Random(SEED), 12, 0
    model, versions = tmp_path / "model", tmp_path / "served" / "faces"
    shutil.copytree(whole / "saved_models" / "synthetic" / "1", model)
    (model / "large.bin").write_bytes(rng.randbytes(30_000_000))
    seconds = lasting(lambda: push(model, versions))
    first = contents(model)
    for number in range(kills):
        (model / "model.json").write_text(json.dumps({"number": number}))
        in_time += forked(rng, lambda: push(model, versions), 1.2 * seconds)
        check_versions(versions, first)
    assert contents(push(model, versions)) == contents(model)
    check_versions(versions, first)
    assert leftovers(tmp_path) == []
    print(f"{kills} kills, {in_time} of them in the midst: nothing lost, half or left over")


def test_bundles(whole: Path, tmp_path: Path):
    rng, kills, in_time = random.Random(SEED), 11, 0
    model, bundle = tmp_path / "faces" / "1", tmp_path / "bundles" / "faces.zip"
    shutil.copytree(whole / "saved_models" / "synthetic" / "1", model)
    (model / "large.bin").write_bytes(rng.randbytes(5_000_000))
    seconds = lasting(lambda: write_bundle(model, bundle))
    first = bundle.read_bytes()
    for _ in range(kills):
        bundle.unlink(missing_ok=True)
        in_time += forked(rng, lambda: write_bundle(model, bundle), 1.2 * seconds)
        assert not bundle.exists() or bundle.read_bytes() == first
    bundle.unlink(missing_ok=True)
    write_bundle(model, bundle)
    assert zipfile.ZipFile(bundle).testzip() is None
    assert [path.name for path in bundle.parent.iterdir()] == ["faces.zip"]
    print(f"{kills} kills, {in_time} of them in the midst: nothing lost, half or left over")


def test_galleries(tmp_path: Path):
    rng, kills, in_time = random.Random(SEED), 11, 0
    path, templates = (
        tmp_path / "people.gallery",
        np.random.default_rng(SEED).standard_normal((2000, 128)),
    )

    def enroll(name: str) -> None:
        with Gallery.edit(path, "m", 128) as gallery:
            gallery.enroll(name, templates)

    seconds = lasting(lambda: enroll("first"))
    names = ["first"]
    for number in range(kills):
        in_time += forked(rng, lambda number=number: enroll(f"person {number}"), 1.5 * seconds)
        found = list(Gallery.load(path).names)
        assert found in (names, [*names, f"person {number}"])
        names = found
    enroll("last")
    assert list(Gallery.load(path).names) == [*names, "last"]
    assert {file.name for file in tmp_path.iterdir()} == {"people.gallery", "people.gallery.lock"}
    print(f"{kills} kills, {in_time} of them in the midst: nothing lost, half or left over")

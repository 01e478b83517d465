"""Several devices, and several processes, train as one does."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from training import train_on_devices

SCRIPT = Path(__file__).with_name("train_on_devices.py")
Result = tuple[list[dict[str, float]], list[np.ndarray]]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """What one device makes of the same batches."""
    return train_on_devices.train("none", "fixed", tmp_path_factory.mktemp("alone"))


def start(*arguments: object, environment: dict[str, str] | None = None) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, SCRIPT, *map(str, arguments)],
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def told(path: Path) -> dict[str, Any]:
    with np.load(path) as found:
        return json.loads(str(found["json"]))


def read(path: Path) -> Result:
    with np.load(path) as found:
        history = told(path)["history"]
        return history, [found[f"{index}"] for index in range(len(found.files) - 1)]


def assert_same(found: Result, expected: Result) -> None:
    (history, weights), (expected_history, expected_weights) = found, expected
    assert len(history) == len(expected_history)
    for figures, wanted in zip(history, expected_history, strict=True):
        assert figures.keys() == wanted.keys()
        for name in wanted.keys() - {"images_per_second"}:
            assert figures[name] == pytest.approx(wanted[name], abs=1e-4), name
    for one, other in zip(weights, expected_weights, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_two_devices_train_as_one(alone: Result, tmp_path: Path) -> None:
    process = start("mirrored", "fixed", tmp_path / "work", tmp_path / "result.npz")
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 0, output
    assert "strategy mirrored: 2 replicas in 1 process; global batch 8, 4 a replica" in output
    assert "the only process reads rows 0 to 7 of each batch" in output
    assert_same(read(tmp_path / "result.npz"), alone)
    # Where features are dropped out, each replica drops others; the first one as a single one would.
    for before, after in zip(*told(tmp_path / "result.npz")["seeds"], strict=True):
        assert before[0] == before[1] == after[0] != after[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    "weighting",
    [
        # dynamic_average and uw_so weigh by the same losses as uncertainty.
        "uncertainty",
        "gradnorm",
        "pcgrad",
    ],
)
def test_two_devices_weigh_tasks_as_one_does(weighting: str, tmp_path: Path) -> None:
    alone = train_on_devices.train("none", weighting, tmp_path / "alone")
    process = start("mirrored", weighting, tmp_path / "work", tmp_path / "result.npz")
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 0, output
    assert_same(read(tmp_path / "result.npz"), alone)


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def run_two(folder: Path, *of_the_second: object) -> tuple[list[subprocess.Popen], list[str], list[int]]:
    """Two processes on this machine; both processes, what they said, and their ports."""
    ports = free_ports(2)
    processes = []
    for index in (0, 1):
        config = {
            "cluster": {"worker": [f"127.0.0.1:{port}" for port in ports]},
            "task": {"type": "worker", "index": index},
        }
        further = of_the_second if index else ()
        arguments = (
            "multi_worker",
            "fixed",
            folder / f"work_{index}",
            folder / f"result_{index}.npz",
            *further,
        )
        processes.append(start(*arguments, environment={"TF_CONFIG": json.dumps(config)}))
    outputs = [process.communicate(timeout=600)[0] for process in processes]
    return processes, outputs, ports


@pytest.mark.slow
def test_two_processes_train_as_one_also_after_one_was_killed(alone: Result, tmp_path: Path) -> None:
    processes, outputs, ports = run_two(tmp_path, 1)  # the second dies in its second epoch
    assert processes[1].returncode == -9, outputs[1]
    assert processes[0].returncode == 1, outputs[0]
    message = (
        f"ConnectionError: worker 1 (127.0.0.1:{ports[1]}) no longer answers: the training stops after "
    )
    assert f"{message}epoch 1. Start all processes again" in outputs[0]
    processes, outputs, _ = run_two(tmp_path)
    for index in (0, 1):
        assert processes[index].returncode == 0, outputs[index]
        assert "going on after epoch 1 of 3" in outputs[index]
        assert_same(read(tmp_path / f"result_{index}.npz"), alone)
    assert "worker 1 (127.0.0.1" in outputs[1]
    assert "reads rows 2 to 3, 6 to 7 of each batch" in outputs[1]
    # The chief alone writes.
    assert (tmp_path / "work_0" / "history.csv").exists()
    assert not (tmp_path / "work_1").exists()


@pytest.mark.slow
def test_a_process_that_never_starts_is_named(tmp_path: Path) -> None:
    ports = free_ports(2)
    script = (
        "from kfer.settings import TrainingSettings; from kfer.training import connect; "
        "connect(TrainingSettings(strategy='multi_worker', worker_timeout_s=1))"
    )
    config = {
        "cluster": {"worker": [f"127.0.0.1:{port}" for port in ports]},
        "task": {"type": "worker", "index": 0},
    }
    process = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "TF_CONFIG": json.dumps(config)},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 1
    assert f"no answer within 1 s from worker 1 (127.0.0.1:{ports[1]}): start them" in process.stderr

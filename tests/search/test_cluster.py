"""A chief and workers, each in a process of its own, on this machine."""

import json
import os
import signal
import socket
import threading
import time
from pathlib import Path

import pytest
from toy_training import ACCURACY, RATE, ToyTraining, same, settings

from kfer import search
from kfer.processes import Apart
from kfer.search import Cluster, Found, cluster, oracles
from kfer.settings import MetricSettings, ParameterSettings, PipelineSettings

TIMEOUT_S = 4.0


class Slow(ToyTraining):
    """Says which process is in which epoch, which takes its time; the third waits for a worker."""

    def __init__(self, folder: Path, seconds: float, wait_for: str) -> None:
        super().__init__(self._begin)
        self._folder, self._seconds, self._wait_for = folder, seconds, wait_for

    def _begin(self, settings: PipelineSettings, epoch: int) -> None:
        rate = settings.training.learning_rate
        (self._folder / f"{os.getpid()} {rate} {epoch}").touch()
        time.sleep(self._seconds)
        if epoch == 3 and self._wait_for:
            until(lambda: list(self._folder.glob(f"worker {self._wait_for} *")))


def free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture
def address() -> str:
    return free_address()


def work(
    folder: Path, address: str, name: str, seconds: float, wait_for: str = "", **tuning: object
) -> None:
    (folder / "seen").mkdir(parents=True, exist_ok=True)
    (folder / "seen" / f"worker {name} {os.getpid()}").touch()
    training = Slow(folder / "seen", seconds, wait_for)
    own = Cluster(address, name, TIMEOUT_S, chief_timeout_s=60.0)
    search.work(training, settings(**tuning), folder / "search", own)


def serve(folder: Path, address: str, **tuning: object) -> Found:
    chief = Cluster(address, worker_timeout_s=TIMEOUT_S, others_join=True)
    return search.search(ToyTraining(), settings(**tuning), folder / "search", chief)


def pid_of(folder: Path, name: str) -> int:
    return int(next((folder / "seen").glob(f"worker {name} *")).name.split()[-1])


def epochs_of(folder: Path, pid: int) -> list[str]:
    return [place.name for place in (folder / "seen").glob(f"{pid} *")]


def until(condition: object, seconds: float = 90.0) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.05)


def test_a_chief_and_three_workers_of_whom_one_is_killed(tmp_path: Path, address: str, caplog) -> None:
    """The trial of the dead one is gone on with, one joins late, and all end as one process would."""
    tuning = {"trials": 8, "epochs": 3}
    expected = search.search(ToyTraining(), settings(**tuning), tmp_path / "alone")
    found: list[Found] = []
    chief = threading.Thread(target=lambda: found.append(serve(tmp_path, address, **tuning)))
    chief.start()
    workers = [Apart(work, tmp_path, address, name, 0.4, "late", **tuning) for name in ("a", "b")]
    until(lambda: list((tmp_path / "seen").glob("worker a *")))
    victim = pid_of(tmp_path, "a")
    until(lambda: any(name.endswith(" 2") for name in epochs_of(tmp_path, victim)))
    os.kill(victim, signal.SIGKILL)
    late = Apart(work, tmp_path, address, "late", 0.4, **tuning)
    chief.join(timeout=120)
    assert not chief.is_alive()
    assert workers[0].wait().code == -signal.SIGKILL
    assert [worker.wait().code for worker in (workers[1], late)] == [0, 0]
    assert same(found[0]) == same(expected)
    assert {"b", "late"} <= {trial.worker for trial in found[0].trials}
    assert "worker a has said nothing for 4 s" in caplog.text
    # The epoch that was finished is not trained again.
    dead = {name.split(" ", 1)[1] for name in epochs_of(tmp_path, victim)}
    alive = {
        name.split(" ", 1)[1]
        for worker in ("b", "late")
        for name in epochs_of(tmp_path, pid_of(tmp_path, worker))
    }
    assert {name for name in dead & alive if name.endswith(" 1")} == set()


def test_a_worker_whose_trial_went_to_another_ends(tmp_path: Path, address: str, caplog) -> None:
    tuning = {"trials": 3, "epochs": 3}
    chief = threading.Thread(target=serve, args=(tmp_path, address), kwargs=tuning)
    chief.start()
    sleeper = Apart(work, tmp_path, address, "sleeper", 2.0, **tuning)
    until(lambda: list((tmp_path / "seen").glob("worker sleeper *")))
    pid = pid_of(tmp_path, "sleeper")
    until(lambda: epochs_of(tmp_path, pid))
    os.kill(pid, signal.SIGSTOP)
    until(lambda: "worker sleeper has said nothing" in caplog.text)
    other = Apart(work, tmp_path, address, "other", 0.0, "nobody", **tuning)
    until(lambda: list((tmp_path / "seen").glob("worker other *")))
    until(lambda: epochs_of(tmp_path, pid_of(tmp_path, "other")))
    os.kill(pid, signal.SIGCONT)
    assert sleeper.wait().code == 1
    (tmp_path / "seen" / "worker nobody 0").touch()
    assert other.wait().code == 0
    chief.join(timeout=30)
    assert not chief.is_alive()


def test_a_chief_that_is_started_anew_finds_its_workers_at_work(tmp_path: Path, address: str) -> None:
    tuning = {"trials": 3, "epochs": 3}
    chief = Apart(serve, tmp_path, address, **tuning)
    worker = Apart(work, tmp_path, address, "a", 0.2, "chief", **tuning)
    until(lambda: list((tmp_path / "seen").glob("worker a *")))
    pid = pid_of(tmp_path, "a")
    until(lambda: any(name.endswith(" 3") for name in epochs_of(tmp_path, pid)))
    chief.end()
    chief = Apart(serve, tmp_path, address, **tuning)
    (tmp_path / "seen" / "worker chief 0").touch()
    assert [chief.wait().code, worker.wait().code] == [0, 0]
    expected = search.search(ToyTraining(), settings(**tuning), tmp_path / "alone")
    found = search.search(ToyTraining(), settings(**tuning), tmp_path / "search")
    assert same(found) == same(expected)
    # Each epoch once.
    assert len(epochs_of(tmp_path, pid)) == 9


def alone(folder: Path, seconds: float, **tuning: object) -> None:
    search.search(Slow(folder / "seen", seconds, ""), settings(**tuning), folder / "search")


def test_a_search_killed_twice_and_finished_by_two_workers(tmp_path: Path, address: str) -> None:
    tuning = {"trials": 6, "epochs": 3}
    expected = search.search(ToyTraining(), settings(**tuning), tmp_path / "alone")
    seen = tmp_path / "seen"
    seen.mkdir()
    for epochs in (2, 5):  # of the first trial, and of a later one
        before = set(seen.iterdir())
        process = Apart(alone, tmp_path, 0.3, **tuning)
        until(lambda before=before, epochs=epochs: len(set(seen.iterdir()) - before) == epochs)
        pid = int((set(seen.iterdir()) - before).pop().name.split()[0])
        os.kill(pid, signal.SIGKILL)
        assert process.wait().code == -signal.SIGKILL
    workers = [Apart(work, tmp_path, address, name, 0.0, **tuning) for name in ("a", "b")]
    assert same(serve(tmp_path, address, **tuning)) == same(expected)
    assert [worker.wait().code for worker in workers] == [0, 0]
    # Nothing is left to do.
    assert same(serve(tmp_path, free_address(), **tuning)) == same(expected)


def test_a_search_that_is_done_needs_no_worker(tmp_path: Path, address: str) -> None:
    """Hyperband's number of trials is only a limit: there are fewer."""
    tuning = {"tuner": "hyperband", "trials": 99, "epochs": 3}
    expected = search.search(ToyTraining(), settings(**tuning), tmp_path / "search")
    assert same(serve(tmp_path, address, **tuning)) == same(expected)


@pytest.mark.parametrize("tuner", ["bayesian", "hyperband"])
def test_two_workers_of_a_tuner_that_learns(tmp_path: Path, address: str, tuner: str) -> None:
    tuning = {"tuner": tuner, "trials": 7, "epochs": 3}
    expected = search.search(ToyTraining(), settings(**tuning), tmp_path / "alone")
    workers = [Apart(work, tmp_path, address, name, 0.1, **tuning) for name in ("a", "b")]
    found = serve(tmp_path, address, **tuning)
    assert [worker.wait().code for worker in workers] == [0, 0]
    # Of hyperband there are six: the number of trials is a limit.
    assert len(found.trials) == len(expected.trials) == {"bayesian": 7, "hyperband": 6}[tuner]
    assert max(trial.epochs for trial in found.trials) == 3
    assert all(trial.score is not None for trial in found.trials)


@pytest.mark.parametrize("tuner", ["grid", "random"])
def test_a_search_that_is_done_is_done_for_workers_too(tmp_path: Path, address: str, tuner: str) -> None:
    """Fewer values than trials: nobody knows that there are no more before the oracle is asked."""
    tuning = {"tuner": tuner, "trials": 9, "space": {RATE: ParameterSettings(values=("0.01", "0.02"))}}
    expected = search.search(ToyTraining(), settings(**tuning), tmp_path / "search")
    # As if it had been killed after its last trial.
    objective = tmp_path / "search" / "objective.json"
    told = json.loads(objective.read_text())
    assert told.pop("ended") == 2
    objective.write_text(json.dumps(told))
    chief = threading.Thread(target=serve, args=(tmp_path, address), kwargs=tuning)
    chief.start()
    until(lambda: not (tmp_path / "search" / "best_hyperparameters.txt").exists())
    training = ToyTraining()
    search.work(training, settings(**tuning), tmp_path / "search", Cluster(address, "a", TIMEOUT_S, 30.0))
    chief.join(timeout=30)
    assert not chief.is_alive()
    # Late, when nobody serves any more.
    search.work(training, settings(**tuning), tmp_path / "search", Cluster(address, "b", TIMEOUT_S, 30.0))
    assert training.calls == []
    assert len(search.outcomes(tmp_path / "search")) == len(expected.trials) == 2


def test_a_worker_gives_its_trials_processes_of_their_own(tmp_path: Path, address: str) -> None:
    tuning = {"trials": 1, "own_process": True}
    worker = Apart(work, tmp_path, address, "a", 0.0, **tuning)
    (trial,) = serve(tmp_path, address, **tuning).trials
    assert worker.wait().code == 0
    assert trial.score is not None
    own = {place.name.split()[0] for place in (tmp_path / "seen").glob("[0-9]*")}
    assert own - {str(pid_of(tmp_path, "a"))} == own


def test_an_error_of_the_oracle_ends_the_chief(tmp_path: Path, address: str, monkeypatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("No space left on device")

    errors: list[Exception] = []

    def chief() -> None:
        try:
            serve(tmp_path, address)
        except OSError as error:
            errors.append(error)

    monkeypatch.setattr(oracles._Random, "populate_space", fail)
    thread = threading.Thread(target=chief)
    thread.start()
    with pytest.raises(ConnectionError, match="INTERNAL"):
        search.work(ToyTraining(), settings(), tmp_path / "search", Cluster(address, "a", TIMEOUT_S, 5.0))
    thread.join(timeout=20)
    assert not thread.is_alive()
    assert str(errors[0]) == "No space left on device"


def test_names_of_workers_are_names(address: str) -> None:
    with pytest.raises(ValueError, match=r"worker must be a name of letters, digits, -, _ and \."):
        Cluster(address, "a/b")


def test_a_chief_that_cannot_be_reached_is_named(tmp_path: Path, address: str) -> None:
    with pytest.raises(ConnectionError, match=rf"no chief answers at {address} within 1 s; start one"):
        search.work(ToyTraining(), settings(), tmp_path, Cluster(address, "a", chief_timeout_s=1.0))


def test_an_address_is_for_one_chief(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(OSError, match=f"cannot listen at {address}"):
            serve(tmp_path, address)


def test_a_worker_must_search_the_same(tmp_path: Path, address: str, monkeypatch) -> None:
    search.search(ToyTraining(), settings(trials=1), tmp_path)
    other = {ACCURACY: MetricSettings(floor=0.5)}
    monkeypatch.setattr(cluster, "reach", lambda *_: True)
    with pytest.raises(ValueError, match=r"other settings: tuning\.objective"):
        search.work(ToyTraining(), settings(objective=other), tmp_path, Cluster(address, "a"))


def test_an_error_of_the_training_gives_the_trial_back(tmp_path: Path, address: str, caplog) -> None:
    def fail(settings: PipelineSettings, epoch: int) -> None:
        raise ValueError("there is no such backbone")

    chief = threading.Thread(target=serve, args=(tmp_path, address), kwargs={"trials": 2})
    chief.start()
    own = Cluster(address, "a", TIMEOUT_S, chief_timeout_s=30.0)
    until(lambda: (tmp_path / "search" / "search.json").exists())
    with pytest.raises(ValueError, match="no such backbone"):
        search.work(ToyTraining(fail), settings(trials=2), tmp_path / "search", own)
    until(lambda: "worker a leaves: trial 0 waits for another" in caplog.text, 10.0)
    search.work(ToyTraining(), settings(trials=2), tmp_path / "search", own)
    chief.join(timeout=30)
    assert not chief.is_alive()
    assert [trial.values[RATE] for trial in search.outcomes(tmp_path / "search")]

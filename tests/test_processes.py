import os
import signal
import time
from pathlib import Path

import pytest

from kfer.comparison import runs
from kfer.processes import Apart, Ending, in_fresh_process, run_apart, share_cores


def test_a_process_that_does_its_work_has_no_reason():
    assert run_apart(len, [1, 2, 3]) == Ending(0, "")


def test_an_error_is_the_reason(tmp_path: Path):
    ending = run_apart(runs.result, tmp_path)
    assert ending.code == 1
    assert ending.reason.startswith("FileNotFoundError: ") and "result.json" in ending.reason


def test_a_signal_is_named():
    ending = run_apart(signal.raise_signal, signal.SIGKILL)
    assert ending.code == -signal.SIGKILL
    assert ending.reason == "its process was ended by SIGKILL; was memory too short?"


def test_a_process_that_ends_without_a_word_has_its_exit_code():
    assert run_apart(os._exit, 3) == Ending(3, "its process ended with exit code 3")


def test_a_fresh_process_gives_back_what_it_found_and_raises_what_it_raised(tmp_path: Path):
    assert in_fresh_process(len, [1, 2, 3]) == 3
    with pytest.raises(FileNotFoundError, match=r"result\.json"):
        in_fresh_process(runs.result, tmp_path)


@pytest.mark.parametrize(
    ("count", "shares"),
    [(1, [{0, 1, 2, 5, 7}]), (2, [{0, 1}, {2, 5, 7}]), (3, [None, None, None])],
)
def test_cores_are_shared_where_each_has_two(
    count: int, shares: list[set[int] | None], monkeypatch: pytest.MonkeyPatch
):
    # Machines that run this may have fewer cores.
    kept: list[set[int] | None] = []
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1, 2, 5, 7})
    monkeypatch.setattr(os, "sched_setaffinity", lambda process, cores: kept.append(set(cores)))
    for index in range(count):
        before = len(kept)
        share_cores(index, count)
        if len(kept) == before:
            kept.append(None)
    assert kept == shares


def touch_at_the_end(file: Path) -> None:
    try:
        (file.with_suffix(".begun")).touch()
        time.sleep(60)
    finally:
        file.touch()


def test_a_process_that_is_told_to_end_tidies_up(tmp_path: Path):
    process = Apart(touch_at_the_end, tmp_path / "tidied")
    while not (tmp_path / "tidied.begun").exists():
        time.sleep(0.05)
    process.end()
    assert (tmp_path / "tidied").exists()


def outlived(file: Path) -> None:
    Apart(touch_at_the_end, file)
    while not file.with_suffix(".begun").exists():
        time.sleep(0.05)
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_process_whose_parent_is_killed_tidies_up(tmp_path: Path):
    assert run_apart(outlived, tmp_path / "tidied").code == -signal.SIGKILL
    end = time.monotonic() + 30
    while not (tmp_path / "tidied").exists():
        assert time.monotonic() < end
        time.sleep(0.05)

from pathlib import Path

import filelock
import numpy as np

from kfer.comparison import costs, runs


def test_costs_are_those_of_the_network_that_is_there(tmp_path: Path, write_study):
    write_study(tmp_path)
    assert costs.load(tmp_path, "plain")["multiply_adds"] == 5_600_000
    assert costs.load(tmp_path, "squeezing") == {}
    stored = runs.predictions(runs.folder(tmp_path, "plain", 0))
    stored["probabilities"] += np.float32(1e-3)
    np.savez(runs.folder(tmp_path, "plain", 0) / "test.npz", **stored)
    assert costs.load(tmp_path, "plain") == {}


def test_a_candidate_is_in_training_while_its_lock_is_held(tmp_path: Path):
    lock = runs.folder(tmp_path, "plain", 0) / runs.LOCK
    lock.parent.mkdir(parents=True)
    lock.touch()
    assert not costs.is_training(tmp_path)
    with filelock.FileLock(lock):
        assert costs.is_training(tmp_path)
    assert not costs.is_training(tmp_path)

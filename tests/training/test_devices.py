import logging

import numpy as np
import pytest
import tensorflow as tf

from kfer.settings import TrainingSettings
from kfer.training.cluster import Cluster
from kfer.training.devices import Devices, all_sum, connect

CLUSTER = Cluster(("worker 0", "worker 1"), ("a:1", "b:2"), 1)


class Strategy:
    """A number of replicas."""

    def __init__(self, replicas: int) -> None:
        self.num_replicas_in_sync = replicas


def devices(replicas: int, cluster: Cluster | None = None) -> Devices:
    return Devices(Strategy(replicas), cluster)


def test_one_device_is_the_default() -> None:
    found = connect(TrainingSettings())
    assert (found.num_replicas, found.num_workers, found.is_chief) == (1, 1, True)
    assert found.from_chief({"loss": 0.5}) == {"loss": 0.5}
    assert found.strategy.run(lambda: all_sum([tf.constant(2.0)]))[0] == 2.0


def test_mirrored_needs_two_devices() -> None:
    with pytest.raises(
        ValueError, match=r'"mirrored" expects at least two GPUs.*got /device:CPU:0. Set it'
    ):
        connect(TrainingSettings(strategy="mirrored"))


def test_multi_worker_needs_a_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(ValueError, match=r"TF_CONFIG must be JSON such as .* got ''"):
        connect(TrainingSettings(strategy="multi_worker"))


@pytest.mark.parametrize("accumulation", [1, 3])
def test_rows_of_all_processes_are_the_batch(accumulation: int) -> None:
    settings = TrainingSettings(batch_size=24, accumulation=accumulation)
    rows = [
        devices(4, Cluster(CLUSTER.names, CLUSTER.addresses, worker)).rows(settings) for worker in (0, 1)
    ]
    assert sorted(np.concatenate(rows)) == list(range(24))
    # Replica after replica; part by part all replicas together see what one alone would see.
    by_replica = np.concatenate(rows).reshape(4, accumulation, -1)
    for part in range(accumulation):
        size = 24 // accumulation
        assert sorted(by_replica[:, part].ravel()) == list(range(part * size, (part + 1) * size))


def test_one_replica_sees_the_batch_in_order() -> None:
    settings = TrainingSettings(batch_size=8, accumulation=2)
    np.testing.assert_array_equal(devices(1).rows(settings), np.arange(8))


def test_a_batch_that_cannot_be_shared_out_is_refused() -> None:
    settings = TrainingSettings(batch_size=20, accumulation=2)
    with pytest.raises(
        ValueError, match=r"a multiple of 6 \(3 replicas, training.accumulation 2\); got 20"
    ):
        devices(3).check(settings)
    devices(5).check(settings)


def test_the_log_says_how_a_step_is_shared_out(caplog: pytest.LogCaptureFixture) -> None:
    settings = TrainingSettings(
        batch_size=16, accumulation=2, learning_rate=0.25, strategy="multi_worker"
    )
    with caplog.at_level(logging.INFO, "kfer"):
        devices(1).log(settings)
        assert not caplog.messages
        devices(2, CLUSTER).log(settings)
    (line,) = caplog.messages
    for part in (
        "strategy multi_worker: 2 replicas in 2 processes",
        "global batch 16, 8 a replica",
        "peak learning rate 0.25, of the global batch, not scaled",
        "worker 1 (b:2) reads rows 4 to 7, 12 to 15 of each batch",
    ):
        assert part in line

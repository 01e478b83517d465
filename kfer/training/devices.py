"""Where a training runs: on one device, on all of a machine, or on those of several machines."""

import functools
import json
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import keras
import numpy as np
import tensorflow as tf

from kfer.settings import TrainingSettings
from kfer.training.cluster import VARIABLE, Cluster, parse_cluster, wait_for_peers

# Otherwise TensorFlow takes all memory of each GPU when it first sees one, which is before `connect`.
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
T = TypeVar("T")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Devices:
    """The devices of a training: a replica of the network on each.

    Attributes:
        strategy: TensorFlow's; its default one for a single device.
        cluster: The processes, where there are several.
    """

    strategy: tf.distribute.Strategy
    cluster: Cluster | None = None

    @property
    def num_replicas(self) -> int:
        """Replicas of the network, in all processes together."""
        return self.strategy.num_replicas_in_sync

    @property
    def num_workers(self) -> int:
        """Processes."""
        return len(self.cluster.names) if self.cluster else 1

    @property
    def worker(self) -> int:
        """This process's place among them; that of the chief is 0."""
        return self.cluster.index if self.cluster else 0

    @property
    def is_chief(self) -> bool:
        """Whether this is the process that validates and writes files."""
        return self.worker == 0

    def rows(self, settings: TrainingSettings) -> np.ndarray:
        """Returns the rows of each batch that this process sees, int64, replica after replica.

        A batch is cut into its `settings.accumulation` parts, and each of them into one piece a replica:
        so all replicas together see the same parts, one after the other, as one replica would.
        """
        local = self.num_replicas // self.num_workers
        pieces = np.arange(settings.batch_size).reshape(
            settings.accumulation, self.num_workers, local, -1
        )
        return pieces[:, self.worker].swapaxes(0, 1).ravel()

    def check(self, settings: TrainingSettings) -> None:
        """Checks that a batch can be shared out.

        Raises:
            ValueError: It cannot, evenly.
        """
        parts = self.num_replicas * settings.accumulation
        if settings.batch_size % parts:
            raise ValueError(
                "training.batch_size is that of all replicas together; expected a multiple of "
                f"{parts} ({self.num_replicas} replicas, training.accumulation {settings.accumulation}); "
                f"got {settings.batch_size}"
            )

    def log(self, settings: TrainingSettings) -> None:
        """Says how a step is shared out, where there are several replicas."""
        if self.num_replicas == 1:
            return
        rows = np.sort(self.rows(settings))
        runs = np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1)
        _log.info(
            "strategy %s: %d replicas in %d %s; global batch %d, %d a replica; peak learning rate "
            "%g, of the global batch, not scaled; %s reads rows %s of each batch",
            settings.strategy,
            self.num_replicas,
            self.num_workers,
            "process" if self.num_workers == 1 else "processes",
            settings.batch_size,
            settings.batch_size // self.num_replicas,
            settings.learning_rate,
            self.cluster.described(self.worker) if self.cluster else "the only process",
            ", ".join(f"{run[0]} to {run[-1]}" for run in runs),
        )

    def from_chief(self, value: T) -> T:
        """Returns the chief's value in every process; each must call.

        Args:
            value: What JSON can say; of other processes than the chief, anything.
        """
        if self.num_workers == 1:
            return value
        content = np.frombuffer(json.dumps(value).encode() if self.is_chief else b"", np.uint8)
        size = int(self._sum(np.array(len(content), np.int32)))
        content = self._sum(content.astype(np.int32) if self.is_chief else np.zeros(size, np.int32))
        return json.loads(content.astype(np.uint8).tobytes())

    def broadcast(self, variables: Sequence[keras.Variable]) -> None:
        """Gives variables the chief's values in every process; each must call."""
        if self.num_workers == 1:
            return
        for variable in variables:
            value = np.asarray(variable)
            # All-reduce knows no unsigned integers, which states of random generators are.
            sent = value if value.dtype.kind == "f" else value.astype(np.int64)
            variable.assign(self._sum(sent if self.is_chief else np.zeros_like(sent)).astype(value.dtype))

    def _sum(self, value: np.ndarray) -> np.ndarray:
        return self.strategy.reduce(tf.distribute.ReduceOp.SUM, tf.constant(value), axis=None).numpy()


def connect(settings: TrainingSettings) -> Devices:
    """Returns the devices that `settings.strategy` names.

    For "multi_worker" it is to be called when the program starts, in each process, before anything is
    built with TensorFlow or Keras; it then waits for the others. Later calls return the same.

    Args:
        settings: The strategy, and how long to wait for other processes.

    Raises:
        ValueError: "mirrored" finds fewer than two devices; or "multi_worker" no good TF_CONFIG.
        OSError: This process's port in TF_CONFIG is in use.
        TimeoutError: Other processes did not answer in time; the message names them.
        RuntimeError: It is too late for "multi_worker".
    """
    if settings.strategy == "mirrored":
        return _mirrored()
    if settings.strategy == "multi_worker":
        return _multi_worker(os.environ.get(VARIABLE, ""), settings.worker_timeout_s)
    return Devices(tf.distribute.get_strategy())


def all_sum(values: list[tf.Tensor]) -> list[tf.Tensor]:
    """Returns the sums over all replicas; called inside a replica's step, by each."""
    context = tf.distribute.get_replica_context()
    if context.num_replicas_in_sync == 1:
        return values
    return context.all_reduce(tf.distribute.ReduceOp.SUM, values)


def all_rows(values: list[tf.Tensor]) -> list[tf.Tensor]:
    """Returns the rows of all replicas, one after the other; called inside a replica's step, by each."""
    context = tf.distribute.get_replica_context()
    if context.num_replicas_in_sync == 1:
        return values
    return context.all_gather(values, axis=0)


# Cached because the collectives of a second strategy on the same devices get in the way of the first's.
@functools.cache
def _mirrored() -> Devices:
    found = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    if len(found) < 2:
        raise ValueError(
            'training.strategy "mirrored" expects at least two GPUs (or logical CPU devices, '
            "tf.config.set_logical_device_configuration); got "
            f'{", ".join(device.name for device in found)}. Set it to "none"'
        )
    return Devices(tf.distribute.MirroredStrategy([device.name for device in found]))


@functools.cache
def _multi_worker(config: str, timeout_s: float) -> Devices:
    cluster = parse_cluster(config)
    wait_for_peers(cluster, timeout_s)
    try:
        return Devices(tf.distribute.MultiWorkerMirroredStrategy(), cluster)
    except RuntimeError as error:
        raise RuntimeError(
            'training.strategy "multi_worker" must be connected before TensorFlow is used in this '
            "process: call kfer.training.connect(settings) at the start of the program"
        ) from error

"""The processes that train one network together, as the environment variable TF_CONFIG names them."""

import contextlib
import json
import logging
import re
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

VARIABLE = "TF_CONFIG"
_EXAMPLE = (
    '{"cluster": {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]}, "task": {"type": "worker", "index": 0}}'
)
# In the order in which TensorFlow numbers them; the first process of all is the chief.
_JOBS = ("chief", "worker")
_SECONDS_BETWEEN_TRIES = 0.2
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Cluster:
    """All processes of a training, and which of them this one is.

    Attributes:
        names: "worker 0" and so on, the chief first.
        addresses: "host:port" of each.
        index: This process's place among them.
    """

    names: tuple[str, ...]
    addresses: tuple[str, ...]
    index: int

    def described(self, index: int) -> str:
        """Returns a process's name and address."""
        return f"{self.names[index]} ({self.addresses[index]})"

    def others(self) -> list[int]:
        """Returns the places of all processes but this one."""
        return [index for index in range(len(self.names)) if index != self.index]


def parse_cluster(text: str) -> Cluster:
    """Returns what a value of TF_CONFIG says.

    Args:
        text: JSON: an object of "cluster" (lists of "host:port" under "chief", at most one, and
            "worker") and "task" ("type" and "index" of this process).

    Raises:
        ValueError: It is not such JSON, an address stands twice, or there is only one process.
    """
    config = _json(text)
    addresses = _addresses(config.get("cluster"))
    names = {(job, index): f"{job} {index}" for job in addresses for index in range(len(addresses[job]))}
    found = [address for job in addresses for address in addresses[job]]
    twice = sorted({address for address in found if found.count(address) > 1})
    if twice:
        raise ValueError(f"{VARIABLE}: expected a different address for each process; twice: {twice}")
    if len(found) < 2:
        raise ValueError(
            f"{VARIABLE}: expected at least two processes; got {len(found)}. Name the others, or set "
            'training.strategy to "none" or "mirrored"'
        )
    task = config.get("task")
    own = (task.get("type"), task.get("index")) if isinstance(task, dict) else None
    if own not in names:
        raise ValueError(
            f'{VARIABLE}: expected "task" to be one of the {len(names)} processes of the cluster, '
            f"{', '.join(names.values())}, such as {_EXAMPLE}; got {task!r}"
        )
    return Cluster(tuple(names.values()), tuple(found), list(names).index(own))


def wait_for_peers(cluster: Cluster, timeout_s: float) -> None:
    """Returns once every other process of a cluster has been reached.

    Meanwhile this process's port answers them. To be called before TensorFlow takes the port.

    Args:
        cluster: Who is waited for.
        timeout_s: Seconds until the wait is given up.

    Raises:
        OSError: The port of this process cannot be opened, because another process has it.
        TimeoutError: Some did not answer; the message names them.
    """
    waiting = cluster.others()
    start = time.monotonic()
    with _listening(cluster):
        _log.info(
            "%s waits up to %g s for %s",
            cluster.described(cluster.index),
            timeout_s,
            ", ".join(map(cluster.described, waiting)),
        )
        while waiting := [index for index in waiting if not _answers(cluster.addresses[index])]:
            if time.monotonic() - start >= timeout_s:
                raise TimeoutError(
                    f"no answer within {timeout_s:g} s from "
                    f"{', '.join(map(cluster.described, waiting))}: start them, mend their "
                    f"addresses in {VARIABLE}, or raise training.worker_timeout_s"
                )
            time.sleep(_SECONDS_BETWEEN_TRIES)


def lost_peers(cluster: Cluster, message: str) -> str:
    """Returns which processes are gone, in words.

    Args:
        cluster: The processes.
        message: Of TensorFlow's error; where it names none, those are told that do not answer now.
    """
    by_task = {name.replace(" ", "/"): index for index, name in enumerate(cluster.names)}
    told = re.findall(r"/job:(\w+)/(?:replica:\d+/)?task:(\d+)", message)
    gone = {by_task.get(f"{job}/{index}", cluster.index) for job, index in told} - {cluster.index}
    if not gone:
        gone = {index for index in cluster.others() if not _answers(cluster.addresses[index])}
    return ", ".join(map(cluster.described, sorted(gone))) or "another worker"


def _json(text: str) -> dict[str, Any]:
    try:
        config = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{VARIABLE} must be JSON such as {_EXAMPLE}; got {text!r}, which is not ({error})"
        ) from error
    if not isinstance(config, dict):
        raise ValueError(f"{VARIABLE} must be an object such as {_EXAMPLE}; got {text!r}")
    return config


def _addresses(jobs: object) -> dict[str, list[str]]:
    if not isinstance(jobs, dict) or not jobs or not set(jobs) <= set(_JOBS):
        raise ValueError(
            f'{VARIABLE}: expected "cluster" with lists under {" and ".join(_JOBS)}, such as {_EXAMPLE}; '
            f"got {jobs!r}"
        )
    for job, addresses in jobs.items():
        if not isinstance(addresses, list) or not all(map(_is_address, addresses)):
            raise ValueError(
                f'{VARIABLE}: expected a list of "host:port" under "{job}", such as {_EXAMPLE}; '
                f"got {addresses!r}"
            )
    if len(jobs.get("chief", [])) > 1:
        raise ValueError(f"{VARIABLE}: expected at most one chief; got {jobs['chief']!r}")
    return {job: jobs[job] for job in _JOBS if job in jobs}


def _is_address(address: object) -> bool:
    return isinstance(address, str) and re.fullmatch(r".+:\d{1,5}", address) is not None


@contextlib.contextmanager
def _listening(cluster: Cluster) -> Iterator[None]:
    port = int(cluster.addresses[cluster.index].rpartition(":")[2])
    with socket.socket() as listener:
        # A port that an ended process has just left is free.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("", port))
        except OSError as error:
            raise OSError(
                error.errno,
                f"{cluster.described(cluster.index)}, this process, cannot listen: port {port} is in "
                f"use, maybe by a process of an earlier run. End that one, or change {VARIABLE}",
            ) from error
        listener.listen(len(cluster.names))
        yield


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=1.0):
            return True
    except OSError:
        return False

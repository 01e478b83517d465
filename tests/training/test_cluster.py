import json
import socket
import threading
import time

import pytest

from kfer.training.cluster import Cluster, lost_peers, parse_cluster, wait_for_peers

TWO = {"worker": ["a:2222", "b:2222"]}


def config(cluster: object = TWO, kind: str = "worker", index: object = 0) -> str:
    return json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})


def test_the_chief_comes_first() -> None:
    cluster = parse_cluster(config({"worker": ["b:2", "c:3"], "chief": ["a:1"]}, index=1))
    assert cluster.names == ("chief 0", "worker 0", "worker 1")
    assert cluster.addresses == ("a:1", "b:2", "c:3")
    assert cluster.index == 2
    assert cluster.others() == [0, 1]
    assert cluster.described(0) == "chief 0 (a:1)"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"TF_CONFIG must be JSON such as \{\"cluster\".*; got '', which is not"),
        ("{'cluster'", "must be JSON such as"),
        ("[1]", r"must be an object such as .*; got '\[1\]'"),
        (json.dumps({"cluster": TWO}), 'expected "task" to be one of the 2 processes.*got None'),
        (json.dumps({"task": {}}), 'expected "cluster" with lists under chief and worker.*got None'),
        (config({"worker": ["a:1"], "ps": ["b:1"]}), 'expected "cluster" with lists under'),
        (config({"worker": "a:1"}), 'expected a list of "host:port" under "worker".*got \'a:1\''),
        (config({"worker": ["a:1", "b"]}), 'expected a list of "host:port"'),
        (config({"chief": ["a:1", "b:1"]}), "expected at most one chief"),
        (config(index=2), r"one of the 2 processes .*, worker 0, worker 1, such as .*'index': 2"),
        (config(kind="chief"), "expected \"task\" to be one of .*'chief'"),
        (config({"worker": ["a:1", "a:1"]}), r"a different address for each process; twice: \['a:1'\]"),
        (config({"worker": ["a:1"]}), "at least two processes; got 1. Name the others, or set training"),
    ],
)
def test_what_cannot_be_a_cluster_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_cluster(text)


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def local(ports: list[int], index: int) -> Cluster:
    names = tuple(f"worker {number}" for number in range(len(ports)))
    return Cluster(names, tuple(f"127.0.0.1:{port}" for port in ports), index)


def test_processes_that_start_one_after_the_other_find_each_other() -> None:
    ports = free_ports(2)
    found, both = [], threading.Barrier(2, timeout=20.0)

    def start(index: int) -> None:
        wait_for_peers(local(ports, index), 20.0)
        # As TensorFlow does, which the other one may still be looking for.
        with socket.create_server(("127.0.0.1", ports[index])):
            both.wait()
        found.append(index)

    early = threading.Thread(target=start, args=(0,))
    early.start()
    time.sleep(0.5)
    assert early.is_alive()
    start(1)
    early.join(20.0)
    assert sorted(found) == [0, 1]


def test_who_does_not_answer_is_named_after_the_stated_time() -> None:
    ports = free_ports(3)
    there = socket.create_server(("127.0.0.1", ports[1]))
    with there, pytest.raises(TimeoutError) as error:
        wait_for_peers(local(ports, 0), 0.3)
    assert f"no answer within 0.3 s from worker 2 (127.0.0.1:{ports[2]}): start them" in str(error.value)
    assert "worker 1" not in str(error.value)


def test_a_port_that_is_in_use_is_told() -> None:
    with socket.create_server(("", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            OSError, match=rf"worker 0 \(127.0.0.1:{port}\).*port {port} is in use, maybe"
        ):
            wait_for_peers(local([port, 1], 0), 0.3)


def test_who_is_gone_is_found_in_the_message_or_by_asking() -> None:
    ports = free_ports(3)
    cluster = local(ports, 0)
    message = "Error reported from /job:worker/replica:0/task:0: unhealthy:\n/job:worker/replica:0/task:2"
    assert lost_peers(cluster, message) == cluster.described(2)
    with socket.create_server(("127.0.0.1", ports[2])):
        assert lost_peers(cluster, "Connection reset by peer") == cluster.described(1)

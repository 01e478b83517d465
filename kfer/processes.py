"""Work in processes of its own: its memory is free afterwards, and a failure ends only itself."""

import concurrent.futures
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, ParamSpec, TypeVar

from kfer.console import escape_streams, log_to_console
from kfer.entry import DEBUG

#: What a process whose parent has gone may take to tidy up.
_SECONDS_TO_END = 10.0
P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Ending:
    """How a process ended.

    Attributes:
        code: Its exit code: 0 where it did its work, negative where a signal ended it.
        reason: Why it failed; empty where it did not.
    """

    code: int
    reason: str


class Apart:
    """A function that runs in a fresh process, which never outlives this one.

    Args:
        function: What to run; it and its arguments can be pickled.
        *args: Of the function.
        **kwargs: Of the function.
    """

    def __init__(self, function: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
        context = multiprocessing.get_context("spawn")
        self._receiver, sender = context.Pipe(duplex=False)
        # No daemon, which could have no processes of its own; it ends with this one all the same.
        self._process = context.Process(target=_run, args=(sender, function, args, kwargs))
        self._process.start()
        sender.close()
        self._ending: Ending | None = None

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process.is_alive()

    def wait(self) -> Ending:
        """Returns how it ended; waits until it has."""
        if self._ending is not None:
            return self._ending
        try:
            reason = self._receiver.recv()
        except EOFError:  # It ended without a word.
            reason = ""
        self._process.join()
        code = self._process.exitcode
        assert code is not None
        if code < 0:
            reason = f"its process was ended by {signal.Signals(-code).name}; was memory too short?"
        elif code and not reason:
            reason = f"its process ended with exit code {code}"
        self._ending = Ending(code, reason)
        return self._ending

    def end(self) -> None:
        """Ends it, if it has not ended."""
        self._process.terminate()
        self._process.join()


def run_apart(function: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> Ending:
    """Runs a function in a fresh process that never outlives this one, and returns how it ended.

    Args:
        function: What to run; it and its arguments can be pickled.
        *args: Of the function.
        **kwargs: Of the function.
    """
    return Apart(function, *args, **kwargs).wait()


def share_cores(index: int, count: int) -> None:
    """Keeps this process to its share of the cores, beside others that do the like.

    Processes that each compute on all cores wait for one another: two that trained a small network were
    1.4 times as fast, in all, with a core each as with both. Call it before TensorFlow is imported.
    Nothing is done where a share would be less than two cores, for with one thread TensorFlow 2.21 writes
    past its memory in the gradients of convolutions with few channels (oneDNN, AVX2), nor where the
    system cannot (macOS).

    Args:
        index: Of this process, from 0.
        count: How many processes share the cores.
    """
    if not hasattr(os, "sched_setaffinity"):
        return
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) >= 2 * count:
        os.sched_setaffinity(0, cores[index * len(cores) // count : (index + 1) * len(cores) // count])


def in_fresh_process(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Returns what a function returns, run in a process that is new and then ends.

    Raises:
        RuntimeError: The process was killed.
        Exception: What the function raises.
    """
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, context, _begin) as pool:
        return pool.submit(function, *args, **kwargs).result()


def _run(sender: Connection, function: Callable[..., object], args: Any, kwargs: Any) -> None:
    _begin()
    end_in_order()
    try:
        function(*args, **kwargs)
    except Exception as error:
        sender.send(f"{type(error).__name__}: {error}")
        if os.environ.get(DEBUG) == "1":
            raise
        raise SystemExit(1) from error  # without the traceback that multiprocessing would print


def end_in_order() -> None:
    """Lets this process tidy up when SIGTERM ends it, as it does when a key interrupts it."""

    def end(number: int, frame: object) -> None:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, end)


def _begin() -> None:
    escape_streams()
    log_to_console()
    # A parent that is killed cannot end this process, which would go on and keep its locks for hours.
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_SECONDS_TO_END)
    os._exit(1)

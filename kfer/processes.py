"""Work in processes of its own: its memory is free afterwards, and a failure ends only itself."""

import concurrent.futures
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, ParamSpec, TypeVar

from kfer.console import log_to_console

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


def run_apart(function: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> Ending:
    """Runs a function in a fresh process that never outlives this one, and returns how it ended.

    Args:
        function: What to run; it and its arguments can be pickled.
        *args: Of the function.
        **kwargs: Of the function.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(sender, function, args, kwargs), daemon=True)
    process.start()
    sender.close()
    try:
        reason = receiver.recv()
    except EOFError:  # It ended without a word.
        reason = ""
    process.join()
    code = process.exitcode
    assert code is not None
    if code < 0:
        reason = f"its process was ended by {signal.Signals(-code).name}; was memory too short?"
    elif code and not reason:
        reason = f"its process ended with exit code {code}"
    return Ending(code, reason)


def in_fresh_process(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Returns what a function returns, run in a process that is new and then ends.

    Raises:
        RuntimeError: The process was killed.
        Exception: What the function raises.
    """
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, context, log_to_console) as pool:
        return pool.submit(function, *args, **kwargs).result()


def _run(sender: Connection, function: Callable[..., object], args: Any, kwargs: Any) -> None:
    log_to_console()
    # A parent that is killed cannot end this process, which would go on and keep its locks for hours.
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        function(*args, **kwargs)
    except Exception as error:
        sender.send(f"{type(error).__name__}: {error}")
        raise


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)

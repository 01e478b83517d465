"""Log lines on the console, with the time since the start."""

import contextlib
import logging
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO


def log_to_console() -> None:
    """Sends the log of kfer to standard output, and quiets that of the libraries."""
    start = time.monotonic()

    class Elapsed(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            minutes, seconds = divmod(int(time.monotonic() - start), 60)
            return f"{minutes:>3}:{seconds:02} {super().format(record)}"

    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(Elapsed("%(message)s"))
    logger = logging.getLogger("kfer")
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False
    for library in ("absl", "tensorflow"):  # they tell every step at INFO
        logging.getLogger(library).setLevel(logging.ERROR)


@contextlib.contextmanager
def libraries_redirected(descriptor: int) -> Iterator[int]:
    """Sends to an open file what the process writes to its console's second stream, past Python as well.

    LiteRT and TensorFlow tell there, in C++, what they do. It is for the whole process, so that it is for
    commands, and for steps that run alone.

    Yields:
        A descriptor of the console.
    """
    sys.stderr.flush()
    console = os.dup(2)
    os.dup2(descriptor, 2)
    try:
        yield console
    finally:
        sys.stderr.flush()
        os.dup2(console, 2)
        os.close(console)


@contextlib.contextmanager
def only_python_on_stderr() -> Iterator[None]:
    """Keeps libraries off the console, where Python's own stream goes on."""
    before = sys.stderr
    with (
        Path(os.devnull).open("w") as nowhere,
        libraries_redirected(nowhere.fileno()) as console,
        os.fdopen(os.dup(console), "w", buffering=1, errors="backslashreplace") as direct,
    ):
        if _is_console(before):
            sys.stderr = direct
        try:
            yield
        finally:
            sys.stderr = before


def _is_console(stream: TextIO) -> bool:
    try:
        return stream.fileno() == 2
    except OSError:  # a stream that is no file's
        return False

"""Log lines on the console, with the time since the start."""

import contextlib
import logging
import os
import sys
import time
from collections.abc import Iterator
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
def only_python_on_stderr() -> Iterator[None]:
    """Keeps off the console what libraries in C++ write past Python's streams.

    For commands, where nothing else runs in the process: LiteRT and TensorFlow tell there what they do.
    """
    sys.stderr.flush()
    console = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    before = sys.stderr
    os.dup2(nowhere, 2)
    os.close(nowhere)
    try:
        with os.fdopen(os.dup(console), "w", buffering=1, errors="backslashreplace") as direct:
            if _is_console(before):
                sys.stderr = direct
            yield
    finally:
        sys.stderr = before
        os.dup2(console, 2)
        os.close(console)


def _is_console(stream: TextIO) -> bool:
    try:
        return stream.fileno() == 2
    except OSError:  # a stream that is no file's
        return False

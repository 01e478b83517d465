"""Log lines on the console, with the time since the start."""

import logging
import sys
import time


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

"""Log lines that tell how far a long loop is."""

import logging
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
_SECONDS_BETWEEN_LINES = 3.0
_log = logging.getLogger(__name__)


def progress(items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
    """Yields the items, logging every few seconds how many have passed and how many a second.

    Args:
        items: What to iterate over.
        what: Names the items in the log line ("images decoded").
        total: How many there are, where that is known.
    """
    start = last = time.monotonic()
    count = 0
    for count, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if now - last >= _SECONDS_BETWEEN_LINES:
            last = now
            of_total = f" of {total:,} ({count / total:.0%})" if total else ""
            _log.info("  %s%s %s, %.0f a second", f"{count:,}", of_total, what, count / (now - start))

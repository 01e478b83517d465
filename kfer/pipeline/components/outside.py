"""What a training takes from outside of the pipeline."""

import functools
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kfer.files import newest


def saved_networks(values: Mapping[str, Any]) -> str:
    """SHA-256 of each file that a network starts from or learns from.

    Args:
        values: A component's, with "model_settings" and "tasks".
    """
    named = [("weights", str(values["model_settings"].weights or ""))]
    named += [(name, path) for name, task in values["tasks"].items() for path in task.teachers]
    return "\n".join(f"{of} {digest}" for of, path in named if path and (digest := _content(path)))


def _content(path: str) -> str:
    try:
        file = newest(path)
    except FileNotFoundError:  # The training says it, or it is no file ("imagenet").
        return ""
    return _digest(file) if file.is_file() else ""


def _digest(file: Path) -> str:
    status = file.stat()
    return _digest_of(file, status.st_size, status.st_mtime_ns, status.st_ino, status.st_ctime_ns)


@functools.lru_cache(maxsize=64)
def _digest_of(file: Path, *status: int) -> str:
    """Trainer and Tuner ask about the same files; no program can set the time of a change (ctime)."""
    del status
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()

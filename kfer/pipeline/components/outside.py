"""What a training takes from outside of the pipeline."""

from collections.abc import Mapping
from typing import Any

from kfer.files import newest


def saved_networks(values: Mapping[str, Any]) -> str:
    """Paths, sizes and times of the files that a network starts from or learns from.

    Args:
        values: A component's, with "model_settings" and "tasks".
    """
    named = [str(values["model_settings"].weights or "")]
    named += [path for task in values["tasks"].values() for path in task.teachers]
    return "\n".join(line for path in named if path for line in _described(path))


def _described(path: str) -> list[str]:
    try:
        file = newest(path)
    except FileNotFoundError:  # The training says it, or it is no file ("imagenet").
        return []
    status = file.stat()
    return [f"{file} {status.st_size} {status.st_mtime_ns}"]

"""What a committed study found: the file that `python -m kfer.tuning` writes."""

import json
from pathlib import Path
from typing import Any


def best_values(path: str | Path) -> dict[str, Any]:
    """Returns the best values of a study, by the dotted names of settings.

    Args:
        path: A JSON file whose "best" has "values".

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no study's.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"tuning.study: there is no file {path}; give one of tuning/")
    try:
        return dict(json.loads(path.read_text())["best"]["values"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"tuning.study: {path} must be a study's file, which has its best values under best, values; "
            f"got {type(error).__name__}: {error}"
        ) from error

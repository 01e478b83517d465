"""What a committed study found: the file that `python -m kfer.tuning` writes."""

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
    # Late: few pipelines take a study's values, and all import this module.
    from kfer import documents
    from kfer.documents.artifacts import StudyFindings

    advice = "tuning.study must name a study's file, which has its best values under best, values"
    return documents.read(path, StudyFindings, advice).best.values

"""Folders whose names are splits and labels."""

import re
from collections.abc import Sequence
from pathlib import Path

from kfer.console import printable
from kfer.listing import check_depth, composed, depth

# Names of splits, as people call them: none of them is a person's or an expression's.
_SPLITS = frozenset(
    ("train", "training", "validation", "valid", "val", "dev", "test", "testing", "eval", "evaluation")
)
_SPLIT = re.compile(r"[\w-]+")


def splits_and_labels(names: Sequence[str], source: Path, advice: str) -> dict[str, tuple[str, str]]:
    """Returns the split and the label of each file, in Unicode's composed form.

    Args:
        names: The files' paths, <split>/<label>/<file>; in an archive they may lie in one folder more,
            or several.
        source: The folder or archive.
        advice: What is expected; ends the messages.

    Raises:
        ValueError: A file lies elsewhere, not all lie equally deep, or a split's name has other signs
            than letters, digits, underscores and hyphens.
    """
    for name in names:
        if depth(name) < 2:
            raise ValueError(f"{source} has {printable(name)}, outside of split and label. {advice}")
    check_depth(names, source, advice)
    parts = {name: name.split("/") for name in names}
    found = {name: (composed(own[-3]), composed(own[-2])) for name, own in parts.items()}
    splits = {split for split, _ in found.values()}
    above = {tuple(own[:-3]) for own in parts.values()}
    if any(above):
        is_wrapped = (
            not source.is_dir()
            and len(above) == 1
            and not _SPLITS.intersection(map(str.lower, *above))
            and _SPLITS.intersection(map(str.lower, splits))
        )
        if not is_wrapped:
            raise ValueError(
                f"{source} has {printable(names[0])}, which lies deeper than split and label. {advice}"
            )
    for split in splits:
        if not _SPLIT.fullmatch(split) or split == "all":
            raise ValueError(
                f"{source} has the split {split!r}; expected a folder's name of letters, digits, "
                f"underscores and hyphens, such as train. {advice}"
            )
    return found

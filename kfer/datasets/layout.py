"""Folders whose names are splits, labels or people: how deep files must lie in them."""

import re
from collections.abc import Sequence
from pathlib import Path

from kfer.listing import composed, printable

# Names of splits, as people call them: none of them is a person's or an expression's.
_SPLITS = frozenset(
    ("train", "training", "validation", "valid", "val", "dev", "test", "testing", "eval", "evaluation")
)
_SPLIT = re.compile(r"[\w-]+")


def check_depth(names: Sequence[str], source: Path, advice: str) -> None:
    """Checks that all files lie equally deep: else folders are taken for people who are none.

    Args:
        names: The files' paths within the source, with forward slashes.
        source: The folder or archive.
        advice: What is expected; ends the message.

    Raises:
        ValueError: They do not; the message has an example of each depth.
    """
    if names:
        least, most = min(names, key=_depth), max(names, key=_depth)
        if _depth(least) < _depth(most):
            raise ValueError(
                f"{source} has {printable(least)} and {printable(most)}, which do not lie equally deep: "
                f"folders within a label's or a person's are not read. {advice}"
            )


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
        if _depth(name) < 2:
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


def _depth(name: str) -> int:
    return name.count("/")

"""How well a model tells who somebody is, among the people of a folder: a part of `kfer calibrate`."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kfer import metrics
from kfer.commands import print_table

# People are also judged apart by how many pictures they have: up to so many, and more.
_PICTURES = (2, 5, 20)


def measured(
    embeddings: Mapping[Path, np.ndarray], person_of: Mapping[Path, str], rates: Sequence[float]
) -> dict[str, Any]:
    """Returns how often people are identified, of whom the first picture each is enrolled.

    People with one picture are not enrolled: they are the strangers.

    Args:
        embeddings: Of each picture in which a face was found.
        person_of: The person of each picture, in the order in which they are enrolled.
        rates: Largest shares of strangers that may be taken for somebody, each in (0, 1).

    Returns:
        `num_enrolled`, `num_probes`, `num_strangers`; `rank1`: the share of probes whose closest image is
        of their person, with its interval; `by_pictures`: the same of people with "2", "3 to 5", ...
        pictures; `open_set`: for each rate the threshold, and the true and false positive identification
        rates at it; empty without strangers.

    Raises:
        ValueError: Nobody has two pictures with a face.
    """
    paths = [path for path in person_of if path in embeddings]
    vectors = np.stack([embeddings[path] for path in paths])
    _, first, identities, counts = np.unique(
        [person_of[path] for path in paths], return_index=True, return_inverse=True, return_counts=True
    )
    several = counts[identities] > 1
    if not several.any():
        raise ValueError("expected at least one person with two pictures in which a face was found")
    is_first = np.isin(np.arange(len(paths)), first)
    enrolled, probes = several & is_first, several & ~is_first
    gallery = vectors[enrolled], identities[enrolled]
    similarities, whose = metrics.closest(vectors[probes], *gallery)
    right = whose == identities[probes]
    found: dict[str, Any] = {
        "num_enrolled": int(enrolled.sum()),
        "num_probes": len(right),
        "num_strangers": int((~several).sum()),
        "rank1": dataclasses.asdict(metrics.share_interval(int(right.sum()), len(right))),
        "by_pictures": _by_pictures(counts[identities[probes]], right),
        "open_set": [],
    }
    if not several.all():
        strangers, _ = metrics.closest(vectors[~several], *gallery)
        found["open_set"] = [
            {
                "asked_false_positive_rate": rate,
                **dataclasses.asdict(metrics.open_set(similarities, right, strangers, rate)),
            }
            for rate in rates
        ]
    return found


def _by_pictures(counts: np.ndarray, right: np.ndarray) -> list[dict[str, Any]]:
    found, low = [], 2
    for high in (*_PICTURES, None):
        those = right[(counts >= low) & (counts <= (high or counts.max()))]
        if len(those):
            interval = metrics.share_interval(int(those.sum()), len(those))
            found.append(
                {
                    "pictures": _span(low, high),
                    "num_probes": len(those),
                    "rank1": dataclasses.asdict(interval),
                }
            )
        low = (high or 0) + 1
    return found


def _span(low: int, high: int | None) -> str:
    if high is None:
        return f"{low} or more"
    return str(low) if low == high else f"{low} to {high}"


def print_measured(found: Mapping[str, Any]) -> None:
    """Prints what `measured` returned."""
    print(
        f"\nidentification of {found['num_enrolled']:,} people by one picture each, "
        f"{found['num_strangers']:,} strangers\n"
    )
    rows = [("all", found["num_probes"], found["rank1"])]
    rows += [(each["pictures"], each["num_probes"], each["rank1"]) for each in found["by_pictures"]]
    print_table(
        ["pictures a person", "probes", "rank-1", "95 %"],
        [[name, f"{number:,}", *_with_interval(rank1)] for name, number, rank1 in rows],
    )
    if found["open_set"]:
        print()
        print_table(
            ["asked rate", "threshold", "true positives", "95 %", "false positives", "95 %"],
            [
                [
                    f"{each['asked_false_positive_rate']:g}",
                    f"{each['threshold']:.3f}",
                    *_with_interval(each["true_positive_rate"]),
                    *_with_interval(each["false_positive_rate"], 4),
                ]
                for each in found["open_set"]
            ],
        )


def _with_interval(interval: Mapping[str, float], decimals: int = 3) -> tuple[str, str]:
    value, low, high = (f"{interval[name]:.{decimals}f}" for name in ("value", "low", "high"))
    return value, f"{low} to {high}"

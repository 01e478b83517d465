"""What a network knows: whether its training images were photographs, drawn or generated.

A network of drawn faces answers about photographs too, and its answers mean nothing. So every model says
what its images were, and every answer of one that saw others than photographs says it again.
"""

import re
from collections.abc import Mapping

#: Kinds of training images.
KINDS = PHOTOGRAPHS, DRAWN, GENERATED = "photographs", "drawn", "generated"
#: By the names of kfer's datasets, without the "kfer_" that TFDS sees; all others are photographs.
OTHERS = {"synthetic": DRAWN, "synthetic_clips": DRAWN, "generated": GENERATED}
#: In the metadata of a dataset that has generated images among others: how many, by split.
NUM_GENERATED = "num_generated"

_SOME_GENERATED = re.compile(r" \((\d+) of (\d+) generated\)$")


def with_generated(dataset: str, generated: int, images: int) -> str:
    """Returns a dataset's name and version that says how many of its images are generated.

    >>> with_generated("kfer_image_folder/ab/1.0.0", 30, 120)
    'kfer_image_folder/ab/1.0.0 (30 of 120 generated)'
    """
    return f"{dataset} ({generated} of {images} generated)" if generated else dataset


def _share_generated(dataset: str) -> float:
    """The share that `with_generated` told."""
    found = _SOME_GENERATED.search(dataset)
    return min(int(found[1]) / max(int(found[2]), 1), 1.0) if found else 0.0


def kind_of(dataset: str) -> str:
    """Returns the kind of a dataset's images.

    Args:
        dataset: Its name, with config and version or without: "kfer_synthetic/faces/1.1.0".
    """
    return OTHERS.get(dataset.partition("/")[0].removeprefix("kfer_"), PHOTOGRAPHS)


def trained_on(images: Mapping[str, int], datasets: Mapping[str, str]) -> dict[str, float]:
    """Returns the share of each kind among training images, the largest first; {} of no image.

    Args:
        images: How many there are by the name of their source.
        datasets: By the same names, the dataset's name and version, from `with_generated` where some
            images are generated.
    """
    counts: dict[str, float] = {}
    for source, count in images.items():
        dataset = datasets.get(source, source)
        generated = count * _share_generated(dataset)
        for kind, number in ((kind_of(dataset), count - generated), (GENERATED, generated)):
            counts[kind] = counts.get(kind, 0) + number
    total = sum(counts.values())
    ordered = sorted(counts.items(), key=lambda each: (-each[1], each[0]))
    return {kind: count / total for kind, count in ordered if count}


def words(shares: Mapping[str, float]) -> str:
    """Returns shares in words: "drawn", "photographs (70 %) and generated (30 %)"; "" of none."""
    if len(shares) == 1:
        return next(iter(shares))
    return " and ".join(f"{kind} ({share:.0%})".replace("%", " %") for kind, share in shares.items())


def warning(name: str, shares: Mapping[str, float]) -> str | None:
    """Returns what must be said with each answer of a network; None where it saw photographs alone.

    Args:
        name: What it is called.
        shares: From `trained_on`; nothing is said where they are unknown.
    """
    others = {kind: share for kind, share in shares.items() if kind != PHOTOGRAPHS and share > 0}
    if not others:
        return None
    if not shares.get(PHOTOGRAPHS):
        kinds = " and ".join(others)
        return f"{name} was trained on {kinds} faces alone: what it says of photographs means nothing"
    told = " and ".join(f"{share:.1%} were {kind}" for kind, share in others.items())
    return (
        f"{name} was trained on faces of which {told}: measure it on photographs of your own before you "
        "rely on it"
    )

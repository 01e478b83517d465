"""Which examples exports are calibrated on and compared on."""

import itertools
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from kfer.input_pipeline import Decoded

_SEED = 0
# Of distances between quartiles; of a normal distribution it would be 13 deviations.
_FAR = 10


def for_calibration(examples: Decoded, count: int) -> np.ndarray:
    """Returns positions of training examples, balanced over sources and over their expressions.

    Args:
        examples: The training split.
        count: How many; all where there are fewer.

    Returns:
        int64 `[count]`, ascending.
    """
    return _chosen(examples, count, people=False)


def for_parity(examples: Decoded, count: int) -> np.ndarray:
    """Returns positions of test examples, balanced over sources, expressions, and people for pairs.

    Of a source with people of two images or more, half are two images each of such people.

    Args:
        examples: The test split.
        count: How many; all where there are fewer.

    Returns:
        int64 `[count]`, ascending.
    """
    return _chosen(examples, count, people=True)


def typical(outputs: Mapping[str, np.ndarray]) -> np.ndarray:
    """Returns which images do not take a network far out of its range.

    Some networks explode on an image in some hundreds: DenseNet161's normalisations multiply, layer by
    layer, what they seldom saw. One such image among those that integers are calibrated on leaves the
    others one step of 127.

    Args:
        outputs: What the network says of the images, float `[n, k]` by name, before any normalisation.

    Returns:
        bool `[n]`: in no output is the vector's length further above the median than ten times the
        distance between the quartiles.
    """
    lengths = np.stack([np.linalg.norm(values, axis=1) for values in outputs.values()])
    low, median, high = np.percentile(lengths, [25, 50, 75], axis=1, keepdims=True)
    return np.all(lengths <= np.where(high > low, median + _FAR * (high - low), np.inf), axis=0)


def _chosen(examples: Decoded, count: int, people: bool) -> np.ndarray:
    generator = np.random.default_rng(_SEED)
    sources = []
    for members in _split(examples.source):
        pairs = _two_each(examples, members, generator) if people else []
        classes = _by_class(examples, members, generator)
        sources.append(list(dict.fromkeys(_alternating([pairs, classes]))))
    chosen = itertools.islice(dict.fromkeys(_alternating(sources)), count)
    return np.sort(np.fromiter(chosen, np.int64))


def _split(labels: np.ndarray) -> list[np.ndarray]:
    """The positions of each label that there is."""
    return [np.flatnonzero(labels == label) for label in np.unique(labels)]


def _by_class(examples: Decoded, members: np.ndarray, generator: np.random.Generator) -> list[int]:
    """A source's examples, its expressions taking turns."""
    classes = _split(examples.expression[members])
    return list(_alternating([generator.permutation(members[those]).tolist() for those in classes]))


def _two_each(examples: Decoded, members: np.ndarray, generator: np.random.Generator) -> list[int]:
    """Two images of each person of a source who has them, people in random order."""
    members = members[examples.identity[members] >= 0]
    people = [generator.permutation(members[own])[:2] for own in _split(examples.identity[members])]
    pairs = [pair.tolist() for pair in people if len(pair) == 2]
    return [image for index in generator.permutation(len(pairs)) for image in pairs[index]]


def _alternating(parts: Sequence[Iterable[int]]) -> Iterable[int]:
    """The members of all parts, one of each in turn."""
    rounds = itertools.zip_longest(*parts)
    return (member for members in rounds for member in members if member is not None)

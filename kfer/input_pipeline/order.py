"""Which examples a training step sees."""

import dataclasses
import functools
from collections.abc import Callable, Sequence

import numpy as np

from kfer import spec
from kfer.input_pipeline.decoded import Decoded
from kfer.settings import SamplingSettings

# What the third of the numbers that seed a draw for a step, and not for a group, stands for.
_BATCH, _PEOPLE, _IMAGES = range(3)


class Order:
    """Which examples a training step sees: a function of the seed and the step alone.

    The examples are in groups: with weights the sources, of which each batch has the same number of
    examples, else one. A group is gone through in epochs of as many examples as it has. Of each class
    of `sampling.balance` an epoch has the same number of examples; they come in rounds, each of which
    has every one once. Without balance an epoch is a round of all.

    The images of `sampling.people_per_batch` people come before that, and the groups fill up the batch.
    People, too, come in rounds; who is left when they no longer fill a batch waits for the next one.

    Args:
        decoded: What to train on.
        batch_size: Examples a batch.
        seed: Not negative; another seed gives another order.
        weights: For each source, its share of a batch relative to the others'; 0 leaves it out.
        sampling: How often examples are seen.

    Raises:
        ValueError: There is no example, the seed is negative, or weights or sampling cannot be met.
    """

    def __init__(
        self,
        decoded: Decoded,
        batch_size: int,
        seed: int,
        weights: Sequence[float] | None,
        sampling: SamplingSettings,
    ) -> None:
        if seed < 0:
            raise ValueError(f"the seed must not be negative; it is {seed}")
        drawn = np.arange(len(decoded))
        if sampling.least_images_per_person > 1:
            drawn = drawn[_is_labelled(decoded)]
        if not len(drawn):
            raise ValueError("there is no example to train on")
        size = batch_size - sampling.people_per_batch * sampling.images_per_person
        if size < 0:
            raise ValueError(
                f"{sampling.people_per_batch} people with {sampling.images_per_person} images each are "
                f"more than a batch of {batch_size}; lower sampling.people_per_batch or images_per_person"
            )
        self._seed = seed
        groups = _groups(decoded.source, drawn, size, weights)
        self._counts = [count for _, count in groups]
        self._groups = [
            _Group(*_strata(decoded, members, sampling), (seed, number))
            for number, (members, _) in enumerate(groups, 1)
        ]
        self._people = None
        if sampling.people_per_batch:
            members = np.concatenate([members for members, _ in groups])
            self._people = _People(decoded.identity, members, sampling, seed)

    def indices(self, step: int) -> np.ndarray:
        """Returns the examples of a step, int64 [batch_size].

        The images of each of `sampling.people_per_batch` stand side by side, and the others evenly
        between people. So where a batch is cut into parts, and both the people and the others are
        multiples of their number, each part has as many whole people.
        """
        others = np.concatenate(
            [
                group.examples(step * count, count)
                for group, count in zip(self._groups, self._counts, strict=True)
            ]
        )
        if len(self._groups) > 1:
            others = np.random.default_rng([self._seed, 0, step, _BATCH]).permutation(others)
        if self._people is None:
            return others
        people = self._people.images(step)
        pairs = zip(people, np.array_split(others, len(people)), strict=True)
        return np.concatenate([images for pair in pairs for images in pair])


def without_few_images(decoded: Decoded, least: int) -> Decoded:
    """Returns the examples; the identity of people with fewer than `least` images is missing."""
    known = decoded.identity >= 0
    images = np.bincount(decoded.identity[known], minlength=1)
    few = known & (images[decoded.identity] < least)
    identity = np.where(few, np.int32(spec.MISSING_LABEL), decoded.identity)
    return dataclasses.replace(decoded, identity=identity)


class _Group:
    """Examples without end, in epochs.

    Args:
        strata: Examples that take turns among themselves.
        places: How many each stratum has in an epoch.
        seed: Two numbers, which no other group has.
    """

    def __init__(self, strata: Sequence[np.ndarray], places: np.ndarray, seed: tuple[int, int]) -> None:
        self._strata, self._places, self._seed = strata, places.tolist(), seed
        # Batches are made in parallel and out of order, around an epoch's end from two epochs.
        self._epoch = functools.lru_cache(3)(self._made)

    def examples(self, start: int, count: int) -> np.ndarray:
        """Returns `count` of them, from position `start` on."""
        return _in_rounds(self._epoch, sum(self._places), start, count)

    def _made(self, epoch: int) -> np.ndarray:
        parts = [
            _in_rounds(functools.partial(self._round, stratum), len(members), epoch * places, places)
            for stratum, (members, places) in enumerate(zip(self._strata, self._places, strict=True))
        ]
        if len(parts) == 1:
            return parts[0]
        return self._generator(epoch, len(parts)).permutation(np.concatenate(parts))

    def _round(self, stratum: int, number: int) -> np.ndarray:
        return self._generator(number, stratum).permutation(self._strata[stratum])

    def _generator(self, number: int, use: int) -> np.random.Generator:
        return np.random.default_rng([*self._seed, number, use])


class _People:
    """The people of each batch, and which of their images."""

    def __init__(
        self, identity: np.ndarray, members: np.ndarray, sampling: SamplingSettings, seed: int
    ) -> None:
        labelled = members[identity[members] >= 0]
        self._images = [one for one in _split(labelled, identity[labelled]) if len(one) > 1]
        self._people, self._images_each = sampling.people_per_batch, sampling.images_per_person
        self._seed = seed
        if len(self._images) < self._people:
            raise ValueError(
                f"sampling.people_per_batch is {self._people}, but only {len(self._images)} people have "
                "two training images or more; lower it, or add a source that has identities"
            )
        self._round = functools.lru_cache(3)(self._shuffled)

    def images(self, step: int) -> list[np.ndarray]:
        """Returns the examples of each of the step's people; repeated where there are too few."""
        number, turn = divmod(step, len(self._images) // self._people)
        people = self._round(number)[turn * self._people :][: self._people]
        generator = np.random.default_rng([self._seed, 0, step, _IMAGES])
        return [
            np.resize(generator.permutation(self._images[person]), self._images_each) for person in people
        ]

    def _shuffled(self, number: int) -> np.ndarray:
        return np.random.default_rng([self._seed, 0, number, _PEOPLE]).permutation(len(self._images))


def _in_rounds(made: Callable[[int], np.ndarray], size: int, start: int, count: int) -> np.ndarray:
    """`count` examples from `start` on of rounds that each have `size`."""
    rounds, positions = np.divmod(np.arange(start, start + count), size)
    parts = [made(number)[positions[rounds == number]] for number in np.unique(rounds).tolist()]
    return np.concatenate([np.empty(0, np.int64), *parts])


def _groups(
    source: np.ndarray, drawn: np.ndarray, size: int, weights: Sequence[float] | None
) -> list[tuple[np.ndarray, int]]:
    """The examples of each group, and how many of `size` they have in each batch."""
    if weights is None:
        return [(drawn, size)]
    if min(weights) < 0 or not sum(weights):
        raise ValueError(f"weights must not be negative, and not all 0; they are {tuple(weights)}")
    if source.max() >= len(weights):
        raise ValueError(
            f"there are {len(weights)} weights, but examples of source {source.max()}; "
            "give every source a weight"
        )
    groups = []
    for index, (weight, count) in enumerate(zip(weights, _divided(size, weights), strict=True)):
        members = drawn[source[drawn] == index]
        if weight and not len(members):
            raise ValueError(f"source {index} has weight {weight:g} but no example to train on")
        if weight and size and not count:
            raise ValueError(
                f"source {index} has weight {weight:g} of {sum(weights):g}: no example in a batch "
                f"of {size}; raise the weight or the batch size, or set the weight to 0"
            )
        if weight:
            groups.append((members, int(count)))
    return groups


def _strata(
    decoded: Decoded, members: np.ndarray, sampling: SamplingSettings
) -> tuple[list[np.ndarray], np.ndarray]:
    """A group's classes, first what has none, and how many places each has in an epoch.

    A class of n examples has a share in n ** (1 - balance_power): Kang et al. 2020, "Decoupling
    Representation and Classifier for Long-Tailed Recognition", equation 1. As the power of a mean is
    at least the mean of the powers, every class has a place. Those without a class keep theirs, and so
    do all together that the same features label: a class is a combination of what these say.
    """
    if not sampling.balance:
        return [members], np.array([len(members)])
    labels = np.stack([_classes(decoded, feature)[members] for feature in sampling.balance], axis=1)
    known = labels >= 0
    strata = [members[~known.any(axis=1)]]
    places = [np.array([len(strata[0])])]
    for by in np.unique(known[known.any(axis=1)], axis=0):
        alike = (known == by).all(axis=1)
        _, classes = np.unique(labels[alike][:, by], axis=0, return_inverse=True)
        found = _split(members[alike], classes.reshape(-1))
        strata += found
        shares = [len(one) ** (1.0 - sampling.balance_power) for one in found]
        places.append(_divided(int(alike.sum()), shares))
    return strata, np.concatenate(places)


def _classes(decoded: Decoded, feature: str) -> np.ndarray:
    carried = {**decoded.labels, spec.SOURCE: decoded.source}
    allowed = [name for name, label in carried.items() if label.ndim == 1]
    if feature not in allowed:
        raise ValueError(
            f"sampling.balance must be of features with classes: {', '.join(allowed)}; got {feature!r}"
        )
    if not (carried[feature] >= 0).any():
        raise ValueError(
            f"sampling.balance has {feature!r}, of which no training example has a label; name another "
            "feature, or leave it out"
        )
    return carried[feature]


def _split(members: np.ndarray, labels: np.ndarray) -> list[np.ndarray]:
    """The members of each label that there is, in its order."""
    order = np.argsort(labels, kind="stable")
    _, starts = np.unique(labels[order], return_index=True)
    return np.split(members[order], starts[1:]) if len(members) else []


def _divided(total: int, shares: Sequence[float]) -> np.ndarray:
    """A total in whole numbers by shares, by largest remainder."""
    exact = np.asarray(shares, np.float64) / sum(shares) * total
    counts = np.floor(exact).astype(np.int64)
    counts[np.argsort(counts - exact, kind="stable")[: total - counts.sum()]] += 1
    return counts


def _is_labelled(decoded: Decoded) -> np.ndarray:
    """Whether an example has any label, bool [n]."""
    labels = decoded.labels.values()
    known = [label >= 0 if label.ndim == 1 else ~np.isnan(label).all(axis=1) for label in labels]
    return np.any(known, axis=0)

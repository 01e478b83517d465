"""Verification pairs made of images of people."""

import numpy as np

from kfer import spec


def has_pairs(identities: np.ndarray) -> bool:
    """Whether a genuine and an impostor pair can be made: two people, one of them with two images.

    Args:
        identities: int [n], -1 where missing.
    """
    known = identities[identities != spec.MISSING_LABEL]
    counts = np.unique(known, return_counts=True)[1]
    return len(counts) >= 2 and int(counts.max()) >= 2


def make_pairs(
    identities: np.ndarray, max_pairs: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns verification pairs of labelled images, as many genuine as impostor ones, none twice.

    People take turns to give genuine pairs, so that one with many images does not outweigh the rest;
    impostor pairs are drawn evenly from all there are. The order is random.

    Args:
        identities: int [n], -1 where missing.
        max_pairs: Most pairs, of both kinds together.
        seed: The same seed gives the same pairs.

    Returns:
        `index_a` and `index_b`, int64 [pairs], into `identities`; and `same`, bool [pairs].

    Raises:
        ValueError: There are fewer than two people, nobody has two images, or fewer than two pairs are
            asked for.
    """
    identities = np.asarray(identities)
    by_person = np.argsort(identities, kind="stable")
    by_person = by_person[identities[by_person] != spec.MISSING_LABEL]
    _, starts, counts = np.unique(identities[by_person], return_index=True, return_counts=True)
    if len(counts) < 2:
        raise ValueError(
            f"expected images of at least two people to make pairs of; got {len(counts)} in "
            f"{len(by_person)} labelled images"
        )
    if counts.max() < 2:
        raise ValueError(
            "expected at least one person with two images, for a genuine pair; each of "
            f"{len(counts)} people has one image"
        )
    if max_pairs < 2:
        raise ValueError(f"expected at least 2 as the most pairs to make; got {max_pairs}")
    # With images ordered by person, the partners that follow an image are first those of its own person,
    # then everybody else's: both kinds of pair can be numbered, and drawn by number.
    ends = np.repeat(starts + counts, counts)
    positions = np.arange(len(by_person))
    own_partners, other_partners = ends - positions - 1, len(by_person) - ends
    pairs_of_person = counts * (counts - 1) // 2
    num = min(max_pairs // 2, int(pairs_of_person.sum()), int(other_partners.sum()))

    rng = np.random.default_rng(seed)
    offsets = np.cumsum(pairs_of_person) - pairs_of_person
    genuine = np.concatenate(
        [
            offset + rng.choice(pairs, turns, replace=False)
            for offset, pairs, turns in zip(
                offsets, pairs_of_person, _turns(pairs_of_person, num, rng), strict=True
            )
            if turns
        ]
    )
    impostor = rng.choice(int(other_partners.sum()), num, replace=False)
    genuine_a, genuine_rank = _pair_of_number(genuine, own_partners)
    impostor_a, impostor_rank = _pair_of_number(impostor, other_partners)
    index_a = np.concatenate([genuine_a, impostor_a])
    index_b = np.concatenate([genuine_a + 1 + genuine_rank, ends[impostor_a] + impostor_rank])
    order = rng.permutation(2 * num)
    return by_person[index_a][order], by_person[index_b][order], (np.arange(2 * num) < num)[order]


def _turns(available: np.ndarray, num: int, rng: np.random.Generator) -> np.ndarray:
    """How many of `num` each person gives, who has so many: full rounds, then some once more."""
    turns = np.zeros_like(available)
    while num:
        able = np.flatnonzero(turns < available)
        rounds = min(num // len(able), int((available - turns)[able].min()))
        if not rounds:
            able, rounds = rng.choice(able, num, replace=False), 1
        turns[able] += rounds
        num -= rounds * len(able)
    return turns


def _pair_of_number(numbers: np.ndarray, partners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The position of the first image, and the rank of the second among its partners."""
    upto = np.cumsum(partners)
    first = np.searchsorted(upto, numbers, side="right")
    return first, numbers - (upto[first] - partners[first])

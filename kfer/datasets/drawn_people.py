"""What the builders of drawn faces share: people and their splits, ranges of arguments, PNG files."""

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
import tensorflow_datasets as tfds

from kfer import spec
from kfer.datasets import drawing

_MAX_PEOPLE = 100_000
_MAX_SEED = 10_000_000


class DrawnPeople(tfds.core.GeneratorBasedBuilder):
    """Splits of people, as `split_people` makes them, by a config that says how many there are."""

    def _create_builder_config(self, builder_config: tfds.core.BuilderConfig, version: Any) -> Any:
        # TFDS would look for it among the named configs, and warn that it is not there.
        return builder_config

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Any]:
        config = self.builder_config
        splits = split_people(
            config.num_identities,
            config.num_heldout_identities,
            config.examples_per_identity,
            config.heldout_examples_per_identity,
        )
        return {split: self._generate_examples(people, each) for split, (people, each) in splits.items()}


def check_config(dataset: str, config: object, kind: type) -> None:
    """Checks that a config is a whole one.

    Raises:
        ValueError: It is a name, or another dataset's.
    """
    if not isinstance(config, kind):
        raise ValueError(
            f"{dataset} has no named configs, but {config!r} was asked for; use its arguments."
        )


def split_people(
    num_identities: int,
    num_heldout_identities: int,
    examples_per_identity: int,
    heldout_examples_per_identity: int,
) -> dict[str, tuple[range, int]]:
    """Returns, by split, people's numbers and how many examples each of them has.

    Numbers go on from train to validation to test; the last two have as many people each.
    """
    validation = num_identities
    test = validation + num_heldout_identities
    return {
        spec.TRAIN: (range(validation), examples_per_identity),
        spec.VALIDATION: (range(validation, test), heldout_examples_per_identity),
        spec.TEST: (range(test, test + num_heldout_identities), heldout_examples_per_identity),
    }


def person_names(count: int) -> list[str]:
    """The class names of the first people."""
    return [f"person_{person:03d}" for person in range(count)]


def identity_seed(seed: int, person: int) -> int:
    """The seed of a person's face in the dataset of a seed; no two datasets share people."""
    return seed * _MAX_PEOPLE + person


def check_ranges(dataset: str, arguments: Mapping[str, int], **ranges: tuple[int, int]) -> None:
    """Checks a builder's arguments.

    Args:
        dataset: Its name.
        arguments: By name, all of them integers.
        ranges: Smallest and largest value by name, for what is neither a number of people or examples,
            nor image_size or seed.

    Raises:
        ValueError: One is out of range; the message says which range.
    """
    ranges |= {
        "num_identities": (2, _MAX_PEOPLE // 3),
        "image_size": (drawing.SMALLEST_SIZE, 1024),
        "seed": (0, _MAX_SEED),
    }
    for name, value in arguments.items():
        low, high = ranges.get(name, (1, _MAX_PEOPLE // 3))
        if not low <= value <= high:
            raise ValueError(f"{name} of {dataset} is {value}; expected {low} to {high}.")


def png(image: np.ndarray) -> bytes:
    """The PNG file of an RGB image, uint8 [height, width, 3]."""
    # PNG, as JPEG decoders differ in the last bit; run lengths are packed twice as fast as by level 1.
    options = [cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]
    return cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)[1].tobytes()

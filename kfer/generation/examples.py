"""The real images that a generator learns from and is compared with."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kfer import input_pipeline, spec
from kfer.generation.settings import GenerationSettings
from kfer.input_pipeline import Decoded
from kfer.pipeline.artifacts import TransformedExamples
from kfer.pipeline.dag import build
from kfer.pipeline.metadata import MetadataStore, canonical_json, plain
from kfer.pipeline.runner import exclusive
from kfer.pipeline.runner import run as run_components
from kfer.settings import PipelineSettings

#: Real images of a class that the variety of generated ones is compared with.
_COMPARED = 256
_CHUNK = 4096


@dataclass(frozen=True)
class RealImages:
    """Real images, and what their classes are.

    Attributes:
        train: What is learned.
        heldout: What is not: the validation split, or, where there is none, the test split.
        classes: The names of the classes of each condition.
        sources: Training images by dataset, as it is named and versioned.
    """

    train: Decoded
    heldout: Decoded
    classes: Mapping[str, tuple[str, ...]]
    sources: Mapping[str, int]

    @property
    def num_classes(self) -> dict[str, int]:
        """Of each condition."""
        return {name: len(names) for name, names in self.classes.items()}

    def labelled(self, count: int, seed: int) -> Decoded:
        """Training images with an expression, drawn at random, or all where there are fewer."""
        known = np.flatnonzero(self.train.expression >= 0)
        return self.train.at(np.sort(np.random.default_rng(seed).permutation(known)[:count]))

    def of_each_expression(self) -> dict[int, np.ndarray]:
        """By expression, training images, uint8 `[m, h, w, c]`; those of fewer than 2 are left out."""
        labels = self.train.expression
        chosen = {label: np.flatnonzero(labels == label)[:_COMPARED] for label in np.unique(labels)}
        return {
            int(label): np.asarray(self.train.images[rows])
            for label, rows in chosen.items()
            if label >= 0 and len(rows) > 1
        }


def digest(images: Decoded, features: Sequence[str], told: object) -> str:
    """Returns what images, their labels of some features and what else is told have for a name.

    Args:
        images: Maybe mapped from disk.
        features: Of the labels.
        told: Anything JSON-able.
    """
    found = hashlib.sha256(canonical_json(plain(told)).encode())
    images.add_to(found, features)
    return found.hexdigest()[:16]


def load(settings: GenerationSettings, root: Path) -> RealImages:
    """Returns the examples of a generator, which the pipeline prepares where they are not there yet.

    Args:
        settings: Of the generator.
        root: The pipeline root.

    Raises:
        ComponentError: A component failed.
        RuntimeError: Another process holds the pipeline root.
        ValueError: The training images are of one class, or none; or the generator is to be judged, and
            no held-out image has an expression.
    """
    base = settings.base
    with exclusive(root):
        examples = _transformed(base, root)
    facts = examples.labels()
    budget = base.data.memory_budget_gb
    train = input_pipeline.load_decoded(examples.split(spec.TRAIN), budget)
    counts = facts["num_examples"]
    heldout = spec.VALIDATION if counts.get(spec.VALIDATION) else spec.TEST
    classes = {
        name: tuple(facts["labels"][name]["names"])
        if name != spec.IDENTITY
        else tuple(f"{number:05d}" for number in range(facts["num_identities"]))
        for name in settings.network.conditions
    }
    _check_classes(train, classes)
    compared = input_pipeline.load_decoded(examples.split(heldout), budget)
    num_labelled = int((compared.expression >= 0).sum())
    if settings.measures.model and num_labelled < 2:
        raise ValueError(
            "a generator that is judged is compared with images that it does not learn: expected a "
            f"validation or test split with expressions; that of {base.name} has "
            f"{len(compared):,} images there, {num_labelled:,} of them with one"
        )
    sources: dict[str, int] = {}
    numbers = np.bincount(train.source, minlength=len(facts["versions"]))
    for version, number in zip(facts["versions"], numbers, strict=True):
        sources[version] = sources.get(version, 0) + int(number)
    return RealImages(train, compared, classes, sources)


def _transformed(base: PipelineSettings, root: Path) -> TransformedExamples:
    store = MetadataStore(root)
    try:
        made = run_components(
            build(base, root),
            store,
            name=base.name,
            settings=canonical_json(plain(base)),
            to_node="Transform",
        )
    finally:
        store.close()
    found = made.outputs["Transform"]["transformed_examples"]
    assert isinstance(found, TransformedExamples)
    return found


def _check_classes(train: Decoded, classes: Mapping[str, tuple[str, ...]]) -> None:
    for condition, names in classes.items():
        labels = train.label(condition)
        found, numbers = np.unique(labels[labels >= 0], return_counts=True)
        present = [names[label] for label in found[numbers > 1]]
        if len(present) < 2:
            leave = ", or leave it out of network.conditions" if condition == spec.IDENTITY else ""
            raise ValueError(
                f"a generator that is told the {condition} needs at least two training images of "
                f"each of two classes; classes that have as many among these {len(train):,} images: "
                f"{', '.join(present) or 'none'}. Take other examples{leave}"
            )

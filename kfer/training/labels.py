"""What is checked and chosen before training starts."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from kfer.input_pipeline import Decoded
from kfer.settings import TrainingSettings


def check_labels(examples: Decoded, settings: TrainingSettings, sources: Sequence[str] = ()) -> None:
    """Checks that the training examples have labels for each task that has a weight.

    Args:
        examples: The training split.
        settings: A task whose loss has weight 0 needs no labels.
        sources: The sources' names, in the order of `examples.source`; they are told in errors.

    Raises:
        ValueError: A task has no labelled example, or there are fewer than two people for
            identity.
    """
    found = ", ".join(
        f"{sources[index] if index < len(sources) else f'number {index}'} ({count:,} examples)"
        for index, count in zip(*np.unique(examples.source, return_counts=True), strict=True)
    )
    if settings.expression_weight and not (examples.expression >= 0).any():
        raise ValueError(
            f"no training example has an expression label; sources: {found or 'none'}. Add a source "
            "that has expressions, map its labels (SourceSettings.labels), or set "
            "training.expression_weight to 0"
        )
    people = np.unique(examples.identity[examples.identity >= 0])
    if settings.identity_weight and len(people) < 2:
        raise ValueError(
            f"expected at least two people to learn identity from; got {len(people)} from the sources: "
            f"{found or 'none'}. Add a source that has identities, map its feature "
            "(SourceSettings.features), or set training.identity_weight to 0"
        )


def with_values(settings: TrainingSettings, values: Mapping[str, float]) -> TrainingSettings:
    """Returns the settings with some fields replaced, as the Tuner's best values name them.

    Raises:
        ValueError: A name is not a field of `TrainingSettings`.
    """
    allowed = [field.name for field in dataclasses.fields(settings)]
    for name in values:
        if name not in allowed:
            raise ValueError(f"no training setting is called {name!r}; there are {', '.join(allowed)}")
    return dataclasses.replace(settings, **values)  # type: ignore[arg-type]

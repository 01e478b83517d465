"""A dataset's own labels as kfer's: names to classes, numbers checked."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from kfer import spec
from kfer.datasets import naming
from kfer.settings import LabelSettings, SourceSettings
from kfer.settings.tasks import MULTI_LABEL, SOFT_CLASSES

_EVERY_OTHER_NAME = "*"
Read = Callable[[Mapping[str, Any]], Any]


def label_reader(
    builder: tfds.core.DatasetBuilder,
    key: str | None,
    feature: str,
    source: SourceSettings,
    label: LabelSettings,
) -> Read:
    """Returns what reads a label from a dataset's own example.

    Args:
        builder: A prepared dataset.
        key: The dataset's own name of the feature; None where it has none, and all labels are missing.
        feature: kfer's name of it.
        source: Says how its labels are named.
        label: What the label is; of classes, all names.

    Returns:
        From an example, the number of its class (-1 where missing), or float32 `[k]`, nan where missing.

    Raises:
        ValueError: A class of the dataset is not among the names; the reader raises one for numbers
            that are too many or too few, or out of the range of their kind.
    """
    if label.is_integer:
        return _class_reader(builder, key, feature, source, label.names)
    return _numbers_reader(key, feature, source, label)


def class_names(builder: tfds.core.DatasetBuilder, key: str) -> Sequence[str] | None:
    """Returns the names of a ClassLabel's classes; None for any other feature."""
    feature = builder.info.features[key]
    return feature.names if isinstance(feature, tfds.features.ClassLabel) else None


def label_name(value: Any, names: Sequence[str] | None) -> str:
    """Returns the name of a label; "" where it is missing, the number itself where it has no name."""
    if isinstance(value, bytes):
        return text(value)
    if value < 0:
        return ""
    return names[value] if names else str(value)


def mapped(feature: str, name: str, source: SourceSettings) -> str:
    """Returns kfer's name for a label; "" has none, and "*" in the map stands for all other names."""
    names = source.labels.get(feature, {})
    return names.get(name, names.get(_EVERY_OTHER_NAME, name)) if name else ""


def text(value: bytes | str) -> str:
    """Returns a text that TensorFlow gives as bytes."""
    return value.decode() if isinstance(value, bytes) else value


def _class_reader(
    builder: tfds.core.DatasetBuilder,
    key: str | None,
    feature: str,
    source: SourceSettings,
    classes: Sequence[str],
) -> Read:
    if key is None:
        return lambda own: spec.MISSING_LABEL
    names = class_names(builder, key)
    indices: dict[str, int] = {}

    def index(name: str) -> int:
        if name not in indices:
            indices[name] = _class_index(name, feature, source, classes)
        return indices[name]

    for name in names or ():
        index(name)
    return lambda own: index(label_name(own[key], names))


def _class_index(name: str, feature: str, source: SourceSettings, classes: Sequence[str]) -> int:
    known = mapped(feature, name, source)
    if not known:
        return spec.MISSING_LABEL
    if known.isdigit() and int(known) < len(classes):
        return int(known)
    return list(classes).index(
        naming.check_name(
            known,
            classes,
            f"{source.dataset}: a label of the {feature}, which SourceSettings.labels can map "
            '(to "" to leave it out),',
        )
    )


def _numbers_reader(key: str | None, feature: str, source: SourceSettings, label: LabelSettings) -> Read:
    missing = np.full(len(label.names), np.nan, np.float32)
    if key is None:
        return lambda own: missing
    allowed = {SOFT_CLASSES: (0.0, np.inf), MULTI_LABEL: (0.0, 1.0)}
    low, high = allowed.get(label.kind, (-np.inf, np.inf))

    def read(own: Mapping[str, Any]) -> np.ndarray:
        numbers = np.asarray(own[key], np.float32).reshape(-1)
        if len(numbers) != len(label.names):
            raise ValueError(
                f"{source.dataset}: expected {len(label.names)} numbers of the {feature} "
                f"({', '.join(label.names)}); got {len(numbers)}"
            )
        out = numbers[(numbers < low) | (numbers > high) | np.isinf(numbers)]
        if len(out):
            raise ValueError(
                f"{source.dataset}: the {feature} has {out[0]:g}; numbers of kind {label.kind} are "
                f"finite and from {low:g} to {high:g}, nan where missing"
            )
        return numbers

    return read

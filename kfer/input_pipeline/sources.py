"""Any prepared TFDS dataset as kfer's examples, images still encoded."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import tensorflow_datasets as tfds

from kfer import spec
from kfer.datasets import naming
from kfer.settings import SourceSettings

#: A dataset's own identity: its integer or, where it gives text, the name; -1 or "" where missing.
Identity = int | str

_EVERY_OTHER_NAME = "*"
# Crossing from TensorFlow to Python costs as much for many examples as for one.
_CHUNK = 64


def read_source(
    builder: tfds.core.DatasetBuilder,
    split: str,
    source: SourceSettings,
    expressions: Sequence[str],
) -> Iterator[dict[str, Any]]:
    """Yields a split's examples in kfer's form.

    Args:
        builder: A prepared dataset.
        split: The dataset's own name of the split; TFDS slices such as "train[:90%]" work.
        source: Says how its features and labels are named.
        expressions: Classes whose index becomes the label.

    Returns:
        Iterator of image (bytes, encoded), expression (int, -1 where missing), identity (the dataset's
        own) and filename; where the dataset has none, the filename is the split and the position.

    Raises:
        ValueError: If the split or a feature does not exist, or a label is neither an expression nor
            mapped to one; labels of a ClassLabel are checked before the first example.
    """
    keys = _own_keys(
        builder, source, (spec.IMAGE, spec.EXPRESSION, spec.IDENTITY, spec.FILENAME), (spec.IMAGE,)
    )
    expression_of = _expression_reader(builder, keys, source, expressions)
    identity_of = _identity_reader(builder, keys, source)
    for position, own in enumerate(_read(builder, split, source, keys.values())):
        filename = own[keys[spec.FILENAME]] if spec.FILENAME in keys else f"{split}:{position}"
        yield {
            spec.IMAGE: own[keys[spec.IMAGE]],
            spec.EXPRESSION: expression_of(own),
            spec.IDENTITY: identity_of(own),
            spec.FILENAME: _text(filename),
        }


def read_pairs(
    builder: tfds.core.DatasetBuilder, split: str, source: SourceSettings
) -> Iterator[dict[str, Any]]:
    """Yields a split's verification pairs in kfer's form.

    Args:
        builder: A prepared dataset of pairs.
        split: The dataset's own name of the split.
        source: Says how its features are named.

    Returns:
        Iterator of image_a, image_b (bytes, encoded), same (0 or 1) and fold (-1 for none).

    Raises:
        ValueError: If the split or a feature does not exist.
    """
    needed = (spec.IMAGE_A, spec.IMAGE_B, spec.SAME)
    keys = _own_keys(builder, source, (*needed, spec.FOLD), needed)
    for own in _read(builder, split, source, keys.values()):
        yield {
            spec.IMAGE_A: own[keys[spec.IMAGE_A]],
            spec.IMAGE_B: own[keys[spec.IMAGE_B]],
            spec.SAME: int(own[keys[spec.SAME]]),
            spec.FOLD: int(own[keys[spec.FOLD]]) if spec.FOLD in keys else -1,
        }


def assign_identities(
    builders: Sequence[tfds.core.DatasetBuilder], sources: Sequence[SourceSettings]
) -> tuple[dict[tuple[int, Identity], int], int]:
    """Numbers the people of all sources; those of the training splits come first.

    Only identities are read, no image. Someone in both the training and another split of a source
    keeps the number of the training split; sources never share people.

    Args:
        builders: A prepared dataset for each source.
        sources: Their settings.

    Returns:
        The global id of each (index of the source, own identity), and how many people are trained on:
        ids below that number are theirs.
    """
    ids: dict[tuple[int, Identity], int] = {}
    for trained in (True, False):
        for index, (builder, source) in enumerate(zip(builders, sources, strict=True)):
            splits = {own for split, own in source.splits.items() if (split == spec.TRAIN) is trained}
            people = set().union(*(_people(builder, own, source) for own in splits))
            for person in sorted(people, key=lambda person: (str(type(person)), person)):
                ids.setdefault((index, person), len(ids))
        if trained:
            num_identities = len(ids)
    return ids, num_identities


def to_global(
    examples: Iterable[Mapping[str, Any]],
    source_index: int,
    identities: Mapping[tuple[int, Identity], int],
) -> Iterator[dict[str, Any]]:
    """Gives examples of `read_source` their source and their global identity (-1 where missing)."""
    for example in examples:
        own = (source_index, example[spec.IDENTITY])
        identity = identities.get(own, spec.MISSING_LABEL)
        yield {**example, spec.IDENTITY: identity, spec.SOURCE: source_index}


def num_examples(builder: tfds.core.DatasetBuilder, split: str, source: SourceSettings) -> int:
    """How many examples a split (or a slice of it) has.

    Raises:
        ValueError: If there is no such split.
    """
    try:
        return builder.info.splits[split].num_examples
    except (KeyError, ValueError) as error:
        raise ValueError(
            f"{source.dataset}: {builder.info.full_name} has no split {split!r}; it has "
            f"{', '.join(builder.info.splits)}. SourceSettings.splits says which split is what, and "
            "may leave splits out"
        ) from error


def _people(builder: tfds.core.DatasetBuilder, split: str, source: SourceSettings) -> set[Identity]:
    keys = _own_keys(builder, source, (spec.IDENTITY,), ())
    if not keys:
        return set()
    identity_of = _identity_reader(builder, keys, source)
    people = {identity_of(own) for own in _read(builder, split, source, keys.values())}
    return people - {spec.MISSING_LABEL, ""}


def _own_keys(
    builder: tfds.core.DatasetBuilder,
    source: SourceSettings,
    wanted: Sequence[str],
    needed: Sequence[str],
) -> dict[str, str]:
    """kfer's feature keys to the dataset's, of those that it has."""
    own = builder.info.features
    for key in wanted:
        if key in source.features or key in needed:
            name = source.features.get(key, key)
            naming.check_name(name, list(own), f"{source.dataset}: the feature for {key!r}")
    keys = {key: source.features.get(key, key) for key in wanted}
    return {key: name for key, name in keys.items() if name in own}


def _read(
    builder: tfds.core.DatasetBuilder, split: str, source: SourceSettings, keys: Iterable[str]
) -> Iterator[dict[str, Any]]:
    num_examples(builder, split, source)  # Says what is wrong with a split better than TFDS.
    features = {key: builder.info.features[key] for key in keys}
    skipped = {
        key: tfds.decode.SkipDecoding()
        for key, feature in features.items()
        if isinstance(feature, tfds.features.Image)
    }
    dataset = builder.as_dataset(
        split=split,
        shuffle_files=False,
        decoders=tfds.decode.PartialDecoding(dict.fromkeys(features, True), skipped),
        read_config=tfds.ReadConfig(try_autocache=False),
    )
    for chunk in dataset.batch(_CHUNK).prefetch(1).as_numpy_iterator():
        for values in zip(*chunk.values(), strict=True):
            yield dict(zip(chunk, values, strict=True))


def _expression_reader(
    builder: tfds.core.DatasetBuilder,
    keys: Mapping[str, str],
    source: SourceSettings,
    expressions: Sequence[str],
) -> Callable[[Mapping[str, Any]], int]:
    if spec.EXPRESSION not in keys:
        return lambda own: spec.MISSING_LABEL
    key = keys[spec.EXPRESSION]
    names = _class_names(builder, key)
    indices: dict[str, int] = {}

    def index(name: str) -> int:
        if name not in indices:
            indices[name] = _expression_index(name, source, expressions)
        return indices[name]

    for name in names or ():
        index(name)
    return lambda own: index(_label_name(own[key], names))


def _expression_index(name: str, source: SourceSettings, expressions: Sequence[str]) -> int:
    mapped = _mapped(spec.EXPRESSION, name, source)
    if not mapped:
        return spec.MISSING_LABEL
    if mapped.isdigit() and int(mapped) < len(expressions):
        return int(mapped)
    return list(expressions).index(
        naming.check_name(
            mapped,
            expressions,
            f"{source.dataset}: a label of the expression, which SourceSettings.labels can map "
            '(to "" to leave it out),',
        )
    )


def _identity_reader(
    builder: tfds.core.DatasetBuilder, keys: Mapping[str, str], source: SourceSettings
) -> Callable[[Mapping[str, Any]], Identity]:
    if spec.IDENTITY not in keys:
        return lambda own: spec.MISSING_LABEL
    key = keys[spec.IDENTITY]
    names = _class_names(builder, key) if spec.IDENTITY in source.labels else None

    def identity(own: Mapping[str, Any]) -> Identity:
        value = own[key]
        if isinstance(value, bytes):
            return _mapped(spec.IDENTITY, _text(value), source)
        left_out = not _mapped(spec.IDENTITY, _label_name(value, names), source)
        return spec.MISSING_LABEL if value < 0 or left_out else int(value)

    return identity


def _class_names(builder: tfds.core.DatasetBuilder, key: str) -> Sequence[str] | None:
    feature = builder.info.features[key]
    return feature.names if isinstance(feature, tfds.features.ClassLabel) else None


def _label_name(value: Any, names: Sequence[str] | None) -> str:
    """The name of a label; "" where it is missing, the number itself where it has no name."""
    if isinstance(value, bytes):
        return _text(value)
    if value < 0:
        return ""
    return names[value] if names else str(value)


def _mapped(feature: str, name: str, source: SourceSettings) -> str:
    """kfer's name for a label; "" has none, and "*" in the map stands for all other names."""
    names = source.labels.get(feature, {})
    return names.get(name, names.get(_EVERY_OTHER_NAME, name)) if name else ""


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value

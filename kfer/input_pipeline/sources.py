"""Any prepared TFDS dataset as kfer's examples, images still encoded."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import tensorflow_datasets as tfds

from kfer import spec
from kfer.datasets import naming
from kfer.input_pipeline.source_labels import class_names, label_name, label_reader, mapped, text
from kfer.input_pipeline.stored import Storing
from kfer.settings import LabelSettings, SourceSettings
from kfer.settings.tasks import CLASSES

#: A dataset's own identity: its integer or, where it gives text, the name; -1 or "" where missing.
Identity = int | str

Labels = Mapping[str, LabelSettings]
_OF_CLIPS = (spec.FRAME_RATE, spec.FRAME_EXPRESSION, spec.SOUND)
# Of clips that do not say theirs, in frames a second.
_USUAL_RATE = 25.0
# Crossing from TensorFlow to Python costs as much for many examples as for one.
_CHUNK = 64


def read_source(
    builder: tfds.core.DatasetBuilder,
    split: str,
    source: SourceSettings,
    labels: Labels,
    clips: bool = False,
) -> Iterator[dict[str, Any]]:
    """Yields a split's examples in kfer's form.

    Args:
        builder: A prepared dataset.
        split: The dataset's own name of the split; TFDS slices such as "train[:90%]" work.
        source: Says how its features and labels are named.
        labels: What examples carry, by feature; the names of classes are all there. Without
            "expression" nobody's expression is known.
        clips: Whether they are clips.

    Returns:
        Iterator of image (bytes, encoded as `Storing` says), expression (int, -1 where missing),
        identity (the dataset's own), the other labels (int, or float32 vectors) and filename;
        where the dataset has none, the filename is the split and the position. Of clips, the image is
        the frame in the middle, and what `records.write_examples` takes besides is there too.

    Raises:
        ValueError: If the split or a feature does not exist, a label is neither one of the names nor
            mapped to one (those of a ClassLabel are checked before the first example), or its numbers
            are too many, too few or out of range.
    """
    further = [name for name in labels if name not in (spec.EXPRESSION, spec.IDENTITY)]
    shown = spec.CLIP if clips else spec.IMAGE
    wanted = (shown, spec.EXPRESSION, spec.IDENTITY, *further, spec.FILENAME)
    keys = _own_keys(builder, source, (*wanted, *_OF_CLIPS) if clips else wanted, (shown,))
    identity_of = _identity_reader(builder, keys, source)
    expression = labels.get(spec.EXPRESSION)
    if expression is None:
        keys.pop(spec.EXPRESSION, None)
        expression = LabelSettings(CLASSES)
    readers = {
        feature: label_reader(builder, keys.get(feature), feature, source, label)
        for feature, label in {**labels, spec.EXPRESSION: expression}.items()
        if feature != spec.IDENTITY
    }
    storing = Storing(builder.info.full_name)
    for position, own in enumerate(_read(builder, split, source, keys.values())):
        filename = text(own[keys[spec.FILENAME]] if spec.FILENAME in keys else f"{split}:{position}")
        yield {
            **(
                _clip(own, keys, storing, filename)
                if clips
                else {spec.IMAGE: storing.picture(own[keys[spec.IMAGE]], filename)}
            ),
            spec.IDENTITY: identity_of(own),
            spec.FILENAME: filename,
            **{feature: read(own) for feature, read in readers.items()},
        }
    storing.tell()


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
    storing = Storing(builder.info.full_name)
    for position, own in enumerate(_read(builder, split, source, keys.values())):
        yield {
            spec.IMAGE_A: storing.picture(own[keys[spec.IMAGE_A]], f"picture a of pair {position}"),
            spec.IMAGE_B: storing.picture(own[keys[spec.IMAGE_B]], f"picture b of pair {position}"),
            spec.SAME: int(own[keys[spec.SAME]]),
            spec.FOLD: int(own[keys[spec.FOLD]]) if spec.FOLD in keys else -1,
        }
    storing.tell()


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


def with_names(
    builders: Sequence[tfds.core.DatasetBuilder], sources: Sequence[SourceSettings], labels: Labels
) -> dict[str, LabelSettings]:
    """Returns the labels with the names of all classes: where none are set, those that the sources give.

    They are the names of a ClassLabel, in its order, or the texts of the examples, sorted.

    Args:
        builders: A prepared dataset for each source.
        sources: Their settings.
        labels: What examples carry, by feature.

    Raises:
        ValueError: No source has the feature, or it is neither a ClassLabel nor a text.
    """
    found = dict(labels)
    for feature, label in labels.items():
        if label.kind == CLASSES and not label.names:
            names = dict.fromkeys(
                mapped(feature, name, source)
                for builder, source in zip(builders, sources, strict=True)
                for name in _own_names(builder, source, feature)
            )
            names.pop("", None)
            if not names:
                raise ValueError(
                    f"no source has a feature {feature!r}: {_described(builders, sources)}. Name one "
                    "that they have, or map it (SourceSettings.features)"
                )
            found[feature] = LabelSettings(CLASSES, tuple(names))
    return found


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


def _own_names(builder: tfds.core.DatasetBuilder, source: SourceSettings, feature: str) -> Sequence[str]:
    key = _own_keys(builder, source, (feature,), ()).get(feature)
    if key is None:
        return []
    names = class_names(builder, key)
    if names:
        return names
    if not isinstance(builder.info.features[key], tfds.features.Text):
        raise ValueError(
            f"{source.dataset}: expected {feature!r} to be a ClassLabel or a text; it is "
            f"{builder.info.features[key]!r}"
        )
    splits = source.splits.values()
    return sorted({text(own[key]) for split in splits for own in _read(builder, split, source, [key])})


def _described(builders: Sequence[tfds.core.DatasetBuilder], sources: Sequence[SourceSettings]) -> str:
    return "; ".join(
        f"{source.dataset} has {', '.join(builder.info.features)}"
        for builder, source in zip(builders, sources, strict=True)
    )


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
    skipped = {key: tfds.decode.SkipDecoding() for key, feature in features.items() if _is_shown(feature)}
    dataset = builder.as_dataset(
        split=split,
        shuffle_files=False,
        decoders=tfds.decode.PartialDecoding(dict.fromkeys(features, True), skipped),
        read_config=tfds.ReadConfig(try_autocache=False),
    )
    if any(None in feature.shape[:1] for feature in features.values() if not _is_image(feature)):
        # Clips are of different lengths.
        yield from dataset.prefetch(1).as_numpy_iterator()
        return
    for chunk in dataset.batch(_CHUNK).prefetch(1).as_numpy_iterator():
        for values in zip(*chunk.values(), strict=True):
            yield dict(zip(chunk, values, strict=True))


def _is_image(feature: tfds.features.FeatureConnector) -> bool:
    return isinstance(feature, tfds.features.Image)


def _is_shown(feature: tfds.features.FeatureConnector) -> bool:
    """Whether it is an image, or a sequence of them."""
    return _is_image(feature) or _is_image(getattr(feature, "feature", None))


def _identity_reader(
    builder: tfds.core.DatasetBuilder, keys: Mapping[str, str], source: SourceSettings
) -> Callable[[Mapping[str, Any]], Identity]:
    if spec.IDENTITY not in keys:
        return lambda own: spec.MISSING_LABEL
    key = keys[spec.IDENTITY]
    names = class_names(builder, key) if spec.IDENTITY in source.labels else None

    def identity(own: Mapping[str, Any]) -> Identity:
        value = own[key]
        if isinstance(value, bytes):
            return mapped(spec.IDENTITY, text(value), source)
        left_out = not mapped(spec.IDENTITY, label_name(value, names), source)
        return spec.MISSING_LABEL if value < 0 or left_out else int(value)

    return identity


def _clip(own: Mapping[str, Any], keys: Mapping[str, str], storing: Storing, name: str) -> dict[str, Any]:
    frames = storing.frames([bytes(frame) for frame in own[keys[spec.CLIP]]], name)
    if not frames:
        raise ValueError("expected clips of at least one frame; one has none")
    unknown = [spec.MISSING_LABEL] * len(frames)
    return {
        spec.IMAGE: frames[len(frames) // 2],
        spec.CLIP: frames,
        spec.FRAME_RATE: [float(own[keys[spec.FRAME_RATE]]) if spec.FRAME_RATE in keys else _USUAL_RATE],
        spec.FRAME_EXPRESSION: (
            own[keys[spec.FRAME_EXPRESSION]].tolist() if spec.FRAME_EXPRESSION in keys else unknown
        ),
        spec.SOUND: own[keys[spec.SOUND]].astype("<i2").tobytes() if spec.SOUND in keys else b"",
    }

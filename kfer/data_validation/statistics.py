"""Statistics of examples: one pass, every image decoded once."""

import hashlib
import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_metadata.proto.v0 import statistics_pb2

from kfer import preprocessing, spec
from kfer.data_validation import names
from kfer.progress import progress
from kfer.settings import LabelSettings
from kfer.settings.tasks import CLASSES, EMBEDDING, REGRESSION

_LABELS = "labels"
_EXAMPLES_A_TASK = 64
#: Grey levels from darkest to lightest in a blank image: JPEG leaves a few where there was one.
_FLAT = 4
#: What TensorFlow Data Validation keeps of a feature's most frequent values.
_TOP_VALUES, _RANK_VALUES = 20, 1000


def compute_statistics(
    splits: Mapping[str, Iterable[Mapping[str, Any]]],
    labels: Mapping[str, LabelSettings],
    source_names: Sequence[str],
) -> statistics_pb2.DatasetFeatureStatisticsList:
    """Returns the statistics of each split, as TensorFlow Data Validation reads them.

    An image decodes where `preprocessing.decode` can read it. Images are identical where all their pixels
    are, whatever the bytes of their files.

    Args:
        splits: Examples of each split, read once: `image` (encoded bytes), `expression`, `identity`,
            `source` (integers, -1 where missing), `filename`, and what `labels` names.
        labels: What examples carry, by feature; of classes, all names.
        source_names: The sources, in the order of their labels.
    """
    labels = {
        spec.EXPRESSION: LabelSettings(CLASSES),
        spec.IDENTITY: LabelSettings(EMBEDDING),
        spec.SOURCE: LabelSettings(CLASSES, tuple(source_names)),
        **labels,
    }
    rows, filenames = {}, {}
    for split, examples in splits.items():
        rows[split], filenames[split] = _examine(split, examples, _row_type(labels))
    statistics = statistics_pb2.DatasetFeatureStatisticsList()
    for split in splits:
        dataset = statistics.datasets.add(name=split, num_examples=len(rows[split]))
        _add_image(dataset, rows[split], filenames[split])
        for name, label in labels.items():
            add = _add_classes if label.is_integer else _add_numbers
            add(dataset, name, rows[split][_LABELS][name], label)
    told_apart = [name for name, label in labels.items() if label.is_integer and name != spec.SOURCE]
    _add_duplicates(statistics, rows, filenames, told_apart)
    return statistics


def _row_type(labels: Mapping[str, LabelSettings]) -> np.dtype:
    columns = [
        (name, np.int64) if label.is_integer else (name, np.float32, (len(label.names),))
        for name, label in labels.items()
    ]
    return np.dtype(
        [
            ("num_bytes", np.int64),
            ("decodes", np.bool_),
            ("height", np.int32),
            ("width", np.int32),
            ("brightness", np.float32),
            ("blank", np.bool_),
            ("digest", np.uint64),
            (_LABELS, columns),
        ]
    )


def _examine(
    split: str, examples: Iterable[Mapping[str, Any]], row_type: np.dtype
) -> tuple[np.ndarray, list[str]]:
    total = len(examples) if isinstance(examples, Sized) else None
    watched = iter(progress(examples, f"{split} images examined", total))
    parts, filenames = [np.empty(0, row_type)], []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        tasks = (
            pool.submit(_examine_some, chunk, row_type)
            for chunk in iter(lambda: list(islice(watched, _EXAMPLES_A_TASK)), [])
        )
        for rows, some_filenames in _results_in_order(tasks, 2 * (os.cpu_count() or 1)):
            parts.append(rows)
            filenames.extend(some_filenames)
    return np.concatenate(parts), filenames


def _results_in_order(tasks: Iterator[Future], ahead: int) -> Iterator[Any]:
    """Never more than `ahead` tasks are under way, so that memory holds few encoded images."""
    waiting: deque[Future] = deque()
    for task in tasks:
        waiting.append(task)
        if len(waiting) >= ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _examine_some(examples: list[Mapping[str, Any]], row_type: np.dtype) -> tuple[np.ndarray, list[str]]:
    rows = np.zeros(len(examples), row_type)
    for row, example in zip(rows, examples, strict=True):
        row["num_bytes"] = len(example[spec.IMAGE])
        for label in row_type[_LABELS].names or ():
            row[_LABELS][label] = example[label]
        try:
            pixels = preprocessing.decode(tf.constant(example[spec.IMAGE]), 3).numpy()
        except tf.errors.InvalidArgumentError:
            continue
        row["decodes"] = True
        row["height"], row["width"] = pixels.shape[:2]
        row["brightness"] = pixels.mean()
        # One row is enough to clear nearly every image.
        row["blank"] = _is_flat(pixels[len(pixels) // 2]) and _is_flat(pixels)
        digest = hashlib.sha256(pixels)
        digest.update(repr(pixels.shape).encode())
        row["digest"] = int.from_bytes(digest.digest()[:8], "little")
    return rows, [tf.compat.as_str_any(example[spec.FILENAME]) for example in examples]


def _is_flat(pixels: np.ndarray) -> bool:
    channels = pixels.reshape(-1, pixels.shape[-1])
    return bool((np.ptp(channels, axis=0) <= _FLAT).all())


def _add_image(
    dataset: statistics_pb2.DatasetFeatureStatistics, rows: np.ndarray, filenames: list[str]
) -> None:
    feature = dataset.features.add(type=statistics_pb2.FeatureNameStatistics.BYTES)
    feature.path.step.append(spec.IMAGE)
    _fill_common(feature.bytes_stats.common_stats, len(rows), 0)
    if len(rows):
        feature.bytes_stats.avg_num_bytes = rows["num_bytes"].mean()
        feature.bytes_stats.min_num_bytes = rows["num_bytes"].min()
        feature.bytes_stats.max_num_bytes = rows["num_bytes"].max()
        feature.bytes_stats.max_num_bytes_int = rows["num_bytes"].max()
    _add_findings(feature, names.UNDECODABLE, ~rows["decodes"], filenames)
    _add_findings(feature, names.BLANK, rows["blank"], filenames)
    decoded = rows[rows["decodes"]]
    for name in (names.WIDTH, names.HEIGHT, names.BRIGHTNESS):
        _add_range(feature, name, decoded[name])


def _add_classes(
    dataset: statistics_pb2.DatasetFeatureStatistics,
    name: str,
    values: np.ndarray,
    label: LabelSettings,
) -> None:
    feature = dataset.features.add(type=statistics_pb2.FeatureNameStatistics.INT)
    feature.path.step.append(name)
    known = values[values != spec.MISSING_LABEL]
    stats = feature.string_stats
    _fill_common(stats.common_stats, len(known), len(values) - len(known))
    distinct, counts = np.unique(known, return_counts=True)
    stats.unique = len(distinct)
    ranked = np.argsort(-counts, kind="stable")
    for rank, index in enumerate(ranked[:_RANK_VALUES]):
        value, count = str(distinct[index]), counts[index]
        stats.rank_histogram.buckets.add(low_rank=rank, high_rank=rank, label=value, sample_count=count)
        if rank < _TOP_VALUES:
            stats.top_values.add(value=value, frequency=count)
    _add_range(feature, names.VALUE, known)
    if name == spec.IDENTITY:
        _add_range(feature, names.IMAGES_A_PERSON, counts)
    _add_by_name(feature, label, [np.sum(known == rank) for rank in range(len(label.names))])


def _add_numbers(
    dataset: statistics_pb2.DatasetFeatureStatistics,
    name: str,
    values: np.ndarray,
    label: LabelSettings,
) -> None:
    feature = dataset.features.add(type=statistics_pb2.FeatureNameStatistics.FLOAT)
    feature.path.step.append(name)
    there = ~np.isnan(values)
    num_labelled = there.any(axis=1).sum()
    known = values[there].astype(np.float64)
    stats = feature.num_stats
    _fill_common(stats.common_stats, num_labelled, len(values) - num_labelled, len(label.names))
    if len(known):
        stats.mean, stats.std_dev, stats.median = known.mean(), known.std(), np.median(known)
        stats.min, stats.max, stats.num_zeros = known.min(), known.max(), np.sum(known == 0)
    _add_range(feature, names.VALUE, known)
    counted = there if label.kind == REGRESSION else np.where(there, values, 0.0)
    _add_by_name(feature, label, counted.sum(axis=0, dtype=np.float64))


def _add_by_name(
    feature: statistics_pb2.FeatureNameStatistics,
    label: LabelSettings,
    counts: Sequence[float] | np.ndarray,
) -> None:
    if label.names:
        by_name = feature.custom_stats.add(name=names.BY_NAME).rank_histogram
        for rank, (name, count) in enumerate(zip(label.names, counts, strict=True)):
            by_name.buckets.add(low_rank=rank, high_rank=rank, label=name, sample_count=count)


def _add_duplicates(
    statistics: statistics_pb2.DatasetFeatureStatisticsList,
    rows: Mapping[str, np.ndarray],
    filenames: Mapping[str, list[str]],
    labels: Sequence[str],
) -> None:
    if not statistics.datasets:
        return
    everything = np.concatenate(list(rows.values()))
    # Images that do not decode have no pixels to compare: each is a group of its own.
    _, group = np.unique(everything["digest"], return_inverse=True)
    group[~everything["decodes"]] = len(everything) + np.arange(np.sum(~everything["decodes"]))
    _, first, group = np.unique(group, return_index=True, return_inverse=True)
    is_first = np.zeros(len(everything), bool)
    is_first[first] = True
    contradicted = {
        label: _contradicted_groups(group, everything[_LABELS][label], len(first)) for label in labels
    }
    ends = np.cumsum([len(part) for part in rows.values()])
    group_of = dict(zip(rows, np.split(group, ends[:-1]), strict=True))
    first_of = dict(zip(rows, np.split(is_first, ends[:-1]), strict=True))
    for dataset in statistics.datasets:
        own, own_names = group_of[dataset.name], filenames[dataset.name]
        _, first_here = np.unique(own, return_index=True)
        repeated = np.ones(len(own), bool)
        repeated[first_here] = False
        image = names.feature(dataset, spec.IMAGE)
        _add_findings(image, names.REPEATED, repeated, own_names)
        if dataset.name != spec.TRAIN and spec.TRAIN in group_of:
            in_train = np.isin(own, group_of[spec.TRAIN])
            _add_findings(image, names.IN_TRAINING, in_train, own_names)
        for label, groups in contradicted.items():
            found = first_of[dataset.name] & groups[own]
            _add_findings(names.feature(dataset, label), names.CONTRADICTED, found, own_names)


def _contradicted_groups(group: np.ndarray, labels: np.ndarray, num_groups: int) -> np.ndarray:
    """Which groups of identical images have more than one label, bool [num_groups]."""
    known = labels != spec.MISSING_LABEL
    pairs = np.unique(np.stack([group[known], labels[known]], axis=1), axis=0)
    return np.bincount(pairs[:, 0], minlength=num_groups) > 1


def _fill_common(
    common: statistics_pb2.CommonStatistics, num_present: int, num_missing: int, values_each: int = 1
) -> None:
    common.num_non_missing, common.num_missing = num_present, num_missing
    common.tot_num_values = num_present * values_each
    if num_present:
        common.min_num_values = common.max_num_values = values_each
        common.avg_num_values = values_each


def _add_range(feature: statistics_pb2.FeatureNameStatistics, name: str, values: np.ndarray) -> None:
    if len(values):
        for kind in names.RANGE:
            feature.custom_stats.add(name=f"{name}_{kind}", num=getattr(values, kind)())


def _add_findings(
    feature: statistics_pb2.FeatureNameStatistics,
    name: str,
    found: np.ndarray,
    filenames: list[str],
) -> None:
    feature.custom_stats.add(name=name, num=found.sum())
    some = [filenames[index] for index in np.flatnonzero(found)[: names.FILENAMES_KEPT]]
    if some:
        feature.custom_stats.add(name=f"{name}{names.FILENAMES}", str="\n".join(some))

"""Statistics as plain numbers, for reports."""

from typing import Any

from tensorflow_metadata.proto.v0 import statistics_pb2

from kfer import spec
from kfer.data_validation import names


def summary(statistics: statistics_pb2.DatasetFeatureStatisticsList) -> dict[str, Any]:
    """Returns the statistics that people ask for, ready for JSON.

    Args:
        statistics: From `compute_statistics`.

    Returns:
        For each split: `num_examples`; `expressions`: examples of each class by its name; `labels`: of
        each label besides expression and identity, how many examples are `missing` it, and `by_name`,
        how much there is of each name (see `kfer.data_validation.names.BY_NAME`), and `values`: `min`,
        `mean` and `max` of its numbers, or None for classes and where nothing is labelled;
        `without_expression`, `without_identity`: examples without the label; `num_people`; `sources`:
        examples of each by its name; `undecodable_images`, `blank_images`; `repeated_images`: identical
        to an earlier one of the split; `images_in_training`: identical to a training image;
        `contradicted_expressions`, `contradicted_identities`: groups of identical images with several
        labels, counted in the split of their first image; and `width`, `height` (pixels), `brightness`
        (0 to 255), `images_a_person`: `min`, `mean` and `max`, or None where nothing was measured.
    """
    return {dataset.name: _summary_of_split(dataset) for dataset in statistics.datasets}


def _summary_of_split(dataset: statistics_pb2.DatasetFeatureStatistics) -> dict[str, Any]:
    image, expression, identity, source = (
        names.feature(dataset, key) for key in (spec.IMAGE, *names.LABELS)
    )
    return {
        "num_examples": int(dataset.num_examples),
        "expressions": _counts(expression),
        "labels": {
            label: _summary_of_label(names.feature(dataset, label)) for label in names.further(dataset)
        },
        "without_expression": names.num_missing(expression),
        "without_identity": names.num_missing(identity),
        "num_people": int(identity.string_stats.unique),
        "sources": _counts(source),
        "undecodable_images": names.number(image, names.UNDECODABLE),
        "blank_images": names.number(image, names.BLANK),
        "repeated_images": names.number(image, names.REPEATED),
        "images_in_training": names.number(image, names.IN_TRAINING),
        "contradicted_expressions": names.number(expression, names.CONTRADICTED),
        "contradicted_identities": names.number(identity, names.CONTRADICTED),
        "width": names.value_range(image, names.WIDTH),
        "height": names.value_range(image, names.HEIGHT),
        "brightness": names.value_range(image, names.BRIGHTNESS),
        "images_a_person": names.value_range(identity, names.IMAGES_A_PERSON),
    }


def _summary_of_label(statistics: statistics_pb2.FeatureNameStatistics) -> dict[str, Any]:
    is_integer = statistics.type == statistics_pb2.FeatureNameStatistics.INT
    return {
        "missing": names.num_missing(statistics),
        "by_name": _counts(statistics) if is_integer else names.by_name(statistics),
        "values": None if is_integer else names.value_range(statistics, names.VALUE),
    }


def _counts(statistics: statistics_pb2.FeatureNameStatistics) -> dict[str, int]:
    return {name: int(count) for name, count in names.by_name(statistics).items()}

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
        For each split: `num_examples`; `expressions`: examples of each class by its name;
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
        "expressions": names.by_name(expression),
        "without_expression": int(expression.string_stats.common_stats.num_missing),
        "without_identity": int(identity.string_stats.common_stats.num_missing),
        "num_people": int(identity.string_stats.unique),
        "sources": names.by_name(source),
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

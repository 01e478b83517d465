"""What the statistics' own figures are called, and how to read them."""

from tensorflow_metadata.proto.v0 import statistics_pb2

from kfer import spec

#: The labels that every example has a place for.
LABELS = (spec.EXPRESSION, spec.IDENTITY, spec.SOURCE)

#: Images of a split, and how many names of their files are kept.
UNDECODABLE = "undecodable_images"
BLANK = "blank_images"
REPEATED = "images_identical_to_an_earlier_one"
IN_TRAINING = "images_identical_to_a_training_image"
#: Groups of identical images that have several labels; counted in the split of their first image.
CONTRADICTED = "identical_images_with_several_labels"
FILENAMES = "_filenames"
FILENAMES_KEPT = 5

#: Ranges: each is three figures, `<name>_min`, `<name>_mean` and `<name>_max`.
RANGE = ("min", "mean", "max")
WIDTH, HEIGHT, BRIGHTNESS = "width", "height", "brightness"
VALUE = "value"
IMAGES_A_PERSON = "images_a_person"
#: How much there is of each name of a label: the examples of a class, the sum of the shares or of the
#: numbers in [0, 1] of one among several, the numbers of a regression that are not missing.
BY_NAME = "examples_by_name"


def split(
    statistics: statistics_pb2.DatasetFeatureStatisticsList, name: str
) -> statistics_pb2.DatasetFeatureStatistics:
    """Returns the statistics of one split.

    Raises:
        ValueError: There are none.
    """
    for dataset in statistics.datasets:
        if dataset.name == name:
            return dataset
    found = ", ".join(dataset.name for dataset in statistics.datasets)
    raise ValueError(f"expected statistics of split {name!r}; got {found or 'none'}")


def feature(
    dataset: statistics_pb2.DatasetFeatureStatistics, key: str
) -> statistics_pb2.FeatureNameStatistics:
    """Returns the statistics of one feature.

    Raises:
        ValueError: There are none.
    """
    for candidate in dataset.features:
        if list(candidate.path.step) == [key]:
            return candidate
    found = ", ".join("/".join(candidate.path.step) for candidate in dataset.features)
    raise ValueError(f"expected statistics of {key!r} in split {dataset.name!r}; got {found or 'none'}")


def number(statistics: statistics_pb2.FeatureNameStatistics, name: str) -> int:
    """Returns a count that kfer added; 0 where there is none."""
    return next((int(one.num) for one in statistics.custom_stats if one.name == name), 0)


def value_range(statistics: statistics_pb2.FeatureNameStatistics, name: str) -> dict[str, float] | None:
    """Returns `min`, `mean` and `max` of what was measured; None where nothing was."""
    measured = {one.name: one.num for one in statistics.custom_stats}
    if f"{name}_{RANGE[0]}" not in measured:
        return None
    return {kind: measured[f"{name}_{kind}"] for kind in RANGE}


def filenames(statistics: statistics_pb2.FeatureNameStatistics, name: str) -> list[str]:
    """Returns the names of some of the files that were counted under `name`."""
    wanted = name + FILENAMES
    text = next((one.str for one in statistics.custom_stats if one.name == wanted), "")
    return text.split("\n") if text else []


def by_name(statistics: statistics_pb2.FeatureNameStatistics) -> dict[str, float]:
    """Returns `BY_NAME`, in the order of the label; empty for identities."""
    for one in statistics.custom_stats:
        if one.name == BY_NAME:
            return {bucket.label: bucket.sample_count for bucket in one.rank_histogram.buckets}
    return {}


def further(dataset: statistics_pb2.DatasetFeatureStatistics) -> list[str]:
    """Returns which labels examples have besides `LABELS`."""
    features = [one.path.step[0] for one in dataset.features]
    return [name for name in features if name != spec.IMAGE and name not in LABELS]


def num_labelled(statistics: statistics_pb2.FeatureNameStatistics) -> int:
    """Returns how many examples have a label, or a part of it."""
    return int(_common(statistics).num_non_missing)


def num_missing(statistics: statistics_pb2.FeatureNameStatistics) -> int:
    """Returns how many examples have no label."""
    return int(_common(statistics).num_missing)


def _common(statistics: statistics_pb2.FeatureNameStatistics) -> statistics_pb2.CommonStatistics:
    return getattr(statistics, statistics.WhichOneof("stats")).common_stats

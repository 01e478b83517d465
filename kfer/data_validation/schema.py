"""What examples are expected to look like, taken from the training split."""

from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from kfer import spec
from kfer.data_validation import names


def infer_schema(statistics: statistics_pb2.DatasetFeatureStatisticsList) -> schema_pb2.Schema:
    """Returns the schema of the training split's examples.

    Labels of classes and people are integers with a domain. Where they have names, the schema has a
    string domain of the feature's name that lists them in the order of the labels. Other labels are
    floats, as many as they have names; whoever edits the schema can give them a domain.

    Args:
        statistics: From `compute_statistics`.

    Raises:
        ValueError: There are no statistics of a training split.
    """
    training = names.split(statistics, spec.TRAIN)
    schema = schema_pb2.Schema()
    image = schema.feature.add(name=spec.IMAGE, type=schema_pb2.BYTES)
    image.image_domain.SetInParent()
    image.presence.min_fraction = 1.0
    image.presence.min_count = 1
    image.value_count.min = image.value_count.max = 1
    for label in (*names.LABELS, *names.further(training)):
        known = names.feature(training, label)
        is_integer = known.type == statistics_pb2.FeatureNameStatistics.INT
        feature = schema.feature.add(name=label, type=schema_pb2.INT if is_integer else schema_pb2.FLOAT)
        own_names = names.by_name(known)
        values_each = 1 if is_integer else len(own_names)
        feature.value_count.min = feature.value_count.max = values_each
        if is_integer:
            feature.int_domain.name = label
            feature.int_domain.is_categorical = True
            feature.int_domain.min = 0
            if own_names:
                feature.int_domain.max = len(own_names) - 1
                schema.string_domain.add(name=label, value=own_names)
        if names.num_labelled(known):
            feature.presence.min_count = 1
    return schema

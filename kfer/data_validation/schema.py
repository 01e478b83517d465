"""What examples are expected to look like, taken from the training split."""

from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from kfer import spec
from kfer.data_validation import names


def infer_schema(statistics: statistics_pb2.DatasetFeatureStatisticsList) -> schema_pb2.Schema:
    """Returns the schema of the training split's examples.

    Labels are integers with a domain. Where they have names, the schema has a string domain of the
    feature's name that lists them in the order of the labels.

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
    for label in names.LABELS:
        known = names.feature(training, label)
        feature = schema.feature.add(name=label, type=schema_pb2.INT)
        feature.int_domain.name = label
        feature.int_domain.is_categorical = True
        feature.int_domain.min = 0
        class_names = names.by_name(known)
        if class_names:
            feature.int_domain.max = len(class_names) - 1
            schema.string_domain.add(name=label, value=class_names)
        if names.num_labelled(known):
            feature.presence.min_count = 1
    for feature in schema.feature:
        feature.value_count.min = feature.value_count.max = 1
    return schema

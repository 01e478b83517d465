"""Statistics, schema and anomalies of the examples, in tensorflow-metadata's messages.

The files open in TensorFlow Data Validation. The figures that it does not know, such as blank images,
are custom statistics, whose names are in `kfer.data_validation.names`.
"""

from kfer.data_validation.anomalies import anomaly_rows, has_errors, validate
from kfer.data_validation.files import (
    load_anomalies,
    load_schema,
    load_statistics,
    save_anomalies,
    save_schema,
    save_statistics,
)
from kfer.data_validation.schema import infer_schema
from kfer.data_validation.statistics import compute_statistics
from kfer.data_validation.summary import summary

__all__ = [
    "anomaly_rows",
    "compute_statistics",
    "has_errors",
    "infer_schema",
    "load_anomalies",
    "load_schema",
    "load_statistics",
    "save_anomalies",
    "save_schema",
    "save_statistics",
    "summary",
    "validate",
]

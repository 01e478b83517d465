"""The messages as files, named as TensorFlow Extended names them."""

from pathlib import Path
from typing import TypeVar

from google.protobuf import text_format
from google.protobuf.message import Message
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2

from kfer.files import named_if_damaged

STATISTICS_FILE = "FeatureStats.pb"
SCHEMA_FILE = "schema.pbtxt"
ANOMALIES_FILE = "SchemaDiff.pb"

M = TypeVar("M", bound=Message)


def save_statistics(statistics: statistics_pb2.DatasetFeatureStatisticsList, folder: Path) -> Path:
    """Writes `FeatureStats.pb` into a folder that exists; returns its path."""
    return _save(statistics.SerializeToString(deterministic=True), folder / STATISTICS_FILE)


def load_statistics(folder: Path) -> statistics_pb2.DatasetFeatureStatisticsList:
    """Reads `FeatureStats.pb`.

    Raises:
        FileNotFoundError: The folder has none.
        DamagedError: It is damaged.
    """
    return _load(statistics_pb2.DatasetFeatureStatisticsList(), folder / STATISTICS_FILE)


def save_schema(schema: schema_pb2.Schema, folder: Path) -> Path:
    """Writes `schema.pbtxt`, which people read and edit, into a folder that exists; returns its path."""
    return _save(text_format.MessageToString(schema).encode(), folder / SCHEMA_FILE)


def load_schema(folder: Path) -> schema_pb2.Schema:
    """Reads `schema.pbtxt`.

    Raises:
        FileNotFoundError: The folder has none.
        DamagedError: It is no schema; the message gives the line.
    """
    path = folder / SCHEMA_FILE
    with named_if_damaged(path, "expected a schema in text form; mend it, or move it away"):
        return text_format.Parse(path.read_text(encoding="utf-8"), schema_pb2.Schema())


def save_anomalies(anomalies: anomalies_pb2.Anomalies, folder: Path) -> Path:
    """Writes `SchemaDiff.pb` into a folder that exists; returns its path."""
    return _save(anomalies.SerializeToString(deterministic=True), folder / ANOMALIES_FILE)


def load_anomalies(folder: Path) -> anomalies_pb2.Anomalies:
    """Reads `SchemaDiff.pb`.

    Raises:
        FileNotFoundError: The folder has none.
        DamagedError: It is damaged.
    """
    return _load(anomalies_pb2.Anomalies(), folder / ANOMALIES_FILE)


def _save(content: bytes, path: Path) -> Path:
    path.write_bytes(content)
    return path


def _load(message: M, path: Path) -> M:
    with named_if_damaged(path, f"expected a serialized {message.DESCRIPTOR.name}; write it anew"):
        message.ParseFromString(path.read_bytes())
    return message

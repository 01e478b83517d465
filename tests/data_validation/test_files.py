import pytest
import toy_examples as toy
from tensorflow_metadata.proto.v0 import anomalies_pb2

from kfer import data_validation
from kfer.settings import default_tasks


def test_files_give_back_what_was_saved(tmp_path):
    statistics = toy.statistics(toy.splits(test=[]))
    schema = data_validation.infer_schema(statistics)
    anomalies = data_validation.validate(statistics, schema, 0.02, default_tasks())
    assert data_validation.save_statistics(statistics, tmp_path).name == "FeatureStats.pb"
    data_validation.save_schema(schema, tmp_path)
    assert data_validation.save_anomalies(anomalies, tmp_path).name == "SchemaDiff.pb"
    assert data_validation.load_statistics(tmp_path) == statistics
    assert data_validation.load_schema(tmp_path) == schema
    assert data_validation.load_anomalies(tmp_path) == anomalies
    assert anomalies.baseline == schema
    assert anomalies.dataset_anomaly_info.severity == anomalies_pb2.AnomalyInfo.WARNING


def test_damaged_files_are_named(tmp_path):
    (tmp_path / "FeatureStats.pb").write_bytes(b"\xff" * 9)
    with pytest.raises(ValueError, match=r"FeatureStats.pb is damaged .*expected a serialized Data"):
        data_validation.load_statistics(tmp_path)
    (tmp_path / "schema.pbtxt").write_text("feature { nose: 1 }")
    with pytest.raises(ValueError, match=r"schema.pbtxt is damaged .*nose.*schema in text form"):
        data_validation.load_schema(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"SchemaDiff\.pb"):
        data_validation.load_anomalies(tmp_path)

import pytest
import toy_examples as toy
from tensorflow_metadata.proto.v0 import schema_pb2

from kfer import data_validation
from kfer.settings import LabelSettings, default_tasks


def test_schema_has_types_domains_and_names():
    schema = data_validation.infer_schema(toy.statistics(toy.splits()))
    features = {feature.name: feature for feature in schema.feature}
    assert features["image"].type == schema_pb2.BYTES
    assert features["image"].HasField("image_domain")
    expression = features["expression"]
    assert expression.type == schema_pb2.INT
    assert expression.int_domain.is_categorical
    assert (expression.int_domain.min, expression.int_domain.max) == (0, 2)
    assert not features["identity"].int_domain.HasField("max")
    assert {domain.name: tuple(domain.value) for domain in schema.string_domain} == {
        "expression": toy.CLASSES,
        "source": toy.SOURCES,
    }


def test_further_labels_are_integers_with_names_or_as_many_floats():
    train = [
        toy.example(toy.image(number), pose=number % 2, landmarks=[1.0, 2.0, 3.0]) for number in range(3)
    ]
    statistics = toy.statistics(
        {"train": train},
        pose=LabelSettings("classes", ("left", "right")),
        landmarks=LabelSettings("regression", ("y", "x", "z")),
    )
    schema = data_validation.infer_schema(statistics)
    features = {feature.name: feature for feature in schema.feature}
    assert features["pose"].int_domain.max == 1
    assert features["landmarks"].type == schema_pb2.FLOAT
    assert not features["landmarks"].HasField("float_domain")
    assert features["landmarks"].value_count.min == features["landmarks"].value_count.max == 3
    assert features["pose"].value_count.max == features["image"].value_count.max == 1
    domains = {domain.name: tuple(domain.value) for domain in schema.string_domain}
    assert domains["pose"] == ("left", "right")
    assert "landmarks" not in domains


def test_schema_needs_a_training_split():
    with pytest.raises(ValueError, match="expected statistics of split 'train'; got test"):
        data_validation.infer_schema(toy.statistics({"test": toy.healthy(0, 9)}))


def test_an_edited_schema_is_what_counts(tmp_path):
    statistics = toy.statistics(toy.splits())
    path = data_validation.save_schema(data_validation.infer_schema(statistics), tmp_path)
    assert path.name == "schema.pbtxt"
    path.write_text(path.read_text().replace("max: 2", "max: 1"))
    edited = data_validation.load_schema(tmp_path)
    rows = data_validation.anomaly_rows(
        data_validation.validate(statistics, edited, 0.02, default_tasks())
    )
    assert {row["short"] for row in rows} == {
        f"Labels outside the domain in {split}" for split in ("train", "validation", "test")
    }

import pytest
import tensorflow as tf

from kfer.input_pipeline import records
from kfer.settings import LabelSettings


def example(number: int) -> dict:
    return {
        "image": b"\xff\0" * number,
        "expression": -1,
        "identity": number,
        "source": 0,
        "filename": f"Zoë_{number}.jpg",
    }


def test_examples_come_back_in_order(tmp_path):
    examples = [example(number) for number in range(5)]
    assert records.write_examples(examples, tmp_path / "Split-train") == 5
    read = list(records.read_examples(tmp_path / "Split-train").as_numpy_iterator())
    assert [{**e, "filename": e["filename"].decode()} for e in read] == examples
    assert list(records.iterate_examples(tmp_path / "Split-train")) == examples


def test_further_labels_come_back(tmp_path):
    further = {
        "pose": LabelSettings("classes", ("left", "right")),
        "landmarks": LabelSettings("regression", ("y", "x")),
    }
    examples = [{**example(1), "pose": -1, "landmarks": [0.5, -3.0]}]
    records.write_examples(examples, tmp_path, further)
    assert list(records.iterate_examples(tmp_path, further)) == examples
    (read,) = records.read_examples(tmp_path, further)
    assert read["pose"].dtype == tf.int64
    assert read["landmarks"].numpy().tolist() == [0.5, -3.0]
    assert list(records.iterate_examples(tmp_path)) == [example(1)]  # unless they are asked for


def test_pairs_come_back(tmp_path):
    pair = {"image_a": b"a", "image_b": b"b", "same": 1, "fold": -1, "source": 2}
    assert records.write_pairs([pair], tmp_path) == 1
    assert list(records.read_pairs(tmp_path).as_numpy_iterator()) == [pair]


def test_file_is_named_and_read_as_in_tfx(tmp_path):
    records.write_examples([example(3)], tmp_path)
    (path,) = tmp_path.iterdir()
    assert path.name == "data_tfrecord-00000-of-00001"
    (record,) = tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
    message = tf.train.Example.FromString(record)
    assert message.features.feature["identity"].int64_list.value == [3]


@pytest.mark.parametrize("count", [0, 1, 7])
def test_count(tmp_path, count):
    records.write_examples((example(number) for number in range(count)), tmp_path)
    assert records.count_records(tmp_path) == count


@pytest.mark.parametrize("missing_bytes", [1, 50])
def test_count_tells_a_cut_file(tmp_path, missing_bytes):
    records.write_examples([example(1), example(2)], tmp_path)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-missing_bytes])
    with pytest.raises(ValueError, match="ends within record 2"):
        records.count_records(tmp_path)


def test_what_is_interrupted_leaves_no_file(tmp_path):
    def interrupted():
        yield example(1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        records.write_examples(interrupted(), tmp_path)
    assert not list(tmp_path.iterdir())
    with pytest.raises(FileNotFoundError, match="has no file like data_tfrecord"):
        records.read_examples(tmp_path)

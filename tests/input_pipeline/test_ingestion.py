import numpy as np
import pytest

from kfer import datasets
from kfer.input_pipeline import decode_source, ingestion, records
from kfer.settings import DataSettings, SourceSettings

LABELS = {"expression": {"anger": "angry", "contempt": ""}}
DATA = DataSettings(
    sources=(
        SourceSettings(
            "numbers",
            labels=LABELS,
            pairs=("train", "test"),
            pairs_dataset="pairs",
        ),
        SourceSettings("integers", splits={"train": "train[:1]"}),
    ),
    image_size=32,
)


@pytest.fixture
def by_name(faces, monkeypatch):
    """The tiny datasets take the place of those that are found by name."""
    monkeypatch.setattr(datasets, "builder", lambda name, data_dir: faces(name))


@pytest.mark.usefixtures("by_name")
def test_sources_are_written_as_splits_with_labels(tmp_path):
    labels = ingestion.write_sources(tmp_path, DATA, "", tmp_path)
    assert labels == {
        "expressions": list(DATA.expressions),
        "sources": ["numbers", "integers"],
        "num_identities": 2,
        "num_examples": {"train": 5, "validation": 2, "test": 2},
        "num_pairs": 6,
    }
    train = list(records.iterate_examples(tmp_path / "Split-train"))
    assert [example["source"] for example in train] == [0, 0, 0, 0, 1]
    assert sorted(example["identity"] for example in train) == [-1, -1, 0, 1, 1]
    test = list(records.iterate_examples(tmp_path / "Split-test"))
    assert sorted(example["identity"] for example in test) == [2, 3]
    assert records.count_records(tmp_path / "Split-pairs") == 6


@pytest.mark.usefixtures("by_name")
def test_a_split_that_no_source_has_is_empty(tmp_path):
    source = SourceSettings("integers", splits={"train": "train"})
    labels = ingestion.write_sources(tmp_path, DataSettings(sources=(source,)), "", tmp_path)
    assert labels["num_examples"] == {"train": 4, "validation": 0, "test": 0}
    assert labels["num_pairs"] == 0
    assert records.count_records(tmp_path / "Split-test") == 0
    assert not (tmp_path / "Split-pairs").exists()


def test_a_split_is_decoded_once_without_a_pipeline(faces, tmp_path):
    source = DATA.sources[0]
    train = decode_source(faces("numbers"), "train", source, DATA, tmp_path)
    assert train.images.shape == (4, 32, 32, 1)
    assert sorted(train.identity.tolist()) == [-1, 0, 1, 1]
    (folder,) = tmp_path.iterdir()
    (folder / "expression.npy").write_bytes((folder / "identity.npy").read_bytes())
    again = decode_source(faces("numbers"), "train", source, DATA, tmp_path)
    np.testing.assert_array_equal(again.expression, train.identity)  # Read, not made again.
    decode_source(faces("numbers"), "validation", source, DATA, tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


def test_too_many_bad_images_stop_and_are_not_taken_from_the_cache(faces, tmp_path):
    # Text that is no image stands where images are expected.
    source = SourceSettings("texts", features={"image": "label"})
    for _ in range(2):
        with pytest.raises(ValueError, match=r"4 of 4 images of .* do not decode; at most 2% may"):
            decode_source(faces("texts"), "train", source, DATA, tmp_path)

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from kfer import datasets, spec
from kfer.input_pipeline import decode_source, ingestion, records
from kfer.settings import DataSettings, SourceSettings, TaskSettings, default_tasks, labels_of

LABELS = labels_of(default_tasks())
MAPPED = {"expression": {"anger": "angry", "contempt": ""}}
DATA = DataSettings(
    sources=(
        SourceSettings(
            "numbers",
            labels=MAPPED,
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
    facts = ingestion.write_sources(tmp_path, DATA, LABELS, "", tmp_path)
    assert len(facts.pop("digest")) == 64
    assert facts == {
        "labels": {
            "expression": {"kind": "classes", "names": spec.EXPRESSIONS},
            "identity": {"kind": "embedding", "names": ()},
        },
        "sources": ["numbers", "integers"],
        "versions": [f"input_pipeline_faces/{name}/1.0.0" for name in ("numbers", "integers")],
        "num_identities": 2,
        "num_examples": {"train": 5, "validation": 2, "test": 2},
        "num_pairs": 6,
        "left_out": [],
    }
    train = list(records.iterate_examples(tmp_path / "Split-train"))
    assert [example["source"] for example in train] == [0, 0, 0, 0, 1]
    assert sorted(example["identity"] for example in train) == [-1, -1, 0, 1, 1]
    test = list(records.iterate_examples(tmp_path / "Split-test"))
    assert sorted(example["identity"] for example in test) == [2, 3]
    assert records.count_records(tmp_path / "Split-pairs") == 6


def test_what_a_folder_holds_and_the_dataset_does_not_is_among_the_facts(tmp_path):
    for name in ("1.png", "2.png"):
        path = tmp_path / "mine/train/happy" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(tf.io.encode_png(np.zeros((8, 8, 3), np.uint8)).numpy())
    (tmp_path / "mine/train/happy/3.AVIF").write_bytes(b"x")
    arguments = {"path": str(tmp_path / "mine"), "task": "expression"}
    source = SourceSettings("image_folder", arguments=arguments, splits={"train": "train"})
    for _ in range(2):  # prepared, and taken from there
        data = DataSettings(sources=(source,))
        facts = ingestion.write_sources(tmp_path / "out", data, LABELS, "", tmp_path / "prepared")
        assert facts["left_out"] == [
            {
                "source": "image_folder",
                "reason": ".avif, a format that is not read",
                "count": 1,
                "names": ["train/happy/3.AVIF"],
            }
        ]


@pytest.mark.usefixtures("by_name")
def test_a_split_that_no_source_has_is_empty(tmp_path):
    source = SourceSettings("integers", splits={"train": "train"})
    facts = ingestion.write_sources(tmp_path, DataSettings(sources=(source,)), LABELS, "", tmp_path)
    assert facts["num_examples"] == {"train": 4, "validation": 0, "test": 0}
    assert facts["num_pairs"] == 0
    assert records.count_records(tmp_path / "Split-test") == 0
    assert not (tmp_path / "Split-pairs").exists()


@pytest.mark.usefixtures("by_name")
def test_a_dataset_that_comes_again_has_a_name_of_its_own(tmp_path):
    names = ("integers", "numbers", "numbers", "numbers")
    sources = tuple(SourceSettings(name, labels=MAPPED if name == "numbers" else {}) for name in names)
    facts = ingestion.write_sources(tmp_path, DataSettings(sources=sources), LABELS, "", tmp_path)
    assert facts["sources"] == ["integers", "numbers", "numbers_2", "numbers_3"]


def test_a_split_is_decoded_once_without_a_pipeline(faces, tmp_path):
    source = DATA.sources[0]
    train = decode_source(faces("numbers"), "train", source, DATA, LABELS, tmp_path)
    assert train.images.shape == (4, 32, 32, 1)
    assert sorted(train.identity.tolist()) == [-1, 0, 1, 1]
    (folder,) = tmp_path.glob("[!.]*")
    (folder / "expression.npy").write_bytes((folder / "identity.npy").read_bytes())
    again = decode_source(faces("numbers"), "train", source, DATA, LABELS, tmp_path)
    np.testing.assert_array_equal(again.expression, train.identity)  # Read, not made again.
    decode_source(faces("numbers"), "validation", source, DATA, LABELS, tmp_path)
    assert len(list(tmp_path.glob("[!.]*"))) == 2


def test_what_was_decoded_before_is_decoded_again_of_other_data(faces, tmp_path):
    source, builder = DATA.sources[0], faces("numbers")
    decode_source(builder, "train", source, DATA, LABELS, tmp_path)
    (before,) = tmp_path.glob("[!.]*")
    info = Path(builder.data_dir) / "dataset_info.json"
    os.utime(info, ns=(0, info.stat().st_mtime_ns + 1))  # As if it had been prepared again.
    decode_source(builder, "train", source, DATA, LABELS, tmp_path)
    (after,) = tmp_path.glob("[!.]*")
    assert after != before


def test_too_many_bad_images_stop_and_are_not_taken_from_the_cache(faces, tmp_path):
    # Text that is no image stands where images are expected.
    source = SourceSettings("texts", features={"image": "label"})
    for _ in range(2):
        with pytest.raises(ValueError, match=r"4 of 4 images of .* do not decode; at most 2% may"):
            decode_source(faces("texts"), "train", source, DATA, LABELS, tmp_path)


def some_of_fer2013(data_dir: Path, folder: Path, each: int = 30) -> None:
    """The first images of each split with the real FER+ votes."""
    with (
        zipfile.ZipFile(data_dir / "fer2013" / "archive.zip") as archive,
        zipfile.ZipFile(folder / "archive.zip", "w") as chosen,
    ):
        for usage in ("Training_", "PublicTest_", "PrivateTest_"):
            for name in [name for name in archive.namelist() if usage in name][:each]:
                chosen.writestr(name, archive.read(name))


@pytest.mark.parametrize(
    ("config", "names"),
    [
        ("ferplus_distribution", (*spec.EXPRESSIONS, "contempt")),
        ("ferplus_distribution_seven", spec.EXPRESSIONS),
    ],
)
def test_votes_of_ferplus_are_labels_of_soft_classes(test_data, tmp_path, config, names):
    (tmp_path / "fer2013").mkdir()
    (tmp_path / "ferplus").symlink_to(test_data / "ferplus")
    some_of_fer2013(test_data, tmp_path / "fer2013")
    votes = TaskSettings("soft_classes", names=names, feature="expression_distribution")
    sources = (SourceSettings(f"fer2013/{config}"), SourceSettings("fer2013"))
    labels = labels_of({**default_tasks(), "votes": votes})
    data = DataSettings(sources)
    decoded = []
    for source in sources:
        builder = datasets.builder(source.dataset, tmp_path / "prepared")
        datasets.prepare(builder, tmp_path)
        decoded.append(decode_source(builder, "train", source, data, labels, tmp_path / "decoded"))
    voted, without = decoded
    shares = voted.label("expression_distribution")
    assert 20 < len(voted) <= 30
    assert shares.shape == (len(voted), len(names)) and shares.dtype == np.float32
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-6)
    assert ((shares > 0) & (shares < 1)).any()  # voters disagree
    agreed = voted.expression >= 0
    assert agreed.sum() > 15
    np.testing.assert_array_equal(shares.argmax(axis=1)[agreed], voted.expression[agreed])
    assert np.isnan(without.label("expression_distribution")).all()
    assert without.label("expression_distribution").shape == (30, len(names))

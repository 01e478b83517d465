"""What `kfer align` writes is a dataset that a pipeline can be trained on."""

import tensorflow_datasets as tfds
from disc_faces import Discs, scene
from PIL import Image

from kfer import commands, datasets
from kfer.inference import detection


def test_aligned_folders_are_an_image_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(detection, "load", lambda *arguments, **settings: Discs())
    for number, (split, person) in enumerate((("train", "red"), ("train", "blue"), ("test", "red"))):
        folder = tmp_path / "album" / split / person
        folder.mkdir(parents=True)
        Image.fromarray(scene((person, 100, 120, 30))).save(folder / f"{number}.jpg")
    Image.fromarray(scene()).save(folder / "nobody.png")
    arguments = (str(tmp_path / "album"), str(tmp_path / "faces"), "--workers", "1")
    assert commands.run("align", arguments) == 0
    assert "nobody.png,no face" in (tmp_path / "faces" / "not_found.csv").read_text()
    made = datasets.builder("image_folder", tmp_path / "tfds", path=tmp_path / "faces", task="identity")
    datasets.prepare(made, "")
    assert made.info.features["identity"].names == ["blue", "red"]
    assert {split: info.num_examples for split, info in made.info.splits.items()} == {
        "train": 2,
        "test": 1,
    }
    (face,) = tfds.as_numpy(made.as_dataset(split="test"))
    assert face["image"].shape == (112, 112, 3)

"""A tiny dataset of faces and one of pairs, prepared by TFDS."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

NAMES = ("anger", "happy", "contempt")
#: Own identity and expression (-1: missing) of each example of each split.
FACES = {
    "train": [(7, 0), (7, 1), (5, 1), (-1, -1)],
    "validation": [(2, 1), (5, 0)],
    "test": [(9, 2), (2, -1)],
}


def png(seed: int, channels: int = 3) -> bytes:
    image = np.random.default_rng(seed).integers(0, 256, [10, 12, channels], dtype=np.uint8)
    return tf.io.encode_png(image).numpy()


class InputPipelineFaces(tfds.core.GeneratorBasedBuilder):
    """The same faces with labels of classes, of text and of integers, and pairs of them."""

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = [
        tfds.core.BuilderConfig(name=name) for name in ("numbers", "texts", "integers", "pairs")
    ]

    def _info(self) -> tfds.core.DatasetInfo:
        image = tfds.features.Image(shape=(None, None, 3))
        features: dict[str, Any] = {
            "numbers": {
                "image": image,
                "expression": tfds.features.ClassLabel(names=NAMES),
                "identity": tfds.features.ClassLabel(num_classes=10),
                "filename": tfds.features.Text(),
                "landmarks": tfds.features.Tensor(shape=(2,), dtype=np.float32),
            },
            "texts": {
                "photo": tfds.features.Text(),
                "feeling": tfds.features.Text(),
                "label": tfds.features.Text(),
            },
            "integers": {"image": image, "expression": tfds.features.Scalar(np.int32)},
            "pairs": {
                "image_a": image,
                "image_b": image,
                "same": tfds.features.ClassLabel(names=["different", "same"]),
            },
        }[self.builder_config.name]
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator]:
        del dl_manager
        return {split: self._generate_examples(split) for split in FACES}

    def _generate_examples(self, split: str) -> Iterator[tuple[int, dict[str, Any]]]:
        for key, (identity, expression) in enumerate(FACES[split]):
            values = {
                "image": io.BytesIO(png(key)),
                "expression": expression,
                "identity": identity,
                "filename": f"{split}/{key}.png",
                "landmarks": [-1.0, 3.0],
                "photo": png(key, 1),
                "feeling": NAMES[expression] if expression >= 0 else "",
                "label": f"Person_{identity}" if identity >= 0 else "",
                "image_a": io.BytesIO(png(key)),
                "image_b": io.BytesIO(png(key + 1)),
                "same": key % 2,
            }
            yield key, {name: values[name] for name in self.info.features}


@pytest.fixture(scope="session")
def faces_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A TFDS folder with all configs of the tiny dataset."""
    folder = tmp_path_factory.mktemp("tfds")
    for config in InputPipelineFaces.builder_configs:
        InputPipelineFaces(config=config, data_dir=str(folder)).download_and_prepare()
    return folder


@pytest.fixture
def faces(faces_dir: Path) -> Any:
    """The builder of a config."""
    return lambda config: InputPipelineFaces(config=config, data_dir=str(faces_dir))

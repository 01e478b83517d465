from pathlib import Path

import keras
import pytest

from kfer.pretrained import load_weights


@pytest.fixture
def network() -> keras.Model:
    images = keras.Input((2,))
    return keras.Model(images, keras.layers.Dense(1)(images))


@pytest.mark.parametrize("name", ["a.h5", "a.ckpt", "a.bin", "weights.h5", "imagenet"])
def test_another_ending_lists_those_allowed(network: keras.Model, name: str) -> None:
    match = rf"end in \.weights\.h5, \.keras, \.pth, \.pt, \.safetensors, \.dat; got '{name}'"
    with pytest.raises(ValueError, match=match):
        load_weights(network, name)


@pytest.mark.parametrize("ending", [".weights.h5", ".keras", ".pth", ".pt", ".safetensors"])
def test_a_missing_file_is_named(network: keras.Model, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"nothing{ending}"
    with pytest.raises(FileNotFoundError, match=f"{path}; name one that is there"):
        load_weights(network, path)

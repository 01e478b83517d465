from pathlib import Path

import keras
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from kfer import backbones
from kfer.pretrained import load_weights, pth

RESNET = {"width": 4, "blocks": (1, 2, 1, 1), "num_classes": 5}
DENSENET = {"growth_rate": 4, "stem_filters": 8, "blocks": (2, 3, 2, 2), "num_classes": 5}


@pytest.fixture(scope="module")
def densenet() -> keras.Model:
    return backbones.build("densenet161", (32, 32, 3), **DENSENET)


def one_layer() -> keras.Model:
    images = keras.Input((4, 4, 3))
    return keras.Model(images, keras.layers.Conv2D(2, 1, name="conv")(images))


def saved(path: Path, **arrays: np.ndarray) -> Path:
    save_file({key.replace("_", "."): value for key, value in arrays.items()}, path)
    return path


def test_every_key_of_a_network_of_torchvision_is_used(fixtures, densenet: keras.Model) -> None:
    load_weights(densenet, fixtures / "densenet.pth")
    weights = [w for layer in densenet.layers for w in layer.weights]
    arrays = pth.read(fixtures / "densenet.pth")
    counted = [array for key, array in arrays.items() if not key.endswith("num_batches_tracked")]
    assert sorted(float(np.sum(w)) for w in weights) == pytest.approx(
        sorted(float(array.sum()) for array in counted), abs=1e-4
    )


def test_old_names_and_new_ones_are_the_same_network(fixtures, densenet: keras.Model) -> None:
    loaded = []
    for name in ("densenet.pth", "densenet_legacy.pth", "densenet.safetensors"):
        densenet.set_weights([np.zeros_like(weight) for weight in densenet.get_weights()])
        load_weights(densenet, fixtures / name)
        loaded.append(densenet.get_weights())
    for first, *others in zip(*loaded, strict=True):
        assert np.any(first)
        for other in others:
            np.testing.assert_array_equal(first, other)


def test_a_layer_under_both_names_is_refused(fixtures, tmp_path, densenet: keras.Model) -> None:
    arrays = load_file(fixtures / "densenet.safetensors")
    name = "features.denseblock1.denselayer1.norm{}1.bias"
    arrays[name.format(".")] = arrays[name.format("")]
    save_file(arrays, tmp_path / "both.safetensors")
    with pytest.raises(ValueError, match="the same layers under old and new names"):
        load_weights(densenet, tmp_path / "both.safetensors")


def test_the_prefix_of_parallel_training_is_taken_off(tmp_path) -> None:
    kernel, bias = np.ones((2, 3, 1, 1), np.float32), np.array([3.0, 4.0], np.float32)
    network = one_layer()
    load_weights(
        network, saved(tmp_path / "a.safetensors", module_conv_weight=kernel, module_conv_bias=bias)
    )
    np.testing.assert_array_equal(network.layers[1].bias, bias)
    with pytest.raises(ValueError, match=r"network: module.conv.bias"):
        load_weights(
            network, saved(tmp_path / "b.safetensors", conv_weight=kernel, module_conv_bias=bias)
        )


def test_another_network_is_recognised(fixtures, densenet: keras.Model) -> None:
    with pytest.raises(
        ValueError,
        match=r"The file looks like a ResNet of bottleneck blocks \(1, 2, 1, 1\), the network like a "
        r"DenseNet of blocks \(2, 3, 2, 2\): build",
    ):
        load_weights(densenet, fixtures / "resnet.pth")
    with pytest.raises(ValueError, match=r"DenseNet of blocks .*, the network like another one"):
        load_weights(one_layer(), fixtures / "densenet.pth")


def test_a_layer_that_torch_lacks_is_told() -> None:
    images = keras.Input((4, 4, 3))
    network = keras.Model(images, keras.layers.PReLU(name="act")(images))
    with pytest.raises(ValueError, match=r"layer 'act' \(PReLU\) has no counterpart in files of torch"):
        load_weights(network, Path(__file__).parents[1] / "backbones/fixtures/resnet.pth")


def test_a_broken_safetensors_file_is_refused(fixtures, tmp_path) -> None:
    content = (fixtures / "densenet.safetensors").read_bytes()
    path = tmp_path / "cut.safetensors"
    for broken in (b"", b"\xff" * 100, content[:1000], content[:-1], content + b"1"):
        path.write_bytes(broken)
        with pytest.raises(ValueError, match=r"cut.safetensors is damaged"):
            load_weights(one_layer(), path)


def test_safetensors_may_be_bfloat16(tmp_path) -> None:
    header = (
        b'{"conv.weight":{"dtype":"BF16","shape":[2,3,1,1],"data_offsets":[0,12]},'
        b'"conv.bias":{"dtype":"F32","shape":[2],"data_offsets":[12,20]}}'
    )
    path = tmp_path / "a.safetensors"
    values = b"\x80\x3f" * 6 + np.array([1, 2], "<f4").tobytes()
    path.write_bytes(len(header).to_bytes(8, "little") + header + values)
    network = one_layer()
    load_weights(network, path)
    np.testing.assert_array_equal(network.layers[1].kernel, np.ones((1, 1, 3, 2)))


@pytest.mark.parametrize("length", [2**23 + 1, 2**40, 2**64 - 1])
def test_a_header_without_end_is_refused(tmp_path, length: int) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(length.to_bytes(8, "little") + b"{}")
    with pytest.raises(
        ValueError, match=r"a.safetensors is damaged \(its header has [\d,]+ bytes; at most"
    ):
        load_weights(one_layer(), path)

from pathlib import Path

import numpy as np
import pytest
import toy_dlib

from kfer import backbones
from kfer.files import DamagedError
from kfer.pretrained import dlib

TOY = {"widths": (3, 4, 5), "blocks": (1, 2, 1)}


@pytest.fixture
def write(tmp_path):
    def write(content: bytes) -> Path:
        path = tmp_path / "net.dat"
        path.write_bytes(content)
        return path

    return write


def test_a_network_is_named_by_stage_and_block(write) -> None:
    found = dlib.read(write(toy_dlib.network()))
    assert {name: array.shape for name, array in found.items() if name.endswith("kernel")} == {
        "stem.conv.kernel": (7, 7, 3, 3),
        "stage1.0.conv1.kernel": (3, 3, 3, 3),
        "stage1.0.conv2.kernel": (3, 3, 3, 3),
        "stage2.0.conv1.kernel": (3, 3, 3, 4),
        "stage2.0.conv2.kernel": (3, 3, 4, 4),
        "stage2.1.conv1.kernel": (3, 3, 4, 4),
        "stage2.1.conv2.kernel": (3, 3, 4, 4),
        "stage3.0.conv1.kernel": (3, 3, 4, 5),
        "stage3.0.conv2.kernel": (3, 3, 5, 5),
        "fc.kernel": (5, 6),
    }
    assert found["stage3.0.conv1.bias"].shape == (5,)
    assert all(array.dtype == np.float32 for array in found.values())


def test_the_affine_layer_is_folded_into_the_convolution_before_it(write) -> None:
    generator = np.random.default_rng(0)
    layers = toy_dlib.layers(generator, *TOY.values(), 6)
    # The first convolution's values stand behind its name, and the shape of their tensor.
    start = len(toy_dlib.text("con_4") + toy_dlib.integers(2, 3 * 3 * 49 + 3, 1, 1, 1))
    values = np.frombuffer(layers[0], "<f4", 3 * 3 * 49 + 3, start)
    start = len(toy_dlib.text("affine_") + toy_dlib.integers(2, 6, 1, 1, 1))
    scale, shift = np.frombuffer(layers[1], "<f4", 6, start).reshape(2, 3)
    found = dlib.read(write(toy_dlib.file(layers)))
    kernel = values[:441].reshape(3, 3, 7, 7)
    np.testing.assert_allclose(found["stem.conv.kernel"][5, 2, 1, 2], kernel[2, 1, 5, 2] * scale[2])
    np.testing.assert_allclose(found["stem.conv.bias"], values[441:] * scale + shift)


@pytest.mark.parametrize("normalization", ["folded", "batch"])
def test_a_network_gets_the_weights_of_the_file(write, normalization) -> None:
    path = write(toy_dlib.network())
    model = backbones.build("dlib_resnet", (40, 40, 3), str(path), normalization=normalization, **TOY)
    stem = dlib.read(path)
    np.testing.assert_array_equal(model.get_layer("stem.conv").kernel, stem["stem.conv.kernel"])


def wrong(name: str) -> tuple[bytes, str]:
    generator = np.random.default_rng(0)
    layers = toy_dlib.layers(generator, (3, 4), (1, 1), 6)
    whole = toy_dlib.file(layers)
    unlike = [*layers[:3], toy_dlib.pool("max_pool_2", 2, 2), *layers[4:]]
    return {
        "another loss": (toy_dlib.file(layers, "loss_mmod_"), "'loss_metric_2', got 'loss_mmod_'"),
        "another layer": (
            toy_dlib.file([*layers[:2], toy_dlib.text("prelu_"), *layers[3:]]),
            "it has a layer 'prelu_'",
        ),
        "another order": (
            toy_dlib.file([*layers[:5], *layers[7:]]),
            "expected the layers con_4, affine_",
        ),
        "another pool": (toy_dlib.file(unlike), r"to be \(3, 3, 2, 2, 0, 0\), got \(2, 2, 2, 2, 0, 0\)"),
        "text": (b"not a network at all, but some text", "expected an integer at byte 0"),
        "empty": (b"", "it ends too early"),
        "cut short": (whole[:-40], "it ends too early"),
        "too long": (whole + b"\x01\x01", "2 bytes too many at its end"),
        "a huge tensor": (
            whole.replace(toy_dlib.integers(2, 444, 1, 1, 1), toy_dlib.integers(2, 2**62, 1, 1, 1), 1),
            "it ends too early: 18,446,744,073,709,551,616 bytes are to come",
        ),
        "a negative tensor": (
            whole.replace(toy_dlib.integers(2, 444, 1, 1, 1), toy_dlib.integers(2, -444, 1, 1, 1), 1),
            r"the shape \(-444, 1, 1, 1\)",
        ),
    }[name]


WRONG = ("another loss", "another layer", "another order", "another pool", "text", "empty", "cut short")
WRONG_SIZES = ("too long", "a huge tensor", "a negative tensor")


@pytest.mark.parametrize("name", WRONG + WRONG_SIZES)
def test_what_is_not_the_network_is_named_in_one_line(write, name) -> None:
    content, message = wrong(name)
    path = write(content)
    with pytest.raises(DamagedError, match=message) as caught:
        dlib.read(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_other_widths_do_not_fit_and_leave_the_network_as_it_was(write) -> None:
    path = write(toy_dlib.network(widths=(3, 4, 6)))
    model = backbones.build("dlib_resnet", (40, 40, 3), **TOY)
    before = model.get_weights()
    with pytest.raises(
        ValueError, match=r"net.dat does not fit .* stage3.0.conv1.*expected \(3, 3, 4, 5\)"
    ):
        dlib.load(model, path, "", "")
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_other_blocks_do_not_fit(write) -> None:
    with pytest.raises(ValueError, match=r"4 of the network's 18 arrays are not in the file: stage2.1"):
        backbones.build("dlib_resnet", (40, 40, 3), str(write(toy_dlib.network(blocks=(1, 1, 1)))), **TOY)


def test_weights_that_are_no_numbers_are_refused(write) -> None:
    content = bytearray(toy_dlib.network())
    place = content.index(toy_dlib.integers(2, 444, 1, 1, 1)) + len(toy_dlib.integers(2, 444, 1, 1, 1))
    content[place : place + 4] = np.float32(np.nan).tobytes()
    with pytest.raises(ValueError, match="hold NaN or infinite values: stem"):
        backbones.build("dlib_resnet", (40, 40, 3), str(write(bytes(content))), **TOY)


def test_a_file_that_is_not_there_is_named(tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere\.dat"):
        dlib.read(tmp_path / "nowhere.dat")


def test_a_larger_file_than_any_network_is_not_read(write, monkeypatch) -> None:
    monkeypatch.setattr(dlib, "_MOST_BYTES", 100)
    with pytest.raises(DamagedError, match="expected at most 100 bytes"):
        dlib.read(write(toy_dlib.network()))


def test_broken_files_give_arrays_or_one_error(write) -> None:
    """Most places are hit in front, where the structure is, and between tensors."""
    generator = np.random.default_rng(20261130)
    whole = toy_dlib.network()
    refused = 0
    for _ in range(600):
        content = bytearray(whole)
        for _ in range(generator.integers(1, 4)):
            place = int(
                generator.integers(min(len(content), 400) if generator.random() < 0.3 else len(content))
            )
            length = int(generator.integers(1, 40))
            match generator.integers(5):
                case 0:
                    del content[place:]
                case 1:
                    del content[place : place + length]
                case 2:
                    content[place:place] = whole[length : 2 * length]
                case 3:
                    content[place : place + 9] = generator.bytes(9)
                case _:
                    content[place] ^= 1 << int(generator.integers(8))
            if not content:
                break
        path = write(bytes(content))
        try:
            dlib.read(path)
        except DamagedError as error:
            refused += 1
            assert str(error).startswith(str(path)) and "\n" not in str(error)
    assert refused > 300

"""The networks answer as torchvision's do: see make_fixtures.py, which wrote what is compared here."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from kfer import backbones

FIXTURES = Path(__file__).parent / "fixtures"
TOLERANCE = 1e-4
RESNET = {"width": 4, "blocks": (1, 2, 1, 1)}
DENSENET = {"growth_rate": 4, "stem_filters": 8, "blocks": (2, 3, 2, 2)}


def resnet_depths(network: keras.Model) -> dict[str, Any]:
    """Where the outputs of torchvision's modules are: a stage's is what the next one begins with."""
    layer = network.get_layer
    return {
        "maxpool": layer("maxpool").output,
        "layer1": layer("layer2.0.conv1").input,
        "layer2": layer("layer3.0.conv1").input,
        "layer3": layer("layer4.0.conv1").input,
        "layer4": layer("avgpool").input,
        "fc": network.output,
    }


def densenet_depths(network: keras.Model) -> dict[str, Any]:
    layer = network.get_layer
    depths = {
        "features.pool0": layer("features.pool0").output,
        "features.denseblock4": layer("features.norm5").input,
        "features.norm5": layer("features.norm5").output,
        "classifier": network.output,
    }
    for number in (1, 2, 3):
        depths[f"features.denseblock{number}"] = layer(f"features.transition{number}.norm").input
        depths[f"features.transition{number}"] = layer(f"features.transition{number}.pool").output
    return depths


def assert_agrees(name: str, network: keras.Model, depths: dict[str, Any], size: int) -> None:
    with np.load(FIXTURES / "images.npz") as images:
        image = images[str(size)].astype(np.float32) / 127.5 - 1.0
    answers = dict(zip(depths, keras.Model(network.input, list(depths.values()))(image), strict=True))
    with np.load(FIXTURES / f"{name}.npz") as expected:
        assert {key for key in expected if key.startswith(f"{size}/")} == {
            f"{size}/{depth}" for depth in answers
        }
        for depth, answer in answers.items():
            wanted = expected[f"{size}/{depth}"]
            assert np.abs(wanted).max() > 0.1
            np.testing.assert_allclose(answer, wanted, rtol=0, atol=TOLERANCE, err_msg=depth)


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("size", [32, 33, 48, 65])
def test_resnet_agrees_with_torchvision(size: int, fused: bool) -> None:
    network = backbones.build(
        "resnet152",
        (size, size, 3),
        str(FIXTURES / "resnet.pth"),
        **RESNET,
        num_classes=5,
        fused=fused,
    )
    assert_agrees("resnet", network, resnet_depths(network), size)


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize(
    ("size", "file"),
    [
        (32, "densenet_legacy.pth"),
        (33, "densenet.safetensors"),
        (48, "densenet.pth"),
        (65, "densenet_legacy.pth"),
    ],
)
def test_densenet_agrees_with_torchvision(size: int, file: str, fused: bool) -> None:
    network = backbones.build(
        "densenet161",
        (size, size, 3),
        str(FIXTURES / file),
        **DENSENET,
        num_classes=5,
        fused=fused,
    )
    assert_agrees("densenet", network, densenet_depths(network), size)


@pytest.mark.parametrize(
    ("name", "file", "arguments", "last"),
    [
        ("resnet152", "resnet", RESNET, "layer4"),
        ("densenet161", "densenet", DENSENET, "features.norm5"),
    ],
)
def test_without_its_classifier_a_network_gives_the_features(
    name: str, file: str, arguments: dict[str, Any], last: str
) -> None:
    network = backbones.build(name, (48, 48, 3), str(FIXTURES / f"{file}.pth"), **arguments)
    with np.load(FIXTURES / "images.npz") as images, np.load(FIXTURES / f"{file}.npz") as expected:
        features = network(images["48"].astype(np.float32) / 127.5 - 1.0)
        wanted = np.maximum(expected[f"48/{last}"], 0.0)
    np.testing.assert_allclose(features, wanted, rtol=0, atol=TOLERANCE)


def test_without_their_normalisation_the_weights_answer_otherwise() -> None:
    network = backbones.build(
        "resnet152",
        (32, 32, 3),
        str(FIXTURES / "resnet.pth"),
        **RESNET,
        num_classes=5,
        normalization="none",
    )
    with pytest.raises(AssertionError, match="maxpool"):
        assert_agrees("resnet", network, resnet_depths(network), 32)


@pytest.mark.parametrize("name", ["resnet152", "densenet161"])
def test_a_grey_image_meets_the_kernel_summed_or_three_times(name: str) -> None:
    """Without a mean and deviation that differ by channel, summing and repeating are the same."""
    file, arguments = {"resnet152": ("resnet", RESNET), "densenet161": ("densenet", DENSENET)}[name]
    images = np.random.default_rng(0).uniform(-1, 1, (2, 33, 33, 1)).astype(np.float32)
    features = []
    for grey in ("repeat", "sum"):
        network = backbones.build(
            name,
            (33, 33, 1),
            str(FIXTURES / f"{file}.pth"),
            **arguments,
            grey=grey,
            normalization="none",
        )
        features.append(network(images))
    assert np.abs(features[0]).max() > 0.1
    np.testing.assert_allclose(*features, rtol=0, atol=TOLERANCE)


def test_a_network_that_recomputes_takes_the_same_file() -> None:
    file = str(FIXTURES / "densenet.pth")
    plain = backbones.build("densenet161", (48, 48, 3), file, **DENSENET)
    recomputing = backbones.build("densenet161", (48, 48, 3), file, recompute=True, **DENSENET)
    assert len(plain.weights) == len(recomputing.weights)
    for one, another in zip(plain.weights, recomputing.weights, strict=True):
        np.testing.assert_array_equal(one, another)

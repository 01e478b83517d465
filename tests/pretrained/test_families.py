import pytest

from kfer.pretrained.families import family


def resnet_keys(blocks: tuple[int, ...], convolutions: int) -> list[str]:
    return ["conv1.weight"] + [
        f"layer{stage}.{block}.conv{convolution}.weight"
        for stage, count in enumerate(blocks, 1)
        for block in range(count)
        for convolution in range(1, convolutions + 1)
    ]


def densenet_keys(blocks: tuple[int, ...]) -> list[str]:
    return [
        f"features.denseblock{block}.denselayer{layer}.norm1.bias"
        for block, count in enumerate(blocks, 1)
        for layer in range(1, count + 1)
    ]


@pytest.mark.parametrize(
    ("keys", "name"),
    [
        (resnet_keys((3, 4, 6, 3), 3), "ResNet50"),
        (resnet_keys((3, 8, 36, 3), 3), "ResNet152"),
        (resnet_keys((3, 4, 6, 3), 2), "a ResNet of basic blocks (3, 4, 6, 3)"),
        (resnet_keys((1, 2), 3), "a ResNet of bottleneck blocks (1, 2)"),
        (densenet_keys((6, 12, 36, 24)), "DenseNet161"),
        (densenet_keys((2, 3)), "a DenseNet of blocks (2, 3)"),
        (["features.0.weight", "classifier.6.bias"], "VGG or AlexNet"),
        (["blocks.0.attn.qkv.weight"], "a vision transformer"),
        (["conv2d_1"], ""),
        ([], ""),
    ],
)
def test_keys_tell_the_network(keys: list[str], name: str) -> None:
    assert family(keys) == name

"""Tells from the names of arrays which network they belong to."""

import re
from collections.abc import Iterable

_RESNETS: dict[tuple[int, ...], str] = {
    (3, 4, 6, 3): "ResNet50",
    (3, 4, 23, 3): "ResNet101",
    (3, 8, 36, 3): "ResNet152",
}
_DENSENETS: dict[tuple[int, ...], str] = {
    (6, 12, 24, 16): "DenseNet121",
    (6, 12, 36, 24): "DenseNet161",
    (6, 12, 32, 32): "DenseNet169",
    (6, 12, 48, 32): "DenseNet201",
}
_OTHERS = {
    r"features\.\d+\.weight|classifier\.6\.": "VGG or AlexNet",
    r".*\.(attn|self_attention)\.": "a vision transformer",
    r"features\.\d+\.\d+\.block\.|blocks\.\d+\.\d+\.conv_dw": "MobileNet or EfficientNet",
}


def family(keys: Iterable[str]) -> str:
    """Returns the network whose torchvision names these are ("DenseNet121"), or nothing.

    Args:
        keys: Names of arrays or layers, as in "layer1.0.conv1.weight".
    """
    keys = list(keys)
    dense = _counts(r"features\.denseblock(\d+)\.denselayer(\d+)\.", keys)
    if dense:
        return _DENSENETS.get(dense, f"a DenseNet of {_of_blocks(dense)}")
    residual = _counts(r"layer(\d+)\.(\d+)\.conv", keys)
    if residual:
        bottleneck = any(re.match(r"layer1\.0\.conv3", key) for key in keys)
        if bottleneck and residual in _RESNETS:
            return _RESNETS[residual]
        return f"a ResNet of {'bottleneck' if bottleneck else 'basic'} {_of_blocks(residual)}"
    for pattern, name in _OTHERS.items():
        if any(re.match(pattern, key) for key in keys):
            return name
    return ""


def _counts(pattern: str, keys: list[str]) -> tuple[int, ...]:
    """How many different second numbers there are with each first one."""
    pairs = {match.groups() for key in keys if (match := re.match(pattern, key))}
    firsts = [int(first) for first, _ in pairs]
    return tuple(firsts.count(first) for first in sorted(set(firsts)))


def _of_blocks(counts: tuple[int, ...]) -> str:
    return f"blocks ({', '.join(map(str, counts))})"

"""The network."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kfer.settings.checks import check_numbers


@dataclass(frozen=True)
class ModelSettings:
    """The network: a backbone and its heads.

    Attributes:
        backbone: "compact", "resnet152", "densenet161", or a name from keras.applications.
        backbone_arguments: Keyword arguments of the backbone ({"widths": [32, 64, 128, 256]}).
        weights: None for random ones, or what the backbone's own `weights` argument takes.
        embedding_size: Numbers in an embedding.
        dropout: Share of features dropped before each head, in [0, 1).
    """

    backbone: str = "compact"
    backbone_arguments: Mapping[str, Any] = field(default_factory=dict)
    weights: str | None = None
    embedding_size: int = 128
    dropout: float = 0.1

    def __post_init__(self) -> None:
        check_numbers(self, "at least 1", "embedding_size")
        check_numbers(self, "in [0, 1)", "dropout")

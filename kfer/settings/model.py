"""The network."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kfer.settings.checks import check, check_choices, check_numbers

#: What is made of the frames of a clip.
TEMPORAL = (
    "mean",
    "rnn",
    "lstm",
    "gru",
    "bidirectional_rnn",
    "bidirectional_lstm",
    "bidirectional_gru",
    "convolution",
    "attention",
)


@dataclass(frozen=True)
class ModelSettings:
    """The network: a backbone and its heads.

    Attributes:
        backbone: "compact", "resnet152", "densenet161", or a name from keras.applications.
        backbone_arguments: Keyword arguments of the backbone ({"widths": [32, 64, 128, 256]}).
        weights: None for random ones, or what the backbone's own `weights` argument takes.
        embedding_size: Numbers in an embedding.
        dropout: Share of features dropped before each head, in [0, 1).
        temporal: Of clips (`data.frames`), what makes features of the clip of those of its frames:
            "mean", which knows no order, "rnn", "lstm", "gru", each of these behind "bidirectional_",
            "convolution" (causal, dilated) or "attention" (a mean with learned weights).
        temporal_units: Of each of its layers, one after the other; "attention" has one, "mean" none.
    """

    backbone: str = "compact"
    backbone_arguments: Mapping[str, Any] = field(default_factory=dict)
    weights: str | None = None
    embedding_size: int = 128
    dropout: float = 0.1
    temporal: str = "gru"
    temporal_units: tuple[int, ...] = (64,)

    def __post_init__(self) -> None:
        check_numbers(self, "at least 1", "embedding_size")
        check_numbers(self, "in [0, 1)", "dropout")
        check_choices(self, TEMPORAL, "temporal")
        check(
            len(self.temporal_units) >= 1 and min(self.temporal_units) >= 1,
            "temporal_units",
            "a tuple of widths of at least 1",
            self.temporal_units,
        )

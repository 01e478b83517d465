"""The network."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from kfer.settings.checks import check, check_choices, checked

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
@checked
class ModelSettings:
    """The network: a backbone and its heads.

    Attributes:
        backbone: "compact", "resnet152", "densenet161", "dlib_resnet" (knows faces), or a name from
            keras.applications.
        backbone_arguments: Keyword arguments of the backbone ({"widths": [32, 64, 128, 256]}).
        weights: None for random ones, or what the backbone's own `weights` argument takes.
        embedding_size: Numbers in an embedding.
        dropout: Share of features dropped before each head, in [0, 1).
        temporal: Of clips (`data.frames`), what makes features of the clip of those of its frames:
            "mean", which knows no order, "rnn", "lstm", "gru", each of these behind "bidirectional_",
            "convolution" (causal, dilated) or "attention" (a mean with learned weights).
        temporal_units: Of each of its layers, one after the other; "attention" has one, "mean" none.
        fusion: Of clips with sound (`data.sound_seconds`), how both are fused: "feature" (features are
            joined), "decision" (a mean of what each says, with weights), "model" (features, and attention
            of each to the other); or "frames" or "sound" alone. Who somebody is, only frames say.
        fusion_weights: Of "decision", of frames and of sound; () to learn them.
        modality_dropout: The share of training clips that lose frames or sound, each as often, so that
            the other learns to do without; in [0, 1).
    """

    backbone: str = "compact"
    backbone_arguments: Mapping[str, Any] = field(default_factory=dict)
    weights: str | None = None
    embedding_size: Annotated[int, "in [1, 65536]"] = 128
    dropout: Annotated[float, "in [0, 1)"] = 0.1
    temporal: str = "gru"
    temporal_units: tuple[Annotated[int, "in [1, 65536]"], ...] = (64,)
    fusion: str = "feature"
    fusion_weights: tuple[Annotated[float, "at least 0"], ...] = ()
    modality_dropout: Annotated[float, "in [0, 1)"] = 0.3

    def __post_init__(self) -> None:
        check_choices(self, TEMPORAL, "temporal")
        check_choices(self, ("feature", "decision", "model", "frames", "sound"), "fusion")
        weights = self.fusion_weights
        check(
            not weights or (len(weights) == 2 and max(weights) > 0),
            "fusion_weights",
            "() or two numbers of at least 0, not both 0",
            weights,
        )
        check(bool(self.temporal_units), "temporal_units", "at least one width", self.temporal_units)

"""What a comparison of backbones can be told."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from kfer.settings import (
    AugmentationSettings,
    DataSettings,
    ModelSettings,
    TrainingSettings,
)


@dataclass(frozen=True)
class ComparisonSettings:
    """A comparison: everything but the network is the same for each candidate.

    Attributes:
        name: Names the folder of results.
        candidates: The networks by the names that tables show.
        data: One source with "train", "validation" and "test"; an epoch is chosen on validation, and
            test is used once, when a candidate's training has ended.
        augmentation: How training images are changed at random.
        training: The schedule and the budget; its seed is replaced by each of `seeds`.
        seeds: Each candidate is trained once with each.
        resamples: Bootstrap resamples of the test images for confidence intervals.
        timed_steps: Training steps that are timed, a candidate.
        timed_images: Images whose inference is timed, a candidate and format.
    """

    name: str
    candidates: Mapping[str, ModelSettings]
    data: DataSettings
    training: TrainingSettings
    augmentation: AugmentationSettings = field(default_factory=AugmentationSettings)
    seeds: tuple[int, ...] = (0,)
    resamples: int = 2000
    timed_steps: int = 10
    timed_images: int = 50

    def __post_init__(self) -> None:
        if not self.candidates:
            raise ValueError("candidates must name at least one network; got none")
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise ValueError(f"seeds must be different numbers, at least one; got {self.seeds}")
        if len(self.data.sources) != 1:
            names = ", ".join(source.dataset for source in self.data.sources)
            raise ValueError(f"data.sources must be one dataset; got {names}")
        if not self.training.expression_weight:
            raise ValueError("training.expression_weight must be above 0: expressions are compared")

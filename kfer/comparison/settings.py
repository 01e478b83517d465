"""What a comparison of backbones can be told."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from kfer import spec
from kfer.settings import (
    AugmentationSettings,
    DataSettings,
    ModelSettings,
    TaskSettings,
    TrainingSettings,
    default_tasks,
)
from kfer.settings.checks import checked
from kfer.settings.tasks import CLASSES


@dataclass(frozen=True)
@checked
class ComparisonSettings:
    """A comparison: everything but the network is the same for each candidate.

    Attributes:
        name: Names the folder of results.
        candidates: The networks by the names that tables show.
        expression: The task that is learnt.
        data: One source with "train", "validation" and "test"; an epoch is chosen on validation, and
            test is used once, when a candidate's training has ended.
        augmentation: How training images are changed at random.
        training: The schedule and the budget; its seed is replaced by each of `seeds`.
        seeds: Each candidate is trained once with each.
        resamples: Bootstrap resamples of the test images for confidence intervals.
        timed_steps: Training steps that are timed, a candidate.
        timed_images: Images whose inference is timed, a candidate and format.
        calibration_images: Training images that calibrate int8.
        int8_images: Test images, evenly over the split, on which int8 is compared with Keras.
        references: Published accuracies in [0, 1] on this task, by a text that says whose they are;
            shown beside the candidates'.
    """

    name: str
    candidates: Mapping[str, ModelSettings]
    data: DataSettings
    training: TrainingSettings
    expression: TaskSettings = field(default_factory=lambda: default_tasks()[spec.EXPRESSION])
    augmentation: AugmentationSettings = field(default_factory=AugmentationSettings)
    seeds: tuple[Annotated[int, "at least 0"], ...] = (0,)
    resamples: Annotated[int, "at least 1"] = 2000
    timed_steps: Annotated[int, "at least 1"] = 10
    timed_images: Annotated[int, "at least 1"] = 50
    calibration_images: Annotated[int, "at least 1"] = 200
    int8_images: Annotated[int, "at least 1"] = 1000
    references: Mapping[str, Annotated[float, "in [0, 1]"]] = field(default_factory=dict)

    @property
    def tasks(self) -> dict[str, TaskSettings]:
        """The one task, by its name."""
        return {spec.EXPRESSION: self.expression}

    @property
    def expressions(self) -> tuple[str, ...]:
        """The classes."""
        return self.expression.names

    def __post_init__(self) -> None:
        if not self.candidates:
            raise ValueError("candidates must name at least one network; got none")
        for name in self.candidates:
            if not name.replace("_", "").replace("-", "").isalnum():
                raise ValueError(
                    f"candidates' names must be letters, digits, - and _ (folders); got {name!r}"
                )
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise ValueError(f"seeds must be different numbers, at least one; got {self.seeds}")
        if len(self.data.sources) != 1:
            names = ", ".join(source.dataset for source in self.data.sources)
            raise ValueError(f"data.sources must be one dataset; got {names}")
        if self.expression.kind != CLASSES or not self.expression.weight:
            raise ValueError("expression must be a task of kind classes with a weight above 0")
